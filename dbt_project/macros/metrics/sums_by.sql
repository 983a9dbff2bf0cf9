{#- Those of a metric's sums whose short names are given, in the order of `metric_sums`. -#}
{% macro some_sums(metric, short_names) -%}
    {%- set names = [] -%}
    {%- for name in short_names -%} {%- do names.append(name ~ '_' ~ metric.metric_hash) -%} {%- endfor -%}
    {{ return(metric_sums(metric) | selectattr('name', 'in', names) | list) }}
{%- endmacro %}

{#-
    Sums of metrics by arm and one more column of units at every planned as-of date, as the last CTEs of a query, of which
    `sums` has them: the caller's `last_sums` of the snapshot, and up to the span's `changes_through` those of the changes so
    far. `short_names`: which of each metric's sums; `condition`: which changes, and units under a quantile cap, count.
    A group may have several rows, each with a part of the sums.
-#}
{% macro sums_by(column, metrics, short_names, condition) -%}
{%- set capped_metrics = metrics | rejectattr('cap_quantile', 'none') | list -%}
changes as (

    select * from {{ ref('int_metric_changes') }}
    where {{ condition }}

),

past_sums as (

    select
        calendar.as_of_date,
        changes.experiment_id,
        changes.arm,
        changes.{{ column }}
        {%- for metric in metrics if metric.cap_quantile is none %}
        {%- for sum in some_sums(metric, short_names) %},
        {{ exact("sum(changes." ~ sum.name ~ ")") }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from changes
    inner join build_plan
        on changes.experiment_id = build_plan.experiment_id
    inner join {{ source('inputs', 'calendar') }} as calendar
        on
            calendar.as_of_date >= build_plan.from_date
            and calendar.as_of_date <= build_plan.changes_through
            and calendar.as_of_date >= changes.effective_date
    group by calendar.as_of_date, changes.experiment_id, changes.arm, changes.{{ column }}

),

{%- if capped_metrics %}

{{ capped_values(capped_metrics, ['arm', column]) }},

past_capped_sums as (

    select
        as_of_date,
        experiment_id,
        arm,
        {{ column }}
        {%- for metric in capped_metrics %}
        {%- for sum in some_sums(metric, short_names) %},
        {{ exact(sum.sql) }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from capped_values
    where {{ condition }}
    group by as_of_date, experiment_id, arm, {{ column }}

),
{%- endif %}

sums as (

    select * from last_sums
    {%- for relation in ['past_sums'] + (['past_capped_sums'] if capped_metrics else []) %}

    union all

    select
        past.as_of_date,
        past.experiment_id,
        variants.variant_id,
        past.{{ column }}
        {%- for metric in metrics %}
        {%- for sum in some_sums(metric, short_names) %},
        {{ 'past.' ~ sum.name if (metric.cap_quantile is none) == (relation == 'past_sums') else exact('null') }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from {{ relation }} as past
    inner join {{ arms() }} as variants
        on
            past.experiment_id = variants.experiment_id
            and past.arm = variants.arm
    {%- endfor %}

)
{%- endmacro %}

{#-
    A row for each metric in place of a column for each of its sums, from a relation with those sums and `kept` columns; `asked`
    is a relation of the experiments and metrics that are wanted. `short_names` become columns; `one` and, where there are
    denominators, `denominator_one` are what makes a whole unit of the integers.
-#}
{% macro metrics_as_rows(relation, kept, metrics, short_names, asked) -%}
{%- set has_denominators = 'd' in short_names -%}
    select
        as_of_date,
        experiment_id,
        variant_id,
        {{ kept }},
        cast(null as {{ type_text() }}) as metric_id,
        cast(null as {{ type_text() }}) as metric_hash,
        cast(null as double) as one
        {%- if has_denominators %},
        cast(null as double) as denominator_one
        {%- endif %}
        {%- for name in short_names %},
        {{ exact('null') }} as {{ name }}
        {%- endfor %}
    from {{ relation }}
    where 1 = 0
    {%- for metric in metrics %}
    {%- set is_ratio = metric.denominator is not none %}

    union all

    select
        {{ relation }}.as_of_date,
        {{ relation }}.experiment_id,
        {{ relation }}.variant_id,
        {{ relation }}.{{ kept }},
        {{ sql_text(metric.metric_id) }} as metric_id,
        {{ sql_text(metric.metric_hash) }} as metric_hash,
        1e{{ metric.decimals }} as one
        {%- if has_denominators %},
        {{ '1e' ~ metric.denominator_decimals if is_ratio else 'cast(null as double)' }} as denominator_one
        {%- endif %}
        {%- for name in short_names %},
        {{ exact('null') if 'd' in name and not is_ratio else sum_of(metric, name) }} as {{ name }}
        {%- endfor %}
    from {{ relation }}
    inner join {{ asked }}
        on
            {{ relation }}.experiment_id = {{ asked }}.experiment_id
            and {{ asked }}.metric_id = {{ sql_text(metric.metric_id) }}
    {%- endfor %}
{%- endmacro %}
