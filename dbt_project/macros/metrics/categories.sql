{#-
    A unit's category is that of its first qualifying event. One number holds both, so that the larger of two is of the
    earlier event: -(microseconds since exposure * category_base + code). Codes are positions in the metric's categories,
    from 1: the declared ones, `other`, and last `none`, of units without an event. Of events in the same microsecond
    the category declared first is taken.
-#}

{#- Above every code. -#}
{% macro category_base() -%} {{ return(64) }} {%- endmacro %}

{#- The number of one event. -#}
{% macro category_at(component) -%}
    -({{ microseconds_between('exposed_at', 'occurred_at') }} * {{ category_base() }} + case
        {%- for category in component.categories %}
        when p_{{ component.property }} = {{ sql_text(category) }} then {{ loop.index }}
        {%- endfor %}
        else {{ component.categories | length + 1 }}
    end)
{%- endmacro %}

{#- The code of a unit, from the largest number of its events in the window. -#}
{% macro seen_category(metric) -%}
    case
        when {{ metric.value }} = {{ nothing_yet() }} then {{ metric.categories | length }}
        else (-{{ metric.value }}) % {{ category_base() }}
    end
{%- endmacro %}
