{{
    config(
        materialized='appended',
        pre_hook=["{{ forget_planned(this, ['as_of_date']) }}", "{{ forget_old_segments(this) }}"]
    )
}}
{#-
    Of quantiles of events: how many events have each value. Values far from the quantile are counted at the least, or at the
    greatest, of all, as in fct_value_counts; how far is a matter of how much the events of a unit are alike.
-#}
with

histograms as (

    select
        histograms.*,
        variants.variant_id
    from {{ ref('int_event_histograms') }} as histograms
    inner join {{ arms() }} as variants
        on
            histograms.experiment_id = variants.experiment_id
            and histograms.arm = variants.arm

),

clusters as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        metric_id,
        segment_name,
        segment_value,
        quantile,
        cast(n_units as double) as n_units,
        cast(n_events as double) as n_events,
        cast(n_up_to as double) as n_up_to,
        sum_events_squared,
        sum_up_to_squared,
        sum_product
    from {{ ref('fct_event_clusters') }}

),

kept_ranks as (

    select
        *,
        {{ kept_event_ranks() }} as n_kept
    from clusters

),

kept as (

    select
        histograms.*,
        case
            when histograms.n_up_to < kept_ranks.n_events * kept_ranks.quantile - kept_ranks.n_kept
                then histograms.smallest
            when
                histograms.n_up_to - histograms.n_events
                >= kept_ranks.n_events * kept_ranks.quantile + kept_ranks.n_kept
                then histograms.largest
            else histograms.value
        end as counted_as
    from histograms
    inner join kept_ranks
        on
            histograms.as_of_date = kept_ranks.as_of_date
            and histograms.experiment_id = kept_ranks.experiment_id
            and histograms.variant_id = kept_ranks.variant_id
            and histograms.metric_id = kept_ranks.metric_id
            and histograms.segment_name = kept_ranks.segment_name
            and histograms.segment_value = kept_ranks.segment_value

)

select
    as_of_date,
    experiment_id,
    variant_id,
    metric_id,
    segment_name,
    segment_value,
    cast(counted_as as double) / one as value,
    cast(sum(n_events) as bigint) as n_events,
    metric_hash
from kept
group by
    as_of_date, experiment_id, variant_id, metric_id, segment_name, segment_value, counted_as, one, metric_hash
