{#- The metrics whose intervals are bootstrapped. -#}
{% macro bootstrapped_metrics() -%}
    {{ return(metric_catalog()['metrics'] | selectattr('is_bootstrapped', 'defined') | list) }}
{%- endmacro %}

{#- Exact sums over the usable units of a bucket, of the values as the metric's moments see them; after `usable_values`. -#}
{% macro bucket_sums(metric) -%}
    {%- set h = metric.metric_hash -%}
    count(case when u_{{ h }} then 1 end) as n_{{ h }},
    {{ exact("coalesce(" ~ exact_total('y_' ~ h) ~ ", 0)") }} as y_{{ h }}
    {%- if metric.denominator is not none %},
    {{ exact("coalesce(" ~ exact_total('d_' ~ h) ~ ", 0)") }} as d_{{ h }}
    {%- endif %}
{%- endmacro %}

{#- The quantile caps that a bootstrap estimates anew in each replicate. -#}
{% macro resampled_caps() -%}
    {%- set caps = [] -%}
    {%- for cap in quantile_caps() if cap.metric.is_bootstrapped is defined -%} {%- do caps.append(cap) -%} {%- endfor -%}
    {{ return(caps) }}
{%- endmacro %}
