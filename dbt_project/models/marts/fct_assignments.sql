{{
    config(
        materialized='appended',
        dated_by=['known_from'],
        pre_hook=["{{ forget_planned(this, ['known_from']) }}"]
    )
}}
{#- Units by the variant they were first logged in and the one that their hash gives, where the experiment declares it. -#}
with

buckets as (

    select * from {{ source('inputs', 'experiment_buckets') }}

),

hashing as (

    select distinct
        experiment_id,
        algorithm,
        salt,
        buckets
    from buckets

),

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

{#- The row with which each unit came to be known. #}
units as (

    select
        first_exposures.experiment_id,
        first_exposures.known_from,
        first_exposures.variant_id,
        {{ digest_number('hashing.algorithm', "hashing.salt || first_exposures.unit_id") }} % hashing.buckets as bucket
    from {{ first_exposures() }} as first_exposures
    inner join hashing
        on first_exposures.experiment_id = hashing.experiment_id
    inner join build_plan
        on
            first_exposures.experiment_id = build_plan.experiment_id
            and first_exposures.known_from between build_plan.from_date and build_plan.to_date
    where first_exposures.earlier_exposed_at is null

)

select
    units.known_from,
    units.experiment_id,
    units.variant_id,
    buckets.variant_id as hashed_variant_id,
    cast(count(*) as bigint) as n_units
from units
inner join buckets
    on
        units.experiment_id = buckets.experiment_id
        and units.bucket >= buckets.first_bucket
        and units.bucket < buckets.end_bucket
group by units.known_from, units.experiment_id, units.variant_id, buckets.variant_id
