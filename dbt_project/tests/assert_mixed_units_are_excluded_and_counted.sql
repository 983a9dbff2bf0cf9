{{ config(meta={'dagster': {'ref': {'name': 'fct_exposure_counts'}}}) }}
{#- Every exposed unit is counted once: among the units of its variant, or among its mixed ones. #}
with

exposed_units as {{ planned(ref('int_exposed_units')) }},

counts as {{ planned(ref('fct_exposure_counts')) }},

recounted as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        sum(case when is_mixed then 0 else 1 end) as n_units,
        sum(case when is_mixed then 1 else 0 end) as n_mixed_excluded
    from exposed_units
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
