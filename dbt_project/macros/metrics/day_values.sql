{#- The metrics that some experiment follows over days since exposure: what a unit has of them adds up over days. -#}
{% macro trend_metrics() -%}
    {%- set ids = metric_catalog().get('trends', {}).get('metrics', []) -%}
    {{ return(metric_catalog()['metrics'] | selectattr('metric_id', 'in', ids) | list) }}
{%- endmacro %}

{#- A unit's value of a metric on one day, before any cap, over that day's rows; NULL where one was never computed. -#}
{% macro value_on_day(metric) -%}
    {%- set unit_value = (metric_catalog()['unit_values'] | selectattr('column', 'equalto', metric.value) | list)[0] -%}
    {{ total_of(unit_value, 'coalesce(unit_days.' ~ unit_value.component ~ ', ' ~ never_computed() ~ ')') }}
{%- endmacro %}

{#- The name of the flag of units that are complete for a metric: one without window stops at the experiment's end. -#}
{% macro complete_for(metric) -%}
    {{ return('is_complete' if metric.end_days is not none else 'is_complete_by_end') }}
{%- endmacro %}
