{{ config(materialized='table') }}
{#-
    Each metric's sums by arm: through the span's `changes_through` of the changes so far, after it of the snapshot. Segments
    are summed at the latest date only; everyone is then the sum of the cells that the segments' attributes make.
-#}
{%- set attributes = metric_catalog()['attributes'] %}
{%- set metrics = metrics_and_probes() %}
{%- set capped_metrics = metrics | rejectattr('cap_quantile', 'none') | list %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

{#- Without a name of its own, what is read twice is not kept in memory for it. #}
cells as (

    {%- for are_small in [true, false] if sums_small_units_apart() or not are_small %}
    {{ 'union all' if not loop.first }}

    select
        as_of_date,
        experiment_id,
        variant_id
        {%- for attribute in attributes %},
        case when has_segments then coalesce(a_{{ attribute }}, 'unknown') end as a_{{ attribute }}
        {%- endfor %}
        {%- for metric in metrics %},
        {%- set h = metric.metric_hash %}
        {%- for sum in metric_sums(metric, of_small=are_small) %}
        {{ sum.sql }} as {{ sum.name }},
        {%- endfor %}
        max(case when u_{{ h }} then exposed_date end) as last_cohort_{{ h }}
        {%- endfor %}
    from (
        select
            unit_metrics.*,
            unit_metrics.as_of_date = build_plan.latest_date as has_segments
        from {{ ref('int_unit_metrics') }} as unit_metrics
        inner join build_plan
            on unit_metrics.experiment_id = build_plan.experiment_id
        {%- if sums_small_units_apart() %}
        where {{ 'not ' if not are_small }}unit_metrics.is_small
        {%- endif %}
    ) as unit_metrics
    group by
        as_of_date, experiment_id, variant_id
        {%- for attribute in attributes %},
        case when has_segments then coalesce(a_{{ attribute }}, 'unknown') end
        {%- endfor %}
    {%- endfor %}

),

{#- The changes up to each earlier date of the span. #}
cohorts as (

    select
        calendar.as_of_date,
        changes.experiment_id,
        changes.arm,
        changes.exposed_date
        {%- for metric in metrics if metric.cap_quantile is none %}
        {%- for sum in metric_sums(metric) %},
        {{ exact("sum(changes." ~ sum.name ~ ")") }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from {{ ref('int_metric_changes') }} as changes
    inner join build_plan
        on changes.experiment_id = build_plan.experiment_id
    inner join {{ source('inputs', 'calendar') }} as calendar
        on
            calendar.as_of_date >= build_plan.from_date
            and calendar.as_of_date <= build_plan.changes_through
            and calendar.as_of_date >= changes.effective_date
    group by calendar.as_of_date, changes.experiment_id, changes.arm, changes.exposed_date

),

{{ capped_values(capped_metrics, ['arm', 'exposed_date']) }},

{#- Every arm that has a unit at the date, whether or not any of its windows has matured. #}
past_arms as (

    select distinct
        calendar.as_of_date,
        exposures.experiment_id,
        exposures.arm
    from (
        select
            counted.experiment_id,
            counted.arm,
            counted.entered_from,
            counted.left_from,
            count(*) as n_units
        from {{ ref('int_counted_exposures') }} as counted
        inner join build_plan
            on
                counted.experiment_id = build_plan.experiment_id
                and build_plan.from_date <= build_plan.changes_through
        group by counted.experiment_id, counted.arm, counted.entered_from, counted.left_from
    ) as exposures
    inner join build_plan
        on exposures.experiment_id = build_plan.experiment_id
    inner join {{ source('inputs', 'calendar') }} as calendar
        on
            calendar.as_of_date >= build_plan.from_date
            and calendar.as_of_date <= build_plan.changes_through
            and calendar.as_of_date >= exposures.entered_from
            and (exposures.left_from is null or calendar.as_of_date < exposures.left_from)

),

past_sums as (

    select
        as_of_date,
        experiment_id,
        arm
        {%- for metric in metrics if metric.cap_quantile is none %},
        {%- set h = metric.metric_hash %}
        {%- for sum in metric_sums(metric) %}
        {{ exact("sum(" ~ sum.name ~ ")") }} as {{ sum.name }},
        {%- endfor %}
        max(case when n_{{ h }} > 0 then exposed_date end) as last_cohort_{{ h }}
        {%- endfor %}
    from cohorts
    group by as_of_date, experiment_id, arm

),

past_capped_sums as (

    select
        as_of_date,
        experiment_id,
        arm
        {%- for metric in capped_metrics %},
        {%- set h = metric.metric_hash %}
        {%- for sum in metric_sums(metric) %}
        {{ exact(sum.sql) }} as {{ sum.name }},
        {%- endfor %}
        max(case when u_{{ h }} then exposed_date end) as last_cohort_{{ h }}
        {%- endfor %}
    from capped_values
    group by as_of_date, experiment_id, arm

),

caps as (

    select * from {{ ref('int_metric_caps') }}

),

segments as (

    {%- for dimension in [none] + segment_dimensions() %}
    {{ 'union all' if not loop.first }}

    select
        units.as_of_date,
        units.experiment_id,
        units.variant_id,
        {{ sql_text(segment_name_of(dimension)) }} as segment_name,
        {{ segment_value_of(dimension, 'units') }} as segment_value
        {%- for metric in metrics %},
        {%- set h = metric.metric_hash %}
        {%- for sum in metric_sums(metric) %}
        {{ exact("coalesce(sum(" ~ sum.name ~ "), 0)") }} as {{ sum.name }},
        {%- endfor %}
        max(last_cohort_{{ h }}) as last_cohort_{{ h }}
        {%- endfor %}
    from cells as units
    {{- segment_joins(dimension) }}
    group by
        units.as_of_date, units.experiment_id, units.variant_id
        {%- if dimension is not none %}, {{ segment_value_of(dimension, 'units') }}{% endif %}
    {%- endfor %}

),

sums as (

    select * from segments

    union all

    select
        past_arms.as_of_date,
        past_arms.experiment_id,
        variants.variant_id,
        'all' as segment_name,
        'all' as segment_value
        {%- for metric in metrics %},
        {%- set h = metric.metric_hash %}
        {%- set relation = 'past_sums' if metric.cap_quantile is none else 'past_capped_sums' %}
        {%- for sum in metric_sums(metric) %}
        coalesce({{ relation }}.{{ sum.name }}, {{ exact('0') }}) as {{ sum.name }},
        {%- endfor %}
        {{ relation }}.last_cohort_{{ h }}
        {%- endfor %}
    from past_arms
    inner join {{ arms() }} as variants
        on
            past_arms.experiment_id = variants.experiment_id
            and past_arms.arm = variants.arm
    left join past_sums
        on
            past_arms.as_of_date = past_sums.as_of_date
            and past_arms.experiment_id = past_sums.experiment_id
            and past_arms.arm = past_sums.arm
    left join past_capped_sums
        on
            past_arms.as_of_date = past_capped_sums.as_of_date
            and past_arms.experiment_id = past_capped_sums.experiment_id
            and past_arms.arm = past_capped_sums.arm

)

select
    sums.*
    {%- for cap in quantile_caps() %},
    caps.{{ cap.column }}
    {%- endfor %}
from sums
left join caps
    on
        sums.as_of_date = caps.as_of_date
        and sums.experiment_id = caps.experiment_id
