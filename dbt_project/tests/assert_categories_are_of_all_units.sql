{{ config(meta={'dagster': {'ref': {'name': 'fct_category_counts'}}}) }}
{#- The units that fct_category_counts counts by category are those of the metric's moments. #}
{{ counted_amiss(ref('fct_category_counts'), categorical_metrics()) }}
