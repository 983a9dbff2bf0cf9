{{
    config(
        materialized='appended',
        pre_hook=["{{ forget_planned(this, ['as_of_date']) }}", "{{ forget_old_segments(this) }}"]
    )
}}
{#-
    Of quantile metrics: how many units have each value. Values far from the quantile are counted at the least, or at the
    greatest, of all, so that the table stays small and intervals that would reach there become too wide, never too narrow.
-#}
{%- set metrics = quantile_metrics() %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

quantiles as (

    {{ quantile_levels(metrics, 'decimals') }}

),

{{ counts_by_value(metrics) }},

ranked as (

    select
        value_counts.*,
        quantiles.metric_hash,
        quantiles.quantile,
        quantiles.one,
        cast(sum(value_counts.n_units) over values_so_far as double) as n_up_to,
        cast(sum(value_counts.n_units) over groups_of_units as double) as n,
        min(value_counts.value) over groups_of_units as smallest,
        max(value_counts.value) over groups_of_units as largest
    from value_counts
    inner join quantiles
        on value_counts.metric_id = quantiles.metric_id
    inner join {{ source('inputs', 'experiment_metrics') }} as experiment_metrics
        on
            value_counts.experiment_id = experiment_metrics.experiment_id
            and value_counts.metric_id = experiment_metrics.metric_id
    window
        groups_of_units as (
            partition by
                value_counts.as_of_date, value_counts.experiment_id, value_counts.variant_id, value_counts.metric_id,
                value_counts.segment_name, value_counts.segment_value
        ),
        values_so_far as (
            partition by
                value_counts.as_of_date, value_counts.experiment_id, value_counts.variant_id, value_counts.metric_id,
                value_counts.segment_name, value_counts.segment_value
            order by value_counts.value
        )

),

kept as (

    select
        *,
        case
            when n_up_to < n * quantile - {{ kept_ranks('n', 'quantile') }} then smallest
            when n_up_to - n_units >= n * quantile + {{ kept_ranks('n', 'quantile') }} then largest
            else value
        end as counted_as
    from ranked

)

select
    as_of_date,
    experiment_id,
    variant_id,
    metric_id,
    segment_name,
    segment_value,
    cast(counted_as as double) / one as value,
    cast(sum(n_units) as bigint) as n_units,
    metric_hash
from kept
group by
    as_of_date, experiment_id, variant_id, metric_id, segment_name, segment_value, counted_as, one, metric_hash
