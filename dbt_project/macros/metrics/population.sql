{#- Whether a unit is in a metric's population at the as-of date: not mixed, and its window has matured. -#}
{% macro is_in_population(metric) -%}
    not is_mixed
    {%- if metric.end_days is not none %} and {{ instant_plus_days('exposed_at', metric.end_days) }} <= as_of_ends_at{% endif %}
{%- endmacro %}

{#- 10^14 quantised units: a unit whose total reaches it makes its metric `overflow`. -#}
{% macro overflow_limit() -%} 100000000000000 {%- endmacro %}

{#- The value that a metric sees of a unit: the maximum of nothing is 0, a binary metric is 0 or 1. -#}
{% macro seen_value(column, is_binary) -%}
    {%- if is_binary -%}
    case when {{ column }} > 0 then 1 when {{ column }} is not null then 0 end
    {%- else -%}
    case when {{ column }} = {{ nothing_yet() }} then 0 else {{ column }} end
    {%- endif -%}
{%- endmacro %}

{#- (metric, unit value) pairs whose cap is a quantile, as names of columns in int_metric_caps. -#}
{% macro quantile_caps() -%}
    {%- set caps = [] -%}
    {%- for metric in metric_catalog()['metrics'] if metric.cap_quantile is not none -%}
        {%- do caps.append({'metric': metric, 'value': metric.value, 'column': 'cap_' ~ metric.metric_hash}) -%}
        {%- if metric.denominator is not none -%}
            {%- do caps.append({'metric': metric, 'value': metric.denominator, 'column': 'denominator_cap_' ~ metric.metric_hash}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(caps) }}
{%- endmacro %}
