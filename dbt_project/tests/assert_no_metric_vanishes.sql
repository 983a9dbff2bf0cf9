{{ config(meta={'dagster': {'ref': {'name': 'fct_metric_moments'}}}) }}
{#- Wherever a variant has units, each of the experiment's metrics has a row. #}
with

counts as {{ planned(ref('fct_exposure_counts')) }},

moments as {{ planned(ref('fct_metric_moments')) }},

experiment_metrics as (

    select * from {{ source('inputs', 'experiment_metrics') }}

)

select
    counts.as_of_date,
    counts.experiment_id,
    counts.variant_id,
    experiment_metrics.metric_id,
    counts.segment_name,
    counts.segment_value
from counts
inner join experiment_metrics
    on counts.experiment_id = experiment_metrics.experiment_id
left join moments
    on
        counts.as_of_date = moments.as_of_date
        and counts.experiment_id = moments.experiment_id
        and counts.variant_id = moments.variant_id
        and experiment_metrics.metric_id = moments.metric_id
        and counts.segment_name = moments.segment_name
        and counts.segment_value = moments.segment_value
where
    counts.n_units > 0
    and moments.metric_id is null
