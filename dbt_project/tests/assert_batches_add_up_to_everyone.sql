{{ config(meta={'dagster': {'ref': {'name': 'fct_batch_moments'}}}) }}
{#- The batches of an arm have all units of its metric, and their means make its mean. -#}
with

moments as {{ planned(ref('fct_metric_moments')) }},

batch_moments as {{ planned(ref('fct_batch_moments')) }},

batches as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        metric_id,
        sum(n_units) as n_units,
        sum(n_units * mean) as total,
        sum(n_units * abs(mean)) as absolute_total
    from batch_moments
    group by as_of_date, experiment_id, variant_id, metric_id

)

select
    moments.as_of_date,
    moments.experiment_id,
    moments.variant_id,
    moments.metric_id
from moments
inner join {{ source('inputs', 'experiment_batches') }} as experiment_batches
    on
        moments.experiment_id = experiment_batches.experiment_id
        and moments.metric_id = experiment_batches.metric_id
left join batches
    on
        moments.as_of_date = batches.as_of_date
        and moments.experiment_id = batches.experiment_id
        and moments.variant_id = batches.variant_id
        and moments.metric_id = batches.metric_id
where
    moments.segment_name = 'all'
    and (
        moments.n_units <> coalesce(batches.n_units, 0)
        or abs(moments.n_units * moments.mean - batches.total) > 1e-9 * batches.absolute_total
    )
