{{ config(materialized='appended', starts_empty=true, share_in_memory=0.25) }}
{#- Of quantiles of events: how many events have each value, with the as-of dates of the span from and until which they count. -#}
{%- set attributes = metric_catalog()['attributes'] %}
{%- set metrics = event_quantile_metrics() %}
{%- for metric in metrics %}
{{ 'with' if loop.first else ',' }}

events_of_{{ metric.metric_hash }}_{{ loop.index }} as (

    {{ event_rows(metric) }}

)
{%- endfor %}

{%- for metric in metrics %}
{{ 'union all' if not loop.first }}

select
    {{ sql_text(metric.metric_id) }} as metric_id,
    experiment_id,
    arm
    {%- for attribute in attributes %},
    a_{{ attribute }}
    {%- endfor %},
    effective_date,
    until_date,
    value,
    count(*) as n_events
from events_of_{{ metric.metric_hash }}_{{ loop.index }}
group by
    experiment_id, arm, effective_date, until_date, value
    {%- for attribute in attributes %}, a_{{ attribute }}{% endfor %}
{%- else %}
select
    cast(null as {{ type_text() }}) as metric_id,
    experiment_id,
    cast(0 as smallint) as arm
    {%- for attribute in attributes %},
    cast(null as {{ type_text() }}) as a_{{ attribute }}
    {%- endfor %},
    from_date as effective_date,
    to_date as until_date,
    cast(null as bigint) as value,
    cast(0 as bigint) as n_events
from {{ source('inputs', 'build_plan') }}
where 1 = 0
{%- endfor %}
