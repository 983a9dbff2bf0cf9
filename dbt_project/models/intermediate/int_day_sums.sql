{{ config(materialized='appended', starts_empty=true, share_in_memory=1) }}
{#-
    What trends are computed from, of experiments that ask for them at their latest date: for each two days since exposure the
    sums of the units' values on either and of their products, over units that have been exposed for all of the days. A row for
    each slice of units: they add up. A unit without a row on a day has 0, so only days with events meet.
-#}
{%- set metrics = trend_metrics() %}
{%- set units, days = ref('int_exposed_units'), ref('int_exposed_unit_days') %}
{%- set trends, experiments = source('inputs', 'experiment_trends'), source('inputs', 'experiments') %}
{%- set calendar = source('inputs', 'calendar') %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

)
{%- if metrics %},

{#- Whether every day has passed, and for metrics without window whether it did before the experiment's end. #}
cohort as (

    select
        units.as_of_date,
        units.experiment_id,
        units.unit_id,
        units.variant_id,
        units.exposed_at,
        trends.days,
        true as is_complete,
        last_days.ends_at is null
        or last_days.ends_at >= {{ instant_plus_days('units.exposed_at', 'trends.days') }} as is_complete_by_end
    from {{ units }} as units
    inner join build_plan
        on
            units.experiment_id = build_plan.experiment_id
            and units.as_of_date = build_plan.to_date
            and units.as_of_date = build_plan.latest_date
    inner join {{ trends }} as trends
        on units.experiment_id = trends.experiment_id
    inner join {{ calendar }} as calendar
        on units.as_of_date = calendar.as_of_date
    inner join {{ experiments }} as experiments
        on units.experiment_id = experiments.experiment_id
    left join {{ calendar }} as last_days
        on experiments.end_date = last_days.as_of_date
    where
        {{ in_slice_by('units.unit_hash') }}
        and {{ instant_plus_days('units.exposed_at', 'trends.days') }} <= calendar.ends_at

),

arm_sizes as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        days,
        count(*) as n_complete,
        sum(case when is_complete_by_end then 1 else 0 end) as n_complete_by_end
    from cohort
    group by as_of_date, experiment_id, variant_id, days

),

totals as (

    select
        cohort.experiment_id,
        cohort.variant_id,
        cohort.unit_id,
        unit_days.day,
        cohort.is_complete,
        cohort.is_complete_by_end
        {%- for metric in metrics %},
        {{ value_on_day(metric) }} as total_{{ metric.metric_hash }}
        {%- endfor %}
    from {{ days }} as unit_days
    inner join cohort
        on
            unit_days.experiment_id = cohort.experiment_id
            and unit_days.unit_id = cohort.unit_id
            and unit_days.exposed_at = cohort.exposed_at
    where
        {{ in_slice_by('unit_days.unit_hash') }}
        and unit_days.day >= 0
        and unit_days.day < cohort.days
        and unit_days.known_from <= cohort.as_of_date
    group by
        cohort.experiment_id, cohort.variant_id, cohort.unit_id, unit_days.day, cohort.is_complete,
        cohort.is_complete_by_end

),

seen as (

    select
        *
        {%- for metric in metrics %},
        {{ seen_value('total_' ~ metric.metric_hash, metric.is_binary) }} as seen_{{ metric.metric_hash }}
        {%- endfor %}
    from totals

),

{#- Missing is not zero: m_ says that a value was never computed, or is too large. #}
day_values as (

    select
        experiment_id,
        variant_id,
        unit_id,
        day
        {%- for metric in metrics %},
        {%- set h = metric.metric_hash %}
        case when {{ complete_for(metric) }} and abs(seen_{{ h }}) < {{ overflow_limit() }} then cast(seen_{{ h }} as bigint) end as y_{{ h }},
        {{ complete_for(metric) }} and (seen_{{ h }} is null or abs(seen_{{ h }}) >= {{ overflow_limit() }}) as m_{{ h }}
        {%- endfor %}
    from seen

),

day_sums as (

    select
        experiment_id,
        variant_id,
        day
        {%- for metric in metrics %},
        {%- set h = metric.metric_hash %}
        {{ exact("coalesce(" ~ exact_total('y_' ~ h) ~ ", 0)") }} as y_{{ h }},
        sum(case when m_{{ h }} then 1 else 0 end) as m_{{ h }}
        {%- endfor %}
    from day_values
    group by experiment_id, variant_id, day

),

products as (

    select
        day_values.experiment_id,
        day_values.variant_id,
        day_values.day,
        other_values.day as other_day
        {%- for metric in metrics %},
        {%- set h = metric.metric_hash %}
        {{ exact("coalesce(sum(" ~ exact_product('day_values.y_' ~ h, 'other_values.y_' ~ h) ~ "), 0)") }} as yy_{{ h }}
        {%- endfor %}
    from day_values
    inner join day_values as other_values
        on
            day_values.experiment_id = other_values.experiment_id
            and day_values.unit_id = other_values.unit_id
            and day_values.day <= other_values.day
    group by day_values.experiment_id, day_values.variant_id, day_values.day, other_values.day

),

numbers as (

    {%- for day in range(metric_catalog()['trends']['days']) %}
    {{ 'union all' if not loop.first }}
    select {{ day }} as day
    {%- endfor %}

)

select
    arm_sizes.as_of_date,
    arm_sizes.experiment_id,
    arm_sizes.variant_id,
    numbers.day,
    other_numbers.day as other_day
    {%- for metric in metrics %},
    {%- set h = metric.metric_hash %}
    arm_sizes.n_{{ complete_for(metric)[3:] }} as n_{{ h }},
    coalesce(day_sums.y_{{ h }}, {{ exact('0') }}) as y_{{ h }},
    coalesce(other_sums.y_{{ h }}, {{ exact('0') }}) as other_y_{{ h }},
    coalesce(products.yy_{{ h }}, {{ exact('0') }}) as yy_{{ h }},
    coalesce(day_sums.m_{{ h }}, 0) as m_{{ h }},
    coalesce(other_sums.m_{{ h }}, 0) as other_m_{{ h }}
    {%- endfor %}
from arm_sizes
inner join numbers
    on arm_sizes.days > numbers.day
inner join numbers as other_numbers
    on
        arm_sizes.days > other_numbers.day
        and numbers.day <= other_numbers.day
left join day_sums
    on
        arm_sizes.experiment_id = day_sums.experiment_id
        and arm_sizes.variant_id = day_sums.variant_id
        and numbers.day = day_sums.day
left join day_sums as other_sums
    on
        arm_sizes.experiment_id = other_sums.experiment_id
        and arm_sizes.variant_id = other_sums.variant_id
        and other_numbers.day = other_sums.day
left join products
    on
        arm_sizes.experiment_id = products.experiment_id
        and arm_sizes.variant_id = products.variant_id
        and numbers.day = products.day
        and other_numbers.day = products.other_day
{%- else %}

select
    to_date as as_of_date,
    experiment_id,
    cast(null as {{ type_text() }}) as variant_id,
    0 as day,
    0 as other_day
from build_plan
where 1 = 0
{%- endif %}
