{#- The metrics by which pairs of experiments are compared; none where the project does not ask. -#}
{% macro overlap_metrics() -%}
    {%- set ids = (metric_catalog().get('overlaps') or {}).get('metrics', []) -%}
    {{ return(metric_catalog()['metrics'] | selectattr('metric_id', 'in', ids) | list) }}
{%- endmacro %}

{#- The sums behind the moments of a cell of two experiments, of those in `metric_sums`: without covariates. -#}
{% macro overlap_sums(metric) -%}
    {%- set sums = [] -%}
    {%- for sum in metric_sums(metric) -%}
        {%- set name = sum.name | replace('_' ~ metric.metric_hash, '') -%}
        {%- if name in ['n', 'overflow', 'not_computed', 'y', 'd', 'yy', 'yd', 'dd'] or name.endswith('_high') or name.endswith('_low') -%}
            {%- do sums.append(sum) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(sums) }}
{%- endmacro %}
