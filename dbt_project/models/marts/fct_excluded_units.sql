{{
    config(
        materialized='appended',
        dated_by=['known_from'],
        pre_hook=["{{ forget_planned(this, ['known_from']) }}"]
    )
}}
{#- Units that were exposed to two experiments of one exclusion group while both ran, by when both exposures were known. -#}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

)
{%- if metric_catalog().get('has_exclusions', false) %},

exclusions as (

    select * from {{ source('inputs', 'experiment_exclusions') }}

),

{#- The row with which each unit came to be known. #}
units as (

    select
        first_exposures.experiment_id,
        first_exposures.unit_id,
        first_exposures.known_from,
        first_exposures.exposed_date
    from {{ first_exposures() }} as first_exposures
    where
        first_exposures.earlier_exposed_at is null
        and first_exposures.experiment_id in (select experiment_id from exclusions)

)

select
    greatest(units.known_from, others.known_from) as known_from,
    units.experiment_id,
    others.experiment_id as other_experiment_id,
    cast(count(*) as bigint) as n_units
from units
inner join build_plan
    on units.experiment_id = build_plan.experiment_id
inner join exclusions
    on
        units.experiment_id = exclusions.experiment_id
        and units.exposed_date <= exclusions.until_date
inner join units as others
    on
        exclusions.other_experiment_id = others.experiment_id
        and units.unit_id = others.unit_id
        and exclusions.until_date >= others.exposed_date
where greatest(units.known_from, others.known_from) between build_plan.from_date and build_plan.to_date
group by greatest(units.known_from, others.known_from), units.experiment_id, others.experiment_id
{%- else %}

select
    from_date as known_from,
    experiment_id,
    cast(null as {{ type_text() }}) as other_experiment_id,
    cast(0 as bigint) as n_units
from build_plan
where 1 = 0
{%- endif %}
