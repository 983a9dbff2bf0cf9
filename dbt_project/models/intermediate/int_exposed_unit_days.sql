{{
    config(
        materialized='appended',
        dated_by=['known_from', 'exposure_known_from'],
        pre_hook=[
            {"sql": "{{ follow_components(this) }}", "transaction": false},
            {"sql": "{{ follow_value_sets(this) }}", "transaction": false},
            {"sql": "{{ follow_event_values(this) }}", "transaction": false},
            "{{ forget_planned(this, ['known_from', 'exposure_known_from']) }}"
        ]
    )
}}
{%- set components = metric_catalog()['components'] | rejectattr('aggregate', 'equalto', 'count_distinct') | list %}
{%- set distinct_counts = metric_catalog()['components'] | selectattr('aggregate', 'equalto', 'count_distinct') | list %}
{%- set with_event_values = components_with_event_values() %}
with
{%- if with_event_values %}

{#- Single events are kept for the experiments that have a metric of them. #}
readers as (

    select
        experiment_id
        {%- for component in with_event_values %},
        {%- set column = component.event_values %}
        {%- set readers = event_quantile_metrics() | selectattr('event_values', 'equalto', column) | map(attribute='metric_id') | list %}
        max(case when metric_id in ({{ sql_texts(readers) }}) then 1 else 0 end) as reads_{{ column }}
        {%- endfor %}
    from {{ source('inputs', 'experiment_metrics') }}
    group by experiment_id

),
{%- endif %}

planned_exposures as (

    select
        exposures.experiment_id,
        exposures.unit_id,
        exposures.exposed_at,
        exposures.exposed_date,
        exposures.entered_from,
        exposures.left_from,
        exposures.arm,
        build_plan.from_date,
        build_plan.to_date,
        experiments.end_date,
        experiments.analysis_end_date
        {%- for component in with_event_values %},
        readers.reads_{{ component.event_values }}
        {%- endfor %}
    from {{ ref('int_counted_exposures') }} as exposures
    inner join {{ source('inputs', 'build_plan') }} as build_plan
        on exposures.experiment_id = build_plan.experiment_id
    inner join {{ source('inputs', 'experiments') }} as experiments
        on exposures.experiment_id = experiments.experiment_id
    {%- if with_event_values %}
    left join readers
        on exposures.experiment_id = readers.experiment_id
    {%- endif %}
    where
        exposures.entered_from <= build_plan.to_date
        and (exposures.left_from is null or exposures.left_from > build_plan.from_date)
        and {{ since_start('exposures.entered_from') }}
        and {{ in_slice_by('exposures.unit_hash') }}

),

{#- After exposure: rows that became known in this run, or all of them when the exposure did.
    Before it: whole days of the lookback, as known when the exposure became known. So of what was known before this run
    only the new exposures want anything. #}
{%- set is_new, is_new_exposure = 'events.known_from >= planned_exposures.from_date', 'planned_exposures.entered_from >= planned_exposures.from_date' %}
{%- set parts = [('exposed_events', 'true')] %}
{%- if has_earlier_rows() %}
{%- set parts = [
    ('new_events', is_new ~ ' and ' ~ from_first('events.known_from')),
    ('earlier_events', 'not (' ~ is_new ~ ') and ' ~ is_new_exposure),
] %}
{%- endif %}
{%- for name, is_of_part in parts %}
{{ name }} as (

    select
        planned_exposures.experiment_id,
        planned_exposures.exposed_at,
        planned_exposures.exposed_date,
        planned_exposures.entered_from,
        planned_exposures.arm,
        planned_exposures.end_date,
        {%- for component in with_event_values %}
        planned_exposures.reads_{{ component.event_values }},
        {%- endfor %}
        events.*,
        cast(
            case
                when events.occurred_at >= planned_exposures.exposed_at
                    then {{ whole_days_between('planned_exposures.exposed_at', 'events.occurred_at') }}
                else -{{ days_between('events.occurred_date', 'planned_exposures.exposed_date') }}
            end as integer
        ) as day
    from {{ ref('stg_events') }} as events
    inner join planned_exposures
        on events.unit_id = planned_exposures.unit_id
    where
        {{ in_slice('events.unit_id') }}
        and {{ is_of_part }}
        and (
            (
                events.occurred_at >= planned_exposures.exposed_at
                and events.occurred_date <= planned_exposures.analysis_end_date
                and events.known_from <= planned_exposures.to_date
                and ({{ is_new }} or {{ is_new_exposure }})
                and (
                    planned_exposures.left_from is null
                    or events.known_from < planned_exposures.left_from
                )
            )
            or (
                events.occurred_date < planned_exposures.exposed_date
                and events.occurred_date
                >= {{ date_plus('planned_exposures.exposed_date', -metric_catalog()['lookback_days']) }}
                and events.known_from <= planned_exposures.entered_from
                and {{ is_new_exposure }}
            )
        )

),
{%- endfor %}
{%- if has_earlier_rows() %}

exposed_events as (

    select * from new_events

    union all

    select * from earlier_events

),
{%- endif %}

unit_days as (

    select
        experiment_id,
        unit_id,
        {{ unit_hash('unit_id') }} as unit_hash,
        exposed_at,
        min(exposed_date) as exposed_date,
        min(entered_from) as exposure_known_from,
        min(arm) as arm,
        known_from,
        day
        {%- for component in components %},
        {{ component_total(component) }} as {{ component.column }}
        {%- endfor %}
        {%- for component in with_event_values %},
        {{ component_event_values(component) }} as {{ component.event_values }}
        {%- endfor %}
        {%- for value_set in metric_catalog()['value_sets'] if distinct_counts %},
        {{ value_set_of(value_set) }} as {{ value_set.column }}
        {%- endfor %}
    from exposed_events
    group by experiment_id, unit_id, exposed_at, known_from, day

)
{%- if not distinct_counts %}

select * from unit_days
{%- else %},

{{ new_value_counts(distinct_counts) }}

select
    unit_days.*
    {%- for component in distinct_counts %},
    coalesce(new_value_counts.{{ component.column }}, 0) as {{ component.column }}
    {%- endfor %}
from unit_days
left join new_value_counts
    on
        unit_days.experiment_id = new_value_counts.experiment_id
        and unit_days.unit_id = new_value_counts.unit_id
        and unit_days.exposed_at = new_value_counts.exposed_at
        and unit_days.known_from = new_value_counts.known_from
        and unit_days.day = new_value_counts.day
{%- endif %}
