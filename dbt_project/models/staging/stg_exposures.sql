with

exposures as (

    select * from {{ source('lake', 'exposures') }}

)

select
    source_id,
    log_date,
    known_from,
    experiment_id,
    unit_id,
    variant_id,
    exposed_at,
    exposed_date
    {%- for attribute in metric_catalog()['attributes'] %},
    a_{{ attribute }}
    {%- endfor %}
from exposures
