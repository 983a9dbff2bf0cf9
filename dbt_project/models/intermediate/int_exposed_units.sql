{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='sync_all_columns',
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

as_of_dates as (

    select
        build_plan.experiment_id,
        build_plan.base_date,
        calendar.as_of_date
    from build_plan
    inner join {{ source('inputs', 'calendar') }} as calendar
        on calendar.as_of_date between build_plan.from_date and build_plan.to_date

),

exposure_spans as (

    select
        *,
        lead(known_from) over (partition by experiment_id, unit_id order by known_from) as known_until
    from {{ ref('int_first_exposures') }}

),

{#- The exposure in force for each unit at each as-of date. #}
exposed_units as (

    select
        as_of_dates.as_of_date,
        exposure_spans.*
    from as_of_dates
    inner join exposure_spans
        on
            as_of_dates.experiment_id = exposure_spans.experiment_id
            and as_of_dates.as_of_date >= exposure_spans.known_from
            and (
                exposure_spans.known_until is null
                or as_of_dates.as_of_date < exposure_spans.known_until
            )

),

{#- What became known after the base snapshot, or of exposures that did, up to each as-of date. #}
new_days as (

    select
        as_of_dates.as_of_date,
        unit_days.*
    from as_of_dates
    inner join {{ ref('int_exposed_unit_days') }} as unit_days
        on
            as_of_dates.experiment_id = unit_days.experiment_id
            and as_of_dates.as_of_date >= unit_days.known_from
            and (
                as_of_dates.base_date is null
                or unit_days.known_from > as_of_dates.base_date
                or unit_days.exposure_known_from > as_of_dates.base_date
            )

),

new_totals as (

    select
        as_of_date,
        experiment_id,
        unit_id,
        exposed_at
        {%- for unit_value in unit_values %},
        {{ total_over_days(unit_value) }} as {{ unit_value.column }}
        {%- endfor %}
    from new_days
    group by as_of_date, experiment_id, unit_id, exposed_at

),

{% if is_incremental() -%}
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

),
{%- endif %}

{#- Zero is data: an exposed unit without any event has 0 of everything, and counts. #}
final as (

    select
        exposed_units.as_of_date,
        exposed_units.experiment_id,
        exposed_units.unit_id,
        exposed_units.variant_id,
        exposed_units.exposed_at,
        exposed_units.exposed_date,
        exposed_units.is_mixed
        {%- for attribute in attributes %},
        exposed_units.a_{{ attribute }}
        {%- endfor %}
        {%- for unit_value in unit_values %},
        {{ carried_forward(unit_value, is_incremental()) }} as {{ unit_value.column }}
        {%- endfor %}
    from exposed_units
    left join new_totals
        on
            exposed_units.as_of_date = new_totals.as_of_date
            and exposed_units.experiment_id = new_totals.experiment_id
            and exposed_units.unit_id = new_totals.unit_id
            and exposed_units.exposed_at = new_totals.exposed_at
    {%- if is_incremental() %}
    left join base_snapshots
        on
            exposed_units.experiment_id = base_snapshots.experiment_id
            and exposed_units.unit_id = base_snapshots.unit_id
            and exposed_units.exposed_at = base_snapshots.exposed_at
    {%- endif %}

)

select * from final
