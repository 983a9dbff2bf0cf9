{{ config(meta={'dagster': {'ref': {'name': 'fct_event_value_counts'}}}) }}
{#- The events that are counted by value and those summed by unit are the metric's, whose moments are of their number. #}
with

moments as {{ planned(ref('fct_metric_moments')) }},

value_counts as {{ planned(ref('fct_event_value_counts')) }},

clusters as {{ planned(ref('fct_event_clusters')) }},

counted as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        metric_id,
        segment_name,
        segment_value,
        sum(n_events) as n_events
    from value_counts
    group by as_of_date, experiment_id, variant_id, metric_id, segment_name, segment_value

)

select
    moments.as_of_date,
    moments.experiment_id,
    moments.variant_id,
    moments.metric_id,
    moments.segment_name,
    moments.segment_value
from moments
left join counted
    on
        moments.as_of_date = counted.as_of_date
        and moments.experiment_id = counted.experiment_id
        and moments.variant_id = counted.variant_id
        and moments.metric_id = counted.metric_id
        and moments.segment_name = counted.segment_name
        and moments.segment_value = counted.segment_value
left join clusters
    on
        moments.as_of_date = clusters.as_of_date
        and moments.experiment_id = clusters.experiment_id
        and moments.variant_id = clusters.variant_id
        and moments.metric_id = clusters.metric_id
        and moments.segment_name = clusters.segment_name
        and moments.segment_value = clusters.segment_value
where
    moments.metric_id in ({{ sql_texts(event_quantile_metrics() | map(attribute='metric_id') | list or ['']) }})
    and moments.n_not_computed = 0
    and (
        coalesce(moments.total, 0) <> coalesce(counted.n_events, 0)
        or coalesce(moments.total, 0) <> coalesce(clusters.n_events, 0)
    )
