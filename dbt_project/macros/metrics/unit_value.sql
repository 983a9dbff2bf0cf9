{#- What a unit value starts from: 0, or below everything for a maximum. -#}
{% macro nothing_of(unit_value) -%}
    {{ nothing_yet() if unit_value.aggregate == 'max' else 0 }}
{%- endmacro %}

{#- A unit value over a group of unit-day rows. A row that was not computed (NULL) leaves the whole not computed. -#}
{% macro total_over_days(unit_value) -%}
    {%- set is_within -%}
    day >= {{ unit_value.first_day }}{% if unit_value.last_day is not none %} and day <= {{ unit_value.last_day }}{% endif %}
    {%- endset -%}
    {%- set of_day = "case when " ~ is_within ~ " then " ~ unit_value.component ~ " else " ~ nothing_of(unit_value) ~ " end" -%}
    case
        when count(case when {{ is_within }} and {{ unit_value.component }} is null then 1 end) = 0
            then
            {%- if unit_value.aggregate == 'max' %} max({{ of_day }})
            {%- else %} {{ held_to_bigint(exact_total(of_day)) }}
            {%- endif %}
    end
{%- endmacro %}

{#- The base snapshot's value and what came since; either absent row is nothing, either NULL value stays NULL. -#}
{% macro carried_forward(unit_value, has_base) -%}
    {%- set column = unit_value.column -%}
    {%- set since = "case when new_totals.unit_id is null then " ~ nothing_of(unit_value) ~ " else new_totals." ~ column ~ " end" -%}
    {%- set before = "case when base_snapshots.unit_id is null then " ~ nothing_of(unit_value) ~ " else base_snapshots." ~ column ~ " end" -%}
    {%- if not has_base -%}
    {{ since }}
    {%- else -%}
    case
        when base_snapshots.unit_id is not null and base_snapshots.{{ column }} is null then null
        when new_totals.unit_id is not null and new_totals.{{ column }} is null then null
        {%- if unit_value.aggregate == 'max' %}
        else greatest({{ before }}, {{ since }})
        {%- else %}
        else {{ held_to_bigint("(" ~ before ~ ") + (" ~ since ~ ")") }}
        {%- endif %}
    end
    {%- endif -%}
{%- endmacro %}
