{#- Batches: the units of an experiment by the day of their first exposure. -#}

{#- The metrics that some experiment has analysed by batch. -#}
{% macro batched_metrics() -%}
    {%- set ids = metric_catalog().get('batches', {}).get('metrics', []) -%}
    {{ return(metric_catalog()['metrics'] | selectattr('metric_id', 'in', ids) | list) }}
{%- endmacro %}

{#- The sums behind the moments of a batch, of those in `metric_sums`. -#}
{% macro batch_sums(metric) -%}
    {%- set names = [] -%}
    {%- for prefix in ['n', 'y', 'yy'] -%} {%- do names.append(prefix ~ '_' ~ metric.metric_hash) -%} {%- endfor -%}
    {{ return(metric_sums(metric) | selectattr('name', 'in', names) | list) }}
{%- endmacro %}
