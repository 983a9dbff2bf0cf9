{#-
    Different values add up over days once each counts on a single one: of the days of a metric's window, the one on which
    it became known first (of several days known at once, the earliest). So a late row counts where it is the first
    to bring its value, and a value seen outside of the window does not count as seen.

    `unit_days` holds what is built now, with its sets of values; the model's own table what was built before. Rows of an
    exposure there became known earlier, since what this run builds again was removed.
-#}

{#- The values of a set's qualifying events. -#}
{% macro value_set_of(value_set) -%}
    {%- set value = 'p_' ~ value_set.property if value_set.property is not none else dbt.cast('m_' ~ value_set.measure, dbt.type_string()) -%}
    {{ text_set("case when " ~ component_condition(value_set) ~ " then " ~ value ~ " end") }}
{%- endmacro %}

{#- As CTEs: `<component>_values`, and `new_value_counts`, a row for each unit-day on which a value is new. -#}
{% macro new_value_counts(components) -%}
{%- for component in components %}
{{ component.column }}_values as (

    select
        experiment_id,
        unit_id,
        exposed_at,
        known_from,
        day,
        1 as is_built_now,
        {{ each_of(component['values']) }} as value
    from unit_days
    where {{ is_in_window('day', component) }}
    {%- if has_earlier_rows() %}

    union all

    select
        earlier.experiment_id,
        earlier.unit_id,
        earlier.exposed_at,
        earlier.known_from,
        earlier.day,
        0 as is_built_now,
        {{ each_of('earlier.' ~ component['values']) }} as value
    from {{ this }} as earlier
    inner join (
        select distinct
            experiment_id,
            unit_id,
            exposed_at
        from unit_days
        where {{ is_in_window('day', component) }} and {{ component['values'] }} is not null
    ) as exposures
        on
            earlier.experiment_id = exposures.experiment_id
            and earlier.unit_id = exposures.unit_id
            and earlier.exposed_at = exposures.exposed_at
    where {{ in_slice_by('earlier.unit_hash') }} and {{ is_in_window('earlier.day', component) }}
    {%- endif %}

),

{% endfor %}
first_values as (

    {%- for component in components %}
    {{ 'union all' if not loop.first }}

    select
        {{ sql_text(component.column) }} as component,
        experiment_id,
        unit_id,
        exposed_at,
        known_from,
        day,
        is_built_now,
        row_number() over (partition by experiment_id, unit_id, exposed_at, value order by known_from, day) as nth
    from {{ component.column }}_values
    {%- endfor %}

),

new_value_counts as (

    select
        experiment_id,
        unit_id,
        exposed_at,
        known_from,
        day
        {%- for component in components %},
        count(case when component = {{ sql_text(component.column) }} then 1 end) as {{ component.column }}
        {%- endfor %}
    from first_values
    where nth = 1 and is_built_now = 1
    group by experiment_id, unit_id, exposed_at, known_from, day

)
{%- endmacro %}

{#- Whether a day since exposure is one of those that a component counts. -#}
{% macro is_in_window(day, component) -%}
    {{ day }} >= {{ component.first_day }}
    {%- if component.last_day is not none %} and {{ day }} <= {{ component.last_day }}{% endif %}
{%- endmacro %}
