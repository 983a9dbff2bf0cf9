{{
    config(
        materialized='appended',
        share_in_memory=2,
        pre_hook=[
            {"sql": "{{ follow_attributes(this) }}", "transaction": false},
            {"sql": "{{ follow_unit_values(this) }}", "transaction": false},
            "{{ forget_planned(this, ['as_of_date']) }}"
        ]
    )
}}
{%- set attributes = metric_catalog()['attributes'] %}
{%- set unit_values = metric_catalog()['unit_values'] %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

{#- What became known of exposures after the base snapshot; of an experiment without one, all. #}
new_exposures as (

    select
        first_exposures.*,
        build_plan.to_date
    from {{ first_exposures() }} as first_exposures
    inner join build_plan
        on
            first_exposures.experiment_id = build_plan.experiment_id
            and first_exposures.known_from <= build_plan.to_date
            and (build_plan.base_date is null or first_exposures.known_from > build_plan.base_date)
    where
        {{ after_base('first_exposures.known_from') }}
        and {{ in_slice_by('first_exposures.unit_hash') }}

),

latest_changes as (

    select
        experiment_id,
        unit_id,
        max(known_from) as known_from
    from new_exposures
    where earlier_exposed_at is not null
    group by experiment_id, unit_id

),

{#- Each unit's latest row at the span's end: few have a later one than their first. #}
latest_exposures as (

    select
        new_exposures.*,
        latest_changes.unit_id is not null as has_changed
    from new_exposures
    left join latest_changes
        on
            new_exposures.experiment_id = latest_changes.experiment_id
            and new_exposures.unit_id = latest_changes.unit_id
    where latest_changes.known_from is null or new_exposures.known_from = latest_changes.known_from

),

{#- Two scans, so that each can skip days long past. #}
new_unit_days as (

    select * from {{ ref('int_exposed_unit_days') }}
    where {{ after_base('known_from') }}

    union all

    select * from {{ ref('int_exposed_unit_days') }}
    where
        not ({{ after_base('known_from') }})
        and {{ after_base('exposure_known_from') }}

),

{#- What became known after the base snapshot, or of exposures that did. #}
new_totals as (

    select
        unit_days.experiment_id,
        unit_days.unit_id,
        unit_days.exposed_at
        {%- for unit_value in unit_values %},
        {{ total_over_days(unit_value) }} as {{ unit_value.column }}
        {%- endfor %}
    from new_unit_days as unit_days
    inner join build_plan
        on
            unit_days.experiment_id = build_plan.experiment_id
            and unit_days.known_from <= build_plan.to_date
            and (
                build_plan.base_date is null
                or unit_days.known_from > build_plan.base_date
                or unit_days.exposure_known_from > build_plan.base_date
            )
    where {{ in_slice_by('unit_days.unit_hash') }}
    group by unit_days.experiment_id, unit_days.unit_id, unit_days.exposed_at

),

{% if has_earlier_rows() -%}
{%- set known_columns = column_names(this) %}
{#- Only these need to be held against the base snapshot. #}
changed_exposures as (

    select * from latest_exposures
    where has_changed

),

{#- The snapshot of the base date without the units that left since. What changed of an exposure that stayed is taken from its
    latest row. A snapshot from before a metric was defined lacks its value: not computed, which is not zero. #}
base_units as (

    select
        build_plan.to_date as as_of_date,
        snapshots.experiment_id,
        snapshots.unit_id,
        snapshots.unit_hash,
        {%- for column in ['variant_id', 'arm'] %}
        case when changed_exposures.unit_id is null then snapshots.{{ column }} else changed_exposures.{{ column }} end as {{ column }},
        {%- endfor %}
        snapshots.exposed_at,
        snapshots.exposed_date,
        case
            when changed_exposures.unit_id is null then snapshots.exposure_known_from
            else changed_exposures.exposure_known_from
        end as exposure_known_from
        {%- for attribute in attributes %},
        case
            when changed_exposures.unit_id is null then snapshots.a_{{ attribute }}
            else changed_exposures.a_{{ attribute }}
        end as a_{{ attribute }}
        {%- endfor %}
        {%- for unit_value in unit_values %},
        {{ 'snapshots.' ~ unit_value.column if unit_value.column in known_columns else 'cast(null as bigint)' }} as {{ unit_value.column }}
        {%- endfor %}
    from {{ this }} as snapshots
    inner join build_plan
        on
            snapshots.experiment_id = build_plan.experiment_id
            and snapshots.as_of_date = build_plan.base_date
    left join changed_exposures
        on
            snapshots.experiment_id = changed_exposures.experiment_id
            and snapshots.unit_id = changed_exposures.unit_id
    where
        {{ in_slice_by('snapshots.unit_hash') }}
        and (
            changed_exposures.unit_id is null
            or (not changed_exposures.is_mixed and snapshots.exposed_at = changed_exposures.exposed_at)
        )

),

{#- Of those that changed the ones whose exposure is that of the base snapshot: a scan of few columns. #}
stayed as (

    select
        snapshots.experiment_id,
        snapshots.unit_id
    from {{ this }} as snapshots
    inner join build_plan
        on
            snapshots.experiment_id = build_plan.experiment_id
            and snapshots.as_of_date = build_plan.base_date
    inner join changed_exposures
        on
            snapshots.experiment_id = changed_exposures.experiment_id
            and snapshots.unit_id = changed_exposures.unit_id
            and snapshots.exposed_at = changed_exposures.exposed_at
    where {{ in_slice_by('snapshots.unit_hash') }}

),
{%- endif %}

new_units as (

    select latest_exposures.*
    from latest_exposures
    {%- if has_earlier_rows() %}
    left join stayed
        on
            latest_exposures.experiment_id = stayed.experiment_id
            and latest_exposures.unit_id = stayed.unit_id
    {%- endif %}
    where
        not latest_exposures.is_mixed
        {%- if has_earlier_rows() %}
        and stayed.unit_id is null
        {%- endif %}

)

{#- Zero is data: an exposed unit without any event has 0 of everything, and counts. Units whose sums are added up in the same
    cell, and mature together, lie together: that halves the time of adding them up. #}
select * from (
    select
        new_units.to_date as as_of_date,
        new_units.experiment_id,
        new_units.unit_id,
        new_units.unit_hash,
        new_units.variant_id,
        new_units.arm,
        new_units.exposed_at,
        new_units.exposed_date,
        new_units.exposure_known_from
        {%- for attribute in attributes %},
        new_units.a_{{ attribute }}
        {%- endfor %}
        {%- for unit_value in unit_values %},
        {{ first_total(unit_value) }} as {{ unit_value.column }}
        {%- endfor %}
    from new_units
    left join new_totals
        on
            new_units.experiment_id = new_totals.experiment_id
            and new_units.unit_id = new_totals.unit_id
            and new_units.exposed_at = new_totals.exposed_at
    {{ laid_out_by(['exposed_date', 'experiment_id', 'variant_id'], attributes) }}
) as new_rows
{%- if has_earlier_rows() %}

union all

select
    base_units.as_of_date,
    base_units.experiment_id,
    base_units.unit_id,
    base_units.unit_hash,
    base_units.variant_id,
    base_units.arm,
    base_units.exposed_at,
    base_units.exposed_date,
    base_units.exposure_known_from
    {%- for attribute in attributes %},
    base_units.a_{{ attribute }}
    {%- endfor %}
    {%- for unit_value in unit_values %},
    {{ carried_forward(unit_value) }} as {{ unit_value.column }}
    {%- endfor %}
from base_units
left join new_totals
    on
        base_units.experiment_id = new_totals.experiment_id
        and base_units.unit_id = new_totals.unit_id
        and base_units.exposed_at = new_totals.exposed_at
{%- endif %}
