{{
    config(
        materialized='appended',
        dated_by=['known_from'],
        pre_hook=["{{ forget_planned(this, ['known_from']) }}"]
    )
}}
{#-
    What switchbacks are estimated from: units exposed and their metrics' totals, by market, period and the variant that was
    logged, and by the as-of date from which they are known, so that an as-of date is the sum of the rows up to it. A unit
    counts once in each market, period and variant, with its events in that period. Where no experiment is a switchback,
    nothing is read.
-#}
{%- set switchbacks = metric_catalog().get('switchbacks', {'metrics': [], 'attributes': []}) %}
{%- set metrics = metric_catalog()['metrics'] | selectattr('metric_id', 'in', switchbacks.metrics) | list %}
{%- set columns = panel_columns(metrics) %}
{%- set components = metric_catalog()['components'] | selectattr('column', 'in', columns) | list %}
{%- if not metrics %}
select
    cast(from_date as date) as known_from,
    experiment_id,
    cast('' as {{ type_text() }}) as market,
    cast(0 as bigint) as period,
    cast('' as {{ type_text() }}) as variant_id,
    cast('' as {{ type_text() }}) as metric_id,
    cast(0 as bigint) as n_units,
    cast(0 as decimal(38, 0)) as value_sum,
    cast(0 as decimal(38, 0)) as denominator_sum,
    cast(0 as integer) as decimals,
    cast(0 as integer) as denominator_decimals
from {{ source('inputs', 'build_plan') }}
where 1 = 0
{%- else %}
with

switchback_metrics as (

    select * from {{ source('inputs', 'experiment_switchback_metrics') }}

),

planned_switchbacks as (

    select
        switchbacks.experiment_id,
        switchbacks.exposure_source,
        switchbacks.attribute,
        switchbacks.starts_at,
        switchbacks.period_minutes,
        experiments.start_date,
        experiments.end_date,
        build_plan.from_date,
        build_plan.to_date
    from {{ source('inputs', 'experiment_switchbacks') }} as switchbacks
    inner join {{ source('inputs', 'experiments') }} as experiments
        on switchbacks.experiment_id = experiments.experiment_id
    inner join {{ source('inputs', 'build_plan') }} as build_plan
        on switchbacks.experiment_id = build_plan.experiment_id

),

exposures as (

    select
        planned_switchbacks.experiment_id,
        planned_switchbacks.from_date,
        exposures.variant_id,
        exposures.unit_id,
        exposures.known_from,
        {{ whole_periods_between('planned_switchbacks.starts_at', 'exposures.exposed_at', 'planned_switchbacks.period_minutes') }} as period,
        case
            when planned_switchbacks.attribute is null then 'everyone'
            {%- for name in switchbacks.attributes %}
            when planned_switchbacks.attribute = {{ sql_text(name) }} then coalesce(exposures.a_{{ name }}, 'unknown')
            {%- endfor %}
        end as market
    from {{ ref('stg_exposures') }} as exposures
    inner join planned_switchbacks
        on
            exposures.experiment_id = planned_switchbacks.experiment_id
            and exposures.source_id = planned_switchbacks.exposure_source
    where
        exposures.exposed_date between planned_switchbacks.start_date and planned_switchbacks.end_date
        and exposures.known_from <= planned_switchbacks.to_date

),

{#- Exposures from before the plan too: late events of their periods belong to them. #}
exposed_units as (

    select
        experiment_id,
        market,
        period,
        variant_id,
        unit_id,
        min(from_date) as from_date,
        min(known_from) as known_from
    from exposures
    group by experiment_id, market, period, variant_id, unit_id

),

period_events as (

    select
        planned_switchbacks.experiment_id,
        planned_switchbacks.end_date,
        {{ whole_periods_between('planned_switchbacks.starts_at', 'events.occurred_at', 'planned_switchbacks.period_minutes') }} as period,
        events.*
    from {{ ref('stg_events') }} as events
    inner join planned_switchbacks
        on events.occurred_date between planned_switchbacks.start_date and planned_switchbacks.end_date
    where
        events.known_from <= planned_switchbacks.to_date
        and events.source_id in ({{ sql_texts(components | map(attribute='source_id') | unique | sort | list) }})

),

placed_events as (

    select
        exposed_units.market,
        exposed_units.variant_id,
        exposed_units.from_date,
        greatest(exposed_units.known_from, period_events.known_from) as counts_from,
        period_events.*
    from period_events
    inner join exposed_units
        on
            period_events.experiment_id = exposed_units.experiment_id
            and period_events.unit_id = exposed_units.unit_id
            and period_events.period = exposed_units.period

),

unit_totals as (

    select
        experiment_id,
        market,
        period,
        variant_id,
        unit_id,
        counts_from,
        min(from_date) as from_date
        {%- for component in components %},
        {{ component_total(component) }} as {{ component.column }}
        {%- endfor %}
    from placed_events
    group by experiment_id, market, period, variant_id, unit_id, counts_from

),

{#- The date from which a unit is known to have, in the period, what a share is of. #}
first_known as (

    select
        *
        {%- for component in components %},
        min(case when {{ component.column }} > 0 then counts_from end) over (
            partition by experiment_id, market, period, variant_id, unit_id
        ) as from_{{ component.column }}
        {%- endfor %}
    from unit_totals

),

changes as (

    select
        exposed_units.known_from,
        exposed_units.experiment_id,
        exposed_units.market,
        exposed_units.period,
        exposed_units.variant_id,
        exposed_units.from_date,
        1 as is_new_unit
        {%- for component in components %},
        0 as {{ component.column }},
        0 as has_{{ component.column }}
        {%- endfor %}
    from exposed_units

    union all

    select
        first_known.counts_from as known_from,
        first_known.experiment_id,
        first_known.market,
        first_known.period,
        first_known.variant_id,
        first_known.from_date,
        0 as is_new_unit
        {%- for component in components %},
        first_known.{{ component.column }},
        case when first_known.counts_from = first_known.from_{{ component.column }} then 1 else 0 end as has_{{ component.column }}
        {%- endfor %}
    from first_known

)
{%- for metric in metrics %}
{%- set value = panel_column(metric.value) %}

{{ 'union all' if not loop.first }}

select
    changes.known_from,
    changes.experiment_id,
    changes.market,
    cast(changes.period as bigint) as period,
    changes.variant_id,
    switchback_metrics.metric_id,
    cast(sum(changes.is_new_unit) as bigint) as n_units,
    {{ exact(exact_total('changes.' ~ ('has_' if metric.is_binary else '') ~ value)) }} as value_sum,
    {%- if metric.denominator is none %}
    {{ exact('0') }} as denominator_sum,
    {%- else %}
    {{ exact(exact_total('changes.' ~ panel_column(metric.denominator))) }} as denominator_sum,
    {%- endif %}
    cast({{ metric.decimals }} as integer) as decimals,
    cast({{ metric.denominator_decimals }} as integer) as denominator_decimals
from changes
inner join switchback_metrics
    on
        changes.experiment_id = switchback_metrics.experiment_id
        and switchback_metrics.metric_id = {{ sql_text(metric.metric_id) }}
where changes.known_from >= changes.from_date
group by
    changes.known_from, changes.experiment_id, changes.market, changes.period, changes.variant_id,
    switchback_metrics.metric_id
{%- endfor %}
{%- endif %}
