{{ config(meta={'dagster': {'ref': {'name': 'fct_bucket_sums'}}}) }}
{#- The units and sums of the buckets are those of the metric's moments. #}
with

moments as {{ planned(ref('fct_metric_moments')) }},

bucket_sums as {{ planned(ref('fct_bucket_sums')) }},

added_up as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        metric_id,
        sum(n_units) as n_units,
        sum(value_sum) / power(10, min(decimals)) as value_sum,
        sum(denominator_sum) / power(10, min(denominator_decimals)) as denominator_sum
    from bucket_sums
    group by as_of_date, experiment_id, variant_id, metric_id

)

select
    moments.as_of_date,
    moments.experiment_id,
    moments.variant_id,
    moments.metric_id
from moments
left join added_up
    on
        moments.as_of_date = added_up.as_of_date
        and moments.experiment_id = added_up.experiment_id
        and moments.variant_id = added_up.variant_id
        and moments.metric_id = added_up.metric_id
where
    moments.metric_id in ({{ sql_texts(bootstrapped_metrics() | map(attribute='metric_id') | list or ['']) }})
    and moments.segment_name = 'all'
    and (
        moments.n_units <> coalesce(added_up.n_units, 0)
        or abs(moments.mean * moments.n_units - added_up.value_sum) > 1e-9 * (abs(added_up.value_sum) + moments.n_units)
        or abs(moments.denominator_mean * moments.n_units - added_up.denominator_sum)
        > 1e-9 * (abs(added_up.denominator_sum) + moments.n_units)
    )
