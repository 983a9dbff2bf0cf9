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

{#- Each unit's latest row at the span's end: few have a later one. #}
first_exposures as (

    select
        first_exposures.*,
        build_plan.to_date
    from {{ first_exposures() }} as first_exposures
    inner join build_plan
        on
            first_exposures.experiment_id = build_plan.experiment_id
            and first_exposures.known_from <= build_plan.to_date
    where {{ in_slice_by('first_exposures.unit_hash') }}

),

latest_changes as (

    select
        experiment_id,
        unit_id,
        max(known_from) as known_from
    from first_exposures
    where earlier_exposed_at is not null
    group by experiment_id, unit_id

),

exposed_units as (

    select first_exposures.*
    from first_exposures
    left join latest_changes
        on
            first_exposures.experiment_id = latest_changes.experiment_id
            and first_exposures.unit_id = latest_changes.unit_id
    where
        not first_exposures.is_mixed
        and (latest_changes.known_from is null or first_exposures.known_from = latest_changes.known_from)

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
{#- A snapshot from before a metric was defined lacks its value: not computed, which is not zero. #}
base_snapshots as (

    select
        snapshots.experiment_id,
        snapshots.unit_id,
        snapshots.exposed_at
        {%- for unit_value in unit_values %},
        {{ 'snapshots.' ~ unit_value.column if unit_value.column in known_columns else 'cast(null as bigint)' }} as {{ unit_value.column }}
        {%- endfor %}
    from {{ this }} as snapshots
    inner join build_plan
        on
            snapshots.experiment_id = build_plan.experiment_id
            and snapshots.as_of_date = build_plan.base_date
    where {{ in_slice_by('snapshots.unit_hash') }}

),
{%- endif %}

{#- Zero is data: an exposed unit without any event has 0 of everything, and counts. #}
final as (

    select
        exposed_units.to_date as as_of_date,
        exposed_units.experiment_id,
        exposed_units.unit_id,
        exposed_units.unit_hash,
        exposed_units.variant_id,
        exposed_units.arm,
        exposed_units.exposed_at,
        exposed_units.exposed_date,
        exposed_units.exposure_known_from
        {%- for attribute in attributes %},
        exposed_units.a_{{ attribute }}
        {%- endfor %}
        {%- for unit_value in unit_values %},
        {{ carried_forward(unit_value, has_earlier_rows()) }} as {{ unit_value.column }}
        {%- endfor %}
    from exposed_units
    left join new_totals
        on
            exposed_units.experiment_id = new_totals.experiment_id
            and exposed_units.unit_id = new_totals.unit_id
            and exposed_units.exposed_at = new_totals.exposed_at
    {%- if has_earlier_rows() %}
    left join base_snapshots
        on
            exposed_units.experiment_id = base_snapshots.experiment_id
            and exposed_units.unit_id = base_snapshots.unit_id
            and exposed_units.exposed_at = base_snapshots.exposed_at
    {%- endif %}

)

select * from final
