{#- The component of a unit value: a quasi-experiment sums it up by day, whatever the days since exposure. -#}
{% macro panel_column(value) -%}
    {{ return((metric_catalog()['unit_values'] | selectattr('column', 'equalto', value) | first).component) }}
{%- endmacro %}

{#- The components of these metrics, each once. -#}
{% macro panel_columns(metrics) -%}
    {%- set columns = [] -%}
    {%- for metric in metrics -%}
        {%- for value in [metric.value, metric.denominator] if value is not none -%}
            {%- do columns.append(panel_column(value)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(columns | unique | list) }}
{%- endmacro %}
