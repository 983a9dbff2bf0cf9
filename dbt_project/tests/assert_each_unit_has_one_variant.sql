{{ config(meta={'dagster': {'ref': {'name': 'int_exposed_units'}}}) }}
{#- At its last as-of date, and it is one that the experiment declares. #}
with

exposed_units as {{ planned_last(ref('int_exposed_units')) }},

experiment_variants as (

    select * from {{ source('inputs', 'experiment_variants') }}

)

select
    exposed_units.as_of_date,
    exposed_units.experiment_id,
    exposed_units.unit_id
from exposed_units
left join experiment_variants
    on
        exposed_units.experiment_id = experiment_variants.experiment_id
        and exposed_units.variant_id = experiment_variants.variant_id
where {{ is_in_test_sample('exposed_units.unit_hash') }}
group by exposed_units.as_of_date, exposed_units.experiment_id, exposed_units.unit_id
having count(distinct exposed_units.variant_id) <> 1 or count(*) <> count(experiment_variants.variant_id)
