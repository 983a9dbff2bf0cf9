{{ config(meta={'dagster': {'ref': {'name': 'fct_value_counts'}}}) }}
{#- The units that fct_value_counts counts by value are those of the metric's moments. #}
{{ counted_amiss(ref('fct_value_counts'), quantile_metrics()) }}
