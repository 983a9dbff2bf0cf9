{{ config(meta={'dagster': {'ref': {'name': 'fct_event_value_counts'}}}) }}
{#- The events that are counted by value and those summed by unit are the metric's, whose moments are of their number. #}
{%- set moments_of_events = {
    'counted': 'n_events', 'expected': 'coalesce(moments.total, 0)', 'is_known': 'moments.n_not_computed = 0'
} %}
{{ counted_amiss(ref('fct_event_value_counts'), event_quantile_metrics(), **moments_of_events) }}

union all

{{ counted_amiss(ref('fct_event_clusters'), event_quantile_metrics(), **moments_of_events) }}
