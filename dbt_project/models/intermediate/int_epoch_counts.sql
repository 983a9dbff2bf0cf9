{{ config(materialized='appended', starts_empty=true) }}
{#- Units by as-of date, variant, segment and the allocation epoch in which they were first exposed. #}
{%- set attributes = metric_catalog()['attributes'] %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

epochs as (

    select distinct
        experiment_id,
        epoch,
        from_date
    from {{ source('inputs', 'experiment_epochs') }}

),

epoch_spans as (

    select
        experiment_id,
        epoch,
        from_date,
        lead(from_date) over (partition by experiment_id order by from_date) as until_date
    from epochs

),

first_exposures as (

    select
        first_exposures.*,
        build_plan.from_date,
        build_plan.to_date,
        build_plan.latest_date
    from {{ first_exposures() }} as first_exposures
    inner join build_plan
        on
            first_exposures.experiment_id = build_plan.experiment_id
            and first_exposures.known_from <= build_plan.to_date
    where {{ since_start('first_exposures.known_from') }}

),

units_with_changes as (

    select distinct
        experiment_id,
        unit_id
    from first_exposures
    where earlier_exposed_at is not null

),

{#- A unit's first exposure holds until its next row: few units have one. #}
exposure_spans as (

    select
        first_exposures.*,
        cast(null as date) as known_until
    from first_exposures
    left join units_with_changes
        on
            first_exposures.experiment_id = units_with_changes.experiment_id
            and first_exposures.unit_id = units_with_changes.unit_id
    where units_with_changes.unit_id is null

    union all

    select
        first_exposures.*,
        lead(first_exposures.known_from) over (
            partition by first_exposures.experiment_id, first_exposures.unit_id order by first_exposures.known_from
        ) as known_until
    from first_exposures
    inner join units_with_changes
        on
            first_exposures.experiment_id = units_with_changes.experiment_id
            and first_exposures.unit_id = units_with_changes.unit_id

),

{#- One pass over the units, for everyone and all segments: by variant, exposure date, dates at which they count, and attributes,
    which are told at the latest date only. #}
cells as (

    select
        experiment_id,
        variant_id,
        exposed_date,
        greatest(known_from, from_date) as counts_from,
        coalesce(known_until, {{ date_plus('to_date', 1) }}) as counts_until,
        known_until is null and to_date = latest_date as has_segments
        {%- for attribute in attributes %},
        case when known_until is null and to_date = latest_date then coalesce(a_{{ attribute }}, 'unknown') end as a_{{ attribute }}
        {%- endfor %},
        sum(case when is_mixed then 0 else 1 end) as n_units,
        sum(case when is_mixed then 1 else 0 end) as n_mixed_excluded
    from exposure_spans
    group by
        experiment_id, variant_id, exposed_date,
        greatest(known_from, from_date), coalesce(known_until, {{ date_plus('to_date', 1) }}),
        known_until is null and to_date = latest_date
        {%- for attribute in attributes %},
        case when known_until is null and to_date = latest_date then coalesce(a_{{ attribute }}, 'unknown') end
        {%- endfor %}

),

{#- Counted before the dates of the span multiply the rows. #}
counts as (

    select
        experiment_id,
        variant_id,
        exposed_date,
        'all' as segment_name,
        'all' as segment_value,
        counts_from,
        counts_until,
        sum(n_units) as n_units,
        sum(n_mixed_excluded) as n_mixed_excluded
    from cells
    group by experiment_id, variant_id, exposed_date, counts_from, counts_until

    {%- for attribute in attributes %}

    union all

    select
        cells.experiment_id,
        cells.variant_id,
        cells.exposed_date,
        {{ sql_text(attribute) }} as segment_name,
        cells.a_{{ attribute }} as segment_value,
        {{ date_plus('cells.counts_until', -1) }} as counts_from,
        cells.counts_until,
        sum(cells.n_units) as n_units,
        sum(cells.n_mixed_excluded) as n_mixed_excluded
    from cells
    inner join {{ source('inputs', 'experiment_segments') }} as experiment_segments
        on
            cells.experiment_id = experiment_segments.experiment_id
            and experiment_segments.segment_name = {{ sql_text(attribute) }}
    where cells.has_segments
    group by cells.experiment_id, cells.variant_id, cells.exposed_date, cells.a_{{ attribute }}, cells.counts_until
    {%- endfor %}

)

select
    calendar.as_of_date,
    counts.experiment_id,
    counts.variant_id,
    counts.segment_name,
    counts.segment_value,
    epoch_spans.epoch,
    sum(counts.n_units) as n_units,
    sum(counts.n_mixed_excluded) as n_mixed_excluded
from counts
inner join {{ source('inputs', 'calendar') }} as calendar
    on
        calendar.as_of_date >= counts.counts_from
        and calendar.as_of_date < counts.counts_until
inner join epoch_spans
    on
        counts.experiment_id = epoch_spans.experiment_id
        and counts.exposed_date >= epoch_spans.from_date
        and (epoch_spans.until_date is null or counts.exposed_date < epoch_spans.until_date)
group by
    calendar.as_of_date, counts.experiment_id, counts.variant_id, counts.segment_name, counts.segment_value,
    epoch_spans.epoch
