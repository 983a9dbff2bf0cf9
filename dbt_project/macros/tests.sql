{#- No two rows agree in all of the columns. `written_from`: date columns of which one is in the planned span in every
    row that this run wrote; the rest of the history was tested when it was written. -#}
{% test unique_together(model, columns, written_from) %}
select {{ columns | join(', ') }}
from {{ model }} as tested
where
    {{ was_written('tested', written_from) }}
    {%- if 'unit_id' in columns %}
    and {{ is_in_test_sample('tested.unit_hash') }}
    {%- endif %}
group by {{ columns | join(', ') }}
having count(*) > 1
{% endtest %}

{#- None of the columns is ever NULL in a row that this run wrote: one test for them all, since each test costs. -#}
{% test never_null(model, columns, written_from) %}
select {{ columns | join(', ') }}
from {{ model }} as tested
where
    {{ was_written('tested', written_from) }}
    and (
        {%- for column in columns %}
        {{ 'or ' if not loop.first }}tested.{{ column }} is null
        {%- endfor %}
    )
{% endtest %}

{#- Whether this run wrote the row: one of the date columns is in the planned span or after it. -#}
{% macro was_written(relation, written_from) -%}
    {{ reaches_first_planned(relation, written_from) }}
    and exists (
        select 1
        from {{ source('inputs', 'build_plan') }} as build_plan
        where
            build_plan.experiment_id = {{ relation }}.experiment_id
            and (
                {%- for column in written_from %}
                {{ 'or ' if not loop.first }}{{ relation }}.{{ column }} >= build_plan.from_date
                {%- endfor %}
            )
    )
{%- endmacro %}

{#- Tests of single units look at a share of them when there are many: all rows of a unit, or none. A fault of the models,
    or of a run, meets most units. The share is written out as a number: a subquery would be joined after all the rest. -#}
{% macro is_in_test_sample(unit_hash) -%}
    {%- set every_nth = 1 -%}
    {%- if execute and flags.WHICH in ('build', 'test') -%}
        {%- set found = run_query('select every_nth_tested from ' ~ source('inputs', 'build_slices')) -%}
        {%- set every_nth = found.columns[0].values()[0] | int -%}
    {%- endif -%}
    {{ unit_hash }} % {{ every_nth }} = 0
{%- endmacro %}

{#- Whether a date is not before the start of every planned experiment, in a test: written out for the same reason. -#}
{% macro is_since_start(column) -%}
    {%- set first = namespace(date=none) -%}
    {%- if execute and flags.WHICH in ('build', 'test') -%}
        {%- set first.date = run_query(first_start()).columns[0].values()[0] -%}
    {%- endif -%}
    {{ 'true' if first.date is none else column ~ " >= cast('" ~ first.date ~ "' as date)" }}
{%- endmacro %}

{#- Rows of the last planned as-of date of each experiment, where there is a unit snapshot. -#}
{% macro planned_last(relation) -%}
    (
        select planned_rows.*
        from {{ relation }} as planned_rows
        inner join {{ source('inputs', 'build_plan') }} as build_plan
            on
                planned_rows.experiment_id = build_plan.experiment_id
                and planned_rows.as_of_date = build_plan.to_date
    )
{%- endmacro %}

{#- Rows of the planned as-of dates of a table with `experiment_id` and `as_of_date`. -#}
{% macro planned(relation) -%}
    (
        select planned_rows.*
        from {{ relation }} as planned_rows
        inner join {{ source('inputs', 'build_plan') }} as build_plan
            on
                planned_rows.experiment_id = build_plan.experiment_id
                and planned_rows.as_of_date between build_plan.from_date and build_plan.to_date
    )
{%- endmacro %}

{#- Groups of the metrics' moments whose number is not what `counts`, a table with the same keys, adds up to in
    `counted`. `expected`: that number, of `moments`; groups for which `is_known` does not hold are passed over. -#}
{% macro counted_amiss(counts, metrics, counted='n_units', expected='moments.n_units', is_known=none) -%}
{%- set keys = ['as_of_date', 'experiment_id', 'variant_id', 'metric_id', 'segment_name', 'segment_value'] -%}
    select
        {%- for key in keys %}
        moments.{{ key }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ planned(ref('fct_metric_moments')) }} as moments
    left join (
        select
            {%- for key in keys %}
            counts.{{ key }},
            {%- endfor %}
            sum(counts.{{ counted }}) as counted
        from {{ planned(counts) }} as counts
        group by {{ keys | join(', ') }}
    ) as added_up
        on
            {%- for key in keys %}
            {{ 'and ' if not loop.first }}moments.{{ key }} = added_up.{{ key }}
            {%- endfor %}
    where
        moments.metric_id in ({{ sql_texts(metrics | map(attribute='metric_id') | list or ['']) }})
        and {{ expected }} <> coalesce(added_up.counted, 0)
        {%- if is_known is not none %}
        and {{ is_known }}
        {%- endif %}
{%- endmacro %}

{#- Metrics of arms of which `parts`, a table of theirs, lacks units or has other values: `total` is a part's sum of values.
    `asked`: a relation of the experiments and metrics that should have parts. -#}
{% macro parts_amiss(parts, total, asked) -%}
{%- set keys = ['as_of_date', 'experiment_id', 'variant_id', 'metric_id'] -%}
    select
        {%- for key in keys %}
        moments.{{ key }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ planned(ref('fct_metric_moments')) }} as moments
    inner join {{ asked }}
        on
            moments.experiment_id = {{ asked }}.experiment_id
            and moments.metric_id = {{ asked }}.metric_id
    left join (
        select
            {%- for key in keys %}
            parts.{{ key }},
            {%- endfor %}
            sum(parts.n_units) as n_units,
            sum({{ total }}) as total,
            sum(abs({{ total }})) as absolute_total
        from {{ planned(parts) }} as parts
        group by {{ keys | join(', ') }}
    ) as added_up
        on
            {%- for key in keys %}
            {{ 'and ' if not loop.first }}moments.{{ key }} = added_up.{{ key }}
            {%- endfor %}
    where
        moments.segment_name = 'all'
        and (
            moments.n_units <> coalesce(added_up.n_units, 0)
            or abs(moments.n_units * moments.mean - added_up.total) > 1e-9 * added_up.absolute_total
        )
{%- endmacro %}
