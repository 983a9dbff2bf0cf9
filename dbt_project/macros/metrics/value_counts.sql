{#- The metrics that are quantiles of a unit's value. -#}
{% macro quantile_metrics() -%}
    {%- set quantiles = metric_catalog()['metrics'] | selectattr('type', 'defined') | selectattr('type', 'equalto', 'quantile') -%}
    {{ return(quantiles | rejectattr('event_values', 'defined') | list) }}
{%- endmacro %}

{#- The metrics that are the category of a unit's first event. -#}
{% macro categorical_metrics() -%}
    {{ return(metric_catalog()['metrics'] | selectattr('categories', 'defined') | list) }}
{%- endmacro %}

{#- The metrics whose values int_capped_states keeps: under a quantile cap, quantiles, categories, and bootstrapped ones. Of
    the first three sums say not enough; those of the last are by bucket. -#}
{% macro metrics_with_states() -%}
    {%- set metrics = metric_catalog()['metrics'] | rejectattr('cap_quantile', 'none') | list -%}
    {%- set uncapped = bootstrapped_metrics() | selectattr('cap_quantile', 'none') | list -%}
    {{ return(metrics + quantile_metrics() + categorical_metrics() + uncapped) }}
{%- endmacro %}

{#-
    How many ranks around the quantile's are kept one by one: 6 standard deviations of the number of units below it, and
    36 for its tail. An interval reaches further with a probability of 1e-9.
-#}
{% macro kept_ranks(n, level) -%}
    (6 * sqrt({{ n }} * {{ level }} * (1 - {{ level }})) + 36)
{%- endmacro %}

{#-
    As CTEs, `value_counts`: how many usable units have each value of these metrics, by as-of date, arm and segment. Values as
    they are stored. Reads the CTE `build_plan`.
-#}
{% macro counts_by_value(metrics) -%}
unit_metrics as (

    select
        unit_metrics.*,
        unit_metrics.as_of_date = build_plan.latest_date as has_segments
    from {{ ref('int_unit_metrics') }} as unit_metrics
    inner join build_plan
        on unit_metrics.experiment_id = build_plan.experiment_id

),

{#- Before the last date: by how many more units have the value from the date on. -#}
value_changes as (

    select
        experiment_id,
        cast(0 as smallint) as arm,
        cast(null as {{ type_text() }}) as metric_id,
        cast(null as bigint) as value,
        to_date as changed_on,
        cast(0 as bigint) as n_units
    from build_plan
    where 1 = 0
    {%- for metric in metrics %}
    {%- set value = 'y_' ~ metric.metric_hash %}
    {%- for changed_on, count in [('effective_date', 'count(*)'), ('until_date', '-count(*)')] %}

    union all

    select
        experiment_id,
        arm,
        {{ sql_text(metric.metric_id) }} as metric_id,
        {{ value }} as value,
        {{ changed_on }} as changed_on,
        {{ count }} as n_units
    from {{ ref('int_capped_states') }}
    where abs({{ value }}) < {{ overflow_limit() }}
    group by experiment_id, arm, {{ value }}, {{ changed_on }}
    {%- endfor %}
    {%- endfor %}

),

value_counts as (

    select
        calendar.as_of_date,
        value_changes.experiment_id,
        variants.variant_id,
        value_changes.metric_id,
        'all' as segment_name,
        'all' as segment_value,
        value_changes.value,
        sum(value_changes.n_units) as n_units
    from value_changes
    inner join build_plan
        on value_changes.experiment_id = build_plan.experiment_id
    inner join {{ source('inputs', 'calendar') }} as calendar
        on
            calendar.as_of_date >= build_plan.from_date
            and calendar.as_of_date <= build_plan.changes_through
            and calendar.as_of_date >= value_changes.changed_on
    inner join {{ arms() }} as variants
        on
            value_changes.experiment_id = variants.experiment_id
            and value_changes.arm = variants.arm
    group by
        calendar.as_of_date, value_changes.experiment_id, variants.variant_id, value_changes.metric_id,
        value_changes.value
    having sum(value_changes.n_units) > 0
    {%- for metric in metrics %}
    {%- set h = metric.metric_hash %}
    {%- for dimension in [none] + segment_dimensions() %}
    {%- set segment_value = segment_value_of(dimension, 'units', unknown=true) %}

    union all

    select
        units.as_of_date,
        units.experiment_id,
        units.variant_id,
        {{ sql_text(metric.metric_id) }} as metric_id,
        {{ sql_text(segment_name_of(dimension)) }} as segment_name,
        {{ segment_value }} as segment_value,
        units.y_{{ h }} as value,
        count(*) as n_units
    from unit_metrics as units
    {%- if dimension is not none %}
    inner join {{ source('inputs', 'experiment_segments') }} as experiment_segments
        on
            units.experiment_id = experiment_segments.experiment_id
            and experiment_segments.segment_name = {{ sql_text(segment_name_of(dimension)) }}
    {%- endif %}
    where units.u_{{ h }}{{ ' and units.has_segments' if dimension is not none }}
    group by
        units.as_of_date, units.experiment_id, units.variant_id, units.y_{{ h }}
        {%- if dimension is not none %}, {{ segment_value }}{% endif %}
    {%- endfor %}
    {%- endfor %}

)
{%- endmacro %}

{#- The level of each quantile metric, with what a row needs to tell its value: a CTE's SELECT. `decimals`: the key of the
    metric that has the decimals of the counted values. -#}
{% macro quantile_levels(metrics, decimals) -%}
    select
        cast(null as {{ type_text() }}) as metric_id,
        cast(null as {{ type_text() }}) as metric_hash,
        cast(null as double) as quantile,
        cast(null as double) as one
    where 1 = 0
    {%- for metric in metrics %}

    union all

    select
        {{ sql_text(metric.metric_id) }} as metric_id,
        {{ sql_text(metric.metric_hash) }} as metric_hash,
        cast({{ metric.quantile }} as double) as quantile,
        1e{{ metric[decimals] }} as one
    {%- endfor %}
{%- endmacro %}
