{{
    config(
        materialized='appended',
        dated_by=['known_from'],
        pre_hook=["{{ forget_planned(this, ['known_from']) }}"]
    )
}}
{#-
    What quasi-experiments are computed of: their metrics' totals, by group and day (or phase) and by the as-of date from which
    the events are known, so that an as-of date is the sum of the rows up to it. Where no experiment is one, no event is read.
-#}
{%- set panels = metric_catalog().get('panels', {'metrics': [], 'group_properties': []}) %}
{%- set metrics = metric_catalog()['metrics'] | selectattr('metric_id', 'in', panels.metrics) | list %}
{%- set sources = metric_catalog()['components'] | map(attribute='source_id') | unique | sort %}
{%- set columns = panel_columns(metrics) %}
{%- set components = metric_catalog()['components'] | selectattr('column', 'in', columns) | list %}
{%- if not metrics %}
select
    cast(from_date as date) as known_from,
    experiment_id,
    cast('' as {{ type_text() }}) as group_value,
    cast(from_date as date) as period_date,
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

panel_metrics as (

    select * from {{ source('inputs', 'experiment_panel_metrics') }}

),

planned_panels as (

    select
        panels.experiment_id,
        panels.group_kind,
        panels.group_property,
        experiments.end_date,
        build_plan.from_date,
        build_plan.to_date
    from {{ source('inputs', 'experiment_panels') }} as panels
    inner join {{ source('inputs', 'experiments') }} as experiments
        on panels.experiment_id = experiments.experiment_id
    inner join {{ source('inputs', 'build_plan') }} as build_plan
        on panels.experiment_id = build_plan.experiment_id

),

panel_days as (

    select
        planned_panels.*,
        days.day,
        days.period_date
    from planned_panels
    inner join {{ source('inputs', 'experiment_panel_days') }} as days
        on planned_panels.experiment_id = days.experiment_id

),

{#- Late rows too that were known before: whether a unit is new on its day depends on them. #}
placed_events as (

    select
        panel_days.experiment_id,
        panel_days.group_kind,
        panel_days.period_date,
        panel_days.from_date,
        panel_days.end_date,
        events.*,
        case
            when panel_days.group_kind = 'everyone' then 'everyone'
            when panel_days.group_kind = 'unit' then events.unit_id
            {%- for name in panels.group_properties %}
            when panel_days.group_property = {{ sql_text(name) }} then events.p_{{ name }}
            {%- endfor %}
        end as group_value
    from {{ ref('stg_events') }} as events
    inner join panel_days
        on events.occurred_date = panel_days.day
    where
        events.known_from <= panel_days.to_date
        and (events.known_from >= panel_days.from_date or panel_days.group_kind <> 'unit')

),

unit_days as (

    select
        experiment_id,
        group_kind,
        group_value,
        period_date,
        unit_id,
        known_from,
        min(from_date) as from_date
        {%- for source_id in sources %},
        max(case when source_id = {{ sql_text(source_id) }} then 1 else 0 end) as is_seen_{{ loop.index }}
        {%- endfor %}
        {%- for component in components %},
        {{ component_total(component) }} as {{ component.column }}
        {%- endfor %}
    from placed_events
    where group_value is not null
    group by experiment_id, group_kind, group_value, period_date, unit_id, known_from

),

{#- The date from which each unit of a group's day is known to be active, and to have what a share is of. #}
first_known as (

    select
        *
        {%- for source_id in sources %},
        min(case when is_seen_{{ loop.index }} = 1 then known_from end) over (
            partition by experiment_id, group_value, period_date, unit_id
        ) as seen_from_{{ loop.index }}
        {%- endfor %}
        {%- for component in components %},
        min(case when {{ component.column }} > 0 then known_from end) over (
            partition by experiment_id, group_value, period_date, unit_id
        ) as from_{{ component.column }}
        {%- endfor %}
    from unit_days

)
{%- for metric in metrics %}
{%- set value = panel_column(metric.value) %}
{%- set source_id = (components | selectattr('column', 'equalto', value) | first).source_id %}
{%- set number = sources.index(source_id) + 1 %}

{{ 'union all' if not loop.first }}

select
    first_known.known_from,
    first_known.experiment_id,
    first_known.group_value,
    first_known.period_date,
    panel_metrics.metric_id,
    cast(sum(
        case
            when first_known.group_kind = 'unit' or first_known.known_from = first_known.seen_from_{{ number }}
                then first_known.is_seen_{{ number }}
            else 0
        end
    ) as bigint) as n_units,
    {%- if metric.is_binary %}
    {{ exact("sum(case when first_known.group_kind = 'unit' then first_known." ~ value ~ " when first_known.known_from = first_known.from_" ~ value ~ " then 1 else 0 end)") }} as value_sum,
    {%- else %}
    {{ exact(exact_total('first_known.' ~ value)) }} as value_sum,
    {%- endif %}
    {%- if metric.denominator is none %}
    {{ exact('0') }} as denominator_sum,
    {%- else %}
    {{ exact(exact_total('first_known.' ~ panel_column(metric.denominator))) }} as denominator_sum,
    {%- endif %}
    cast({{ metric.decimals }} as integer) as decimals,
    cast({{ metric.denominator_decimals }} as integer) as denominator_decimals
from first_known
inner join panel_metrics
    on
        first_known.experiment_id = panel_metrics.experiment_id
        and panel_metrics.metric_id = {{ sql_text(metric.metric_id) }}
where first_known.known_from >= first_known.from_date
group by
    first_known.known_from, first_known.experiment_id, first_known.group_value, first_known.period_date,
    panel_metrics.metric_id
{%- endfor %}
{%- endif %}
