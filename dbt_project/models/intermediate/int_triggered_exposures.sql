{{
    config(
        materialized='appended',
        dated_by=['known_from'],
        pre_hook=[
            {"sql": "{{ follow_attributes(this) }}", "transaction": false},
            "{{ forget_planned(this, ['known_from']) }}"
        ]
    )
}}
{#-
    First exposures of experiments with a trigger: a unit enters with its first triggering event at or after its first
    exposure, in the arm and with the attributes of that exposure; mixed if it is. A row whenever either changes, in the
    form of int_first_exposures, which has the exposures themselves under the id of everyone.
-#}
{%- set attributes = metric_catalog()['attributes'] %}
{%- set triggers = metric_catalog().get('triggers', []) %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

)
{%- if triggers %},

planned as (

    select
        triggers.experiment_id,
        triggers.everyone_id,
        triggers.trigger_hash,
        experiments.end_date,
        build_plan.from_date,
        build_plan.to_date
    from {{ source('inputs', 'experiment_triggers') }} as triggers
    inner join build_plan
        on triggers.experiment_id = build_plan.experiment_id
    inner join {{ source('inputs', 'experiments') }} as experiments
        on triggers.experiment_id = experiments.experiment_id

),

exposures as (

    select
        planned.experiment_id,
        planned.trigger_hash,
        planned.end_date,
        planned.from_date,
        planned.to_date,
        first_exposures.unit_id,
        first_exposures.unit_hash,
        first_exposures.known_from,
        first_exposures.variant_id,
        first_exposures.arm,
        first_exposures.exposed_at,
        first_exposures.is_mixed
        {%- for attribute in attributes %},
        first_exposures.a_{{ attribute }}
        {%- endfor %}
    from {{ ref('int_first_exposures') }} as first_exposures
    inner join planned
        on
            first_exposures.experiment_id = planned.everyone_id
            and first_exposures.known_from <= planned.to_date
    where {{ in_slice_by('first_exposures.unit_hash') }}

),

events as (

    {%- for trigger in triggers %}
    {{ 'union all' if not loop.first }}

    select
        {{ sql_text(trigger.trigger_hash) }} as trigger_hash,
        unit_id,
        occurred_at,
        occurred_date,
        known_from
    from {{ ref('stg_events') }}
    where
        {{ component_condition(trigger) }}
        and {{ in_slice('unit_id') }}
    {%- endfor %}

),

{#- By each date of the span, the earliest trigger that came to be known: of new events, or of new exposures. Exposures only
    ever move to an earlier instant, so that a trigger which counted goes on counting. #}
found_triggers as (

    select
        exposures.experiment_id,
        exposures.unit_id,
        greatest(exposures.known_from, events.known_from) as known_from,
        min(events.occurred_at) as triggered_at,
        min(events.occurred_date) as triggered_date
    from exposures
    inner join events
        on
            exposures.unit_id = events.unit_id
            and exposures.trigger_hash = events.trigger_hash
            and exposures.exposed_at <= events.occurred_at
    where
        events.occurred_date <= exposures.end_date
        and events.known_from <= exposures.to_date
        and (events.known_from >= exposures.from_date or exposures.known_from >= exposures.from_date)
    group by exposures.experiment_id, exposures.unit_id, greatest(exposures.known_from, events.known_from)

),

units_with_news as (

    select
        experiment_id,
        unit_id
    from found_triggers

    union

    select
        experiment_id,
        unit_id
    from exposures
    where known_from >= from_date

),

{% if has_earlier_rows() -%}
earlier_rows as (

    select
        earlier.experiment_id,
        earlier.unit_id,
        earlier.known_from,
        earlier.exposed_at,
        earlier.exposed_date,
        earlier.exposure_known_from,
        row_number() over (
            partition by earlier.experiment_id, earlier.unit_id order by earlier.known_from desc
        ) as recency
    from {{ this }} as earlier
    inner join units_with_news
        on
            earlier.experiment_id = units_with_news.experiment_id
            and earlier.unit_id = units_with_news.unit_id

),
{%- endif %}

news as (

    select
        exposures.experiment_id,
        exposures.unit_id,
        exposures.known_from,
        exposures.known_from as exposure_state_from,
        cast(null as {{ dbt.type_timestamp() }}) as triggered_at,
        cast(null as date) as triggered_date,
        cast(null as date) as trigger_known_from,
        case when exposures.known_from >= exposures.from_date then 1 else 0 end as is_new
    from exposures
    inner join units_with_news
        on
            exposures.experiment_id = units_with_news.experiment_id
            and exposures.unit_id = units_with_news.unit_id

    union all

    select
        experiment_id,
        unit_id,
        known_from,
        cast(null as date) as exposure_state_from,
        triggered_at,
        triggered_date,
        known_from as trigger_known_from,
        1 as is_new
    from found_triggers

    {% if has_earlier_rows() -%}
    union all

    select
        experiment_id,
        unit_id,
        known_from,
        cast(null as date) as exposure_state_from,
        exposed_at as triggered_at,
        exposed_date as triggered_date,
        exposure_known_from as trigger_known_from,
        0 as is_new
    from earlier_rows
    where recency = 1
    {%- endif %}

),

dated as (

    select
        experiment_id,
        unit_id,
        known_from,
        max(exposure_state_from) as exposure_state_from,
        min(triggered_at) as triggered_at,
        min(triggered_date) as triggered_date,
        min(trigger_known_from) as trigger_known_from,
        max(is_new) as is_new
    from news
    group by experiment_id, unit_id, known_from

),

running as (

    select
        experiment_id,
        unit_id,
        known_from,
        trigger_known_from,
        is_new,
        max(exposure_state_from) over so_far as exposure_state_from,
        min(triggered_at) over so_far as triggered_at,
        min(triggered_date) over so_far as triggered_date
    from dated
    window
        so_far as (
            partition by experiment_id, unit_id order by known_from
            rows between unbounded preceding and current row
        )

),

changes as (

    select
        *,
        lag(triggered_at) over (partition by experiment_id, unit_id order by known_from) as earlier_triggered_at,
        lag(exposure_state_from) over (partition by experiment_id, unit_id order by known_from) as earlier_state_from,
        min(trigger_known_from) over (partition by experiment_id, unit_id, triggered_at) as exposure_known_from
    from running

)

select
    changes.experiment_id,
    changes.unit_id,
    exposures.unit_hash,
    changes.known_from,
    exposures.variant_id,
    exposures.arm,
    changes.triggered_at as exposed_at,
    changes.triggered_date as exposed_date,
    changes.exposure_known_from,
    exposures.is_mixed,
    changes.earlier_triggered_at as earlier_exposed_at
    {%- for attribute in attributes %},
    exposures.a_{{ attribute }}
    {%- endfor %}
from changes
inner join exposures
    on
        changes.experiment_id = exposures.experiment_id
        and changes.unit_id = exposures.unit_id
        and changes.exposure_state_from = exposures.known_from
where
    changes.is_new = 1
    and changes.triggered_at is not null
    and (
        changes.earlier_triggered_at is null
        or changes.earlier_triggered_at <> changes.triggered_at
        or changes.earlier_state_from <> changes.exposure_state_from
    )
{%- else %}

select first_exposures.*
from {{ ref('int_first_exposures') }} as first_exposures
inner join build_plan
    on first_exposures.experiment_id = build_plan.experiment_id
where 1 = 0
{%- endif %}
