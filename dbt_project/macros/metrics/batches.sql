{#- Batches: the units of an experiment by the day of their first exposure. -#}

{#- The metrics that some experiment has analysed by batch. -#}
{% macro batched_metrics() -%}
    {%- set ids = metric_catalog().get('batches', {}).get('metrics', []) -%}
    {{ return(metric_catalog()['metrics'] | selectattr('metric_id', 'in', ids) | list) }}
{%- endmacro %}

{#- The sums behind the moments of a batch, by their short names. -#}
{% macro batch_sums() -%} {{ return(['n', 'y', 'yy']) }} {%- endmacro %}
