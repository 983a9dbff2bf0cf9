{%- set event_sources = metric_catalog()['event_sources'] -%}
{%- set measures = event_sources | map(attribute='measures') | sum(start=[]) | unique | sort -%}
{%- set properties = event_sources | map(attribute='properties') | sum(start=[]) | unique | sort -%}
with

events as (

    select * from {{ source('lake', 'events') }}

)

select
    source_id,
    log_date,
    known_from,
    event_id,
    unit_id,
    event_name,
    occurred_at,
    occurred_date
    {%- for measure in measures %},
    m_{{ measure }}
    {%- endfor %}
    {%- for measure in metric_catalog().get('measures_with_units', []) %},
    u_{{ measure }}
    {%- endfor %}
    {%- for property in properties %},
    p_{{ property }}
    {%- endfor %}
from events
