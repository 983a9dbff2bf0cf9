{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='sync_all_columns',
        pre_hook=[
            {"sql": "{{ follow_components(this) }}", "transaction": false},
            "{{ forget_planned(this, ['known_from', 'exposure_known_from']) }}"
        ]
    )
}}
{%- set components = metric_catalog()['components'] %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

experiments as (

    select * from {{ source('inputs', 'experiments') }}

),

events as (

    select * from {{ ref('stg_events') }}

),

{#- An exposure is one (experiment, unit, exposed_at); it holds until an earlier one becomes known. #}
exposures as (

    select
        experiment_id,
        unit_id,
        exposed_at,
        min(exposed_date) as exposed_date,
        min(exposure_known_from) as exposure_known_from
    from {{ ref('int_first_exposures') }}
    group by experiment_id, unit_id, exposed_at

),

exposure_spans as (

    select
        *,
        lead(exposure_known_from) over (
            partition by experiment_id, unit_id order by exposure_known_from
        ) as superseded_from
    from exposures

),

planned_exposures as (

    select
        exposure_spans.*,
        build_plan.from_date,
        build_plan.to_date,
        experiments.end_date,
        experiments.analysis_end_date
    from exposure_spans
    inner join build_plan
        on exposure_spans.experiment_id = build_plan.experiment_id
    inner join experiments
        on exposure_spans.experiment_id = experiments.experiment_id
    where
        exposure_spans.exposure_known_from <= build_plan.to_date
        and (
            exposure_spans.superseded_from is null
            or exposure_spans.superseded_from > build_plan.from_date
        )

),

{#- After exposure: rows that became known in this run, or all of them when the exposure did.
    Before it: whole days of the lookback, as known when the exposure became known. #}
exposed_events as (

    select
        planned_exposures.experiment_id,
        planned_exposures.exposed_at,
        planned_exposures.exposure_known_from,
        planned_exposures.end_date,
        events.*,
        case
            when events.occurred_at >= planned_exposures.exposed_at
                then {{ whole_days_between('planned_exposures.exposed_at', 'events.occurred_at') }}
            else -{{ dbt.datediff('events.occurred_date', 'planned_exposures.exposed_date', 'day') }}
        end as day
    from events
    inner join planned_exposures
        on events.unit_id = planned_exposures.unit_id
    where
        (
            events.occurred_at >= planned_exposures.exposed_at
            and events.occurred_date <= planned_exposures.analysis_end_date
            and events.known_from <= planned_exposures.to_date
            and (
                events.known_from >= planned_exposures.from_date
                or planned_exposures.exposure_known_from >= planned_exposures.from_date
            )
            and (
                planned_exposures.superseded_from is null
                or events.known_from < planned_exposures.superseded_from
            )
        )
        or (
            events.occurred_date < planned_exposures.exposed_date
            and events.occurred_date
            >= {{ date_plus('planned_exposures.exposed_date', -metric_catalog()['lookback_days']) }}
            and events.known_from <= planned_exposures.exposure_known_from
            and planned_exposures.exposure_known_from >= planned_exposures.from_date
        )

)

select
    experiment_id,
    unit_id,
    exposed_at,
    exposure_known_from,
    known_from,
    cast(day as integer) as day
    {%- for component in components %},
    {{ component_total(component) }} as {{ component.column }}
    {%- endfor %}
from exposed_events
group by experiment_id, unit_id, exposed_at, exposure_known_from, known_from, day
