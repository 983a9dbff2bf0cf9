{#- One component's total over a group of events: 0 (or `nothing_yet` for a max or first) when none qualifies, never NULL. -#}
{% macro component_total(component) -%}
    {%- set condition = component_condition(component) -%}
    {%- if component.aggregate == 'count' -%}
    count(case when {{ condition }} then {{ 1 if component.measure is none else 'm_' ~ component.measure }} end)
    {%- elif component.aggregate == 'sum' -%}
    {{ held_to_bigint("coalesce(" ~ unit_total("case when " ~ condition ~ " then m_" ~ component.measure ~ " end") ~ ", 0)") }}
    {%- elif component.aggregate == 'max' -%}
    coalesce(max(case when {{ condition }} then m_{{ component.measure }} end), {{ nothing_yet() }})
    {%- elif component.aggregate == 'first' -%}
    coalesce(max(case when {{ condition }} then {{ category_at(component) }} end), {{ nothing_yet() }})
    {%- else -%}
    {{ exceptions.raise_compiler_error("no such aggregate: " ~ component.aggregate) }}
    {%- endif -%}
{%- endmacro %}

{#- The rows that a component counts. -#}
{% macro component_condition(component) -%}
    source_id = {{ sql_text(component.source_id) }}
    {%- if component.event_name is not none %} and event_name = {{ sql_text(component.event_name) }}{% endif %}
    {%- for condition in component.where %}
        {%- set values = sql_texts(condition['values']) %}
        {%- if condition.negated %} and (p_{{ condition.property }} is null or p_{{ condition.property }} not in ({{ values }}))
        {%- else %} and p_{{ condition.property }} in ({{ values }}){% endif %}
    {%- endfor %}
    {%- if component.other_unit_of is defined %} and u_{{ component.other_unit_of }} is not null{% endif %}
    {%- if component.open_ended %} and occurred_date <= end_date{% endif %}
{%- endmacro %}

{#- A comma-separated list of text literals. -#}
{% macro sql_texts(values) -%}
    {%- for value in values -%} {{ sql_text(value) }}{{ ", " if not loop.last }} {%- endfor -%}
{%- endmacro %}
