{{ config(meta={'dagster': {'ref': {'name': 'fct_exposure_counts'}}}) }}
{#- Every exposed unit is counted once: among the units of its variant, or among its mixed ones. #}
with

exposed_units as {{ planned_last(ref('int_exposed_units')) }},

counts as {{ planned_last(ref('fct_exposure_counts')) }},

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

mixed_units as (

    select
        build_plan.to_date as as_of_date,
        first_exposures.experiment_id,
        first_exposures.variant_id,
        row_number() over (
            partition by first_exposures.experiment_id, first_exposures.unit_id
            order by first_exposures.known_from desc
        ) as recency
    from {{ first_exposures() }} as first_exposures
    inner join build_plan
        on
            first_exposures.experiment_id = build_plan.experiment_id
            and first_exposures.known_from <= build_plan.to_date
    where first_exposures.is_mixed

),

every_unit as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        1 as is_counted
    from exposed_units

    union all

    select
        as_of_date,
        experiment_id,
        variant_id,
        0 as is_counted
    from mixed_units
    where recency = 1

),

recounted as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        sum(is_counted) as n_units,
        sum(1 - is_counted) as n_mixed_excluded
    from every_unit
    group by as_of_date, experiment_id, variant_id

),

everyone as (

    select * from counts
    where segment_name = 'all'

)

select
    coalesce(everyone.as_of_date, recounted.as_of_date) as as_of_date,
    coalesce(everyone.experiment_id, recounted.experiment_id) as experiment_id,
    coalesce(everyone.variant_id, recounted.variant_id) as variant_id
from everyone
full outer join recounted
    on
        everyone.as_of_date = recounted.as_of_date
        and everyone.experiment_id = recounted.experiment_id
        and everyone.variant_id = recounted.variant_id
where
    coalesce(everyone.n_units, 0) <> coalesce(recounted.n_units, 0)
    or coalesce(everyone.n_mixed_excluded, 0) <> coalesce(recounted.n_mixed_excluded, 0)
