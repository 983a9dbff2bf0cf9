{{
    config(
        materialized='appended',
        pre_hook=["{{ forget_planned(this, ['as_of_date']) }}", "{{ forget_old_segments(this) }}"]
    )
}}
{#- Of quantiles of events: the arm's quantile, and what an interval about it needs of the units, which are the clusters. -#}
with

quantiles as (

    select * from {{ ref('int_event_histograms') }}
    where is_quantile

),

cluster_sums as (

    select
        as_of_date,
        experiment_id,
        arm,
        metric_id,
        segment_name,
        segment_value,
        sum(n_units) as n_units,
        sum(n_events) as n_events,
        sum(n_up_to) as n_up_to,
        sum(sum_events_squared) as sum_events_squared,
        sum(sum_up_to_squared) as sum_up_to_squared,
        sum(sum_product) as sum_product
    from {{ ref('int_event_clusters') }}
    group by as_of_date, experiment_id, arm, metric_id, segment_name, segment_value

)

select
    quantiles.as_of_date,
    quantiles.experiment_id,
    variants.variant_id,
    quantiles.metric_id,
    quantiles.segment_name,
    quantiles.segment_value,
    quantiles.quantile,
    cast(quantiles.value as double) / quantiles.one as value,
    cast(sums.n_units as bigint) as n_units,
    cast(sums.n_events as bigint) as n_events,
    cast(sums.n_up_to as bigint) as n_up_to,
    cast(sums.sum_events_squared as double) as sum_events_squared,
    cast(sums.sum_up_to_squared as double) as sum_up_to_squared,
    cast(sums.sum_product as double) as sum_product,
    quantiles.metric_hash
from quantiles
inner join cluster_sums as sums
    on
        quantiles.as_of_date = sums.as_of_date
        and quantiles.experiment_id = sums.experiment_id
        and quantiles.arm = sums.arm
        and quantiles.metric_id = sums.metric_id
        and quantiles.segment_name = sums.segment_name
        and quantiles.segment_value = sums.segment_value
inner join {{ arms() }} as variants
    on
        quantiles.experiment_id = variants.experiment_id
        and quantiles.arm = variants.arm
