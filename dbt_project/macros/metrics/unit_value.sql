{#- What a unit value starts from: 0, or below everything for a maximum. -#}
{% macro nothing_of(unit_value) -%}
    {{ nothing_yet() if unit_value.aggregate == 'max' else 0 }}
{%- endmacro %}

{#- Stands for a value that was never computed: one makes any total or maximum as large as no computed one is. -#}
{% macro never_computed() -%} 4000000000000000000 {%- endmacro %}

{#- What one unit-day row, of as many days since exposure, adds to a unit value. -#}
{% macro value_of_day(unit_value) -%}
    case
        when day >= {{ unit_value.first_day }}{% if unit_value.last_day is not none %} and day <= {{ unit_value.last_day }}{% endif %}
            then coalesce({{ unit_value.component }}, {{ never_computed() }})
        else {{ nothing_of(unit_value) }}
    end
{%- endmacro %}

{#- The total, or maximum, of values of which some may be `never_computed`: then it is NULL. -#}
{% macro total_of(unit_value, expression) -%}
    {%- if unit_value.aggregate == 'max' -%}
    nullif(max({{ expression }}), {{ never_computed() }})
    {%- else -%}
    {{ computed_total(unit_total(expression)) }}
    {%- endif -%}
{%- endmacro %}

{#- A total as BIGINT, NULL when something in it was never computed. -#}
{% macro computed_total(total) -%}
    case when {{ total }} < 2000000000000000000 then {{ held_to_bigint(total) }} end
{%- endmacro %}

{#- A unit value over a group of unit-day rows. A row that was not computed leaves the whole not computed. -#}
{% macro total_over_days(unit_value) -%}
    {{ total_of(unit_value, value_of_day(unit_value)) }}
{%- endmacro %}

{#- The value of a unit without a base snapshot: what came since, or nothing. -#}
{% macro first_total(unit_value) -%}
    case when new_totals.unit_id is null then {{ nothing_of(unit_value) }} else new_totals.{{ unit_value.column }} end
{%- endmacro %}

{#- The base snapshot's value and what came since, if anything did; either NULL value stays NULL. -#}
{% macro carried_forward(unit_value) -%}
    {%- set before, since = 'base_units.' ~ unit_value.column, 'new_totals.' ~ unit_value.column -%}
    case
        when new_totals.unit_id is null or {{ before }} is null then {{ before }}
        when {{ since }} is null then null
        {%- if unit_value.aggregate == 'max' %}
        else greatest({{ before }}, {{ since }})
        {%- else %}
        else {{ held_to_bigint(before ~ " + " ~ since) }}
        {%- endif %}
    end
{%- endmacro %}
