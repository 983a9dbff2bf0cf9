{{ config(materialized='table') }}
{#-
    Of quantiles of events: how many events have each value by as-of date, arm and segment, and how many are at or below it;
    segments at the latest date only. `is_quantile` marks the least value that enough events do not exceed.
-#}
{%- set metrics = event_quantile_metrics() %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

event_counts as (

    select * from {{ ref('int_event_counts') }}

),

quantiles as (

    {{ quantile_levels(metrics, 'event_decimals') }}

),

counts as (

    select
        calendar.as_of_date,
        event_counts.experiment_id,
        event_counts.arm,
        event_counts.metric_id,
        'all' as segment_name,
        'all' as segment_value,
        event_counts.value,
        sum(event_counts.n_events) as n_events
    from event_counts
    inner join build_plan
        on event_counts.experiment_id = build_plan.experiment_id
    inner join {{ source('inputs', 'calendar') }} as calendar
        on
            calendar.as_of_date between build_plan.from_date and build_plan.to_date
            and calendar.as_of_date >= event_counts.effective_date
            and calendar.as_of_date < event_counts.until_date
    group by
        calendar.as_of_date, event_counts.experiment_id, event_counts.arm, event_counts.metric_id, event_counts.value
    {%- for dimension in segment_dimensions() %}
    {%- set segment_value = segment_value_of(dimension, 'event_counts') %}

    union all

    select
        build_plan.to_date as as_of_date,
        event_counts.experiment_id,
        event_counts.arm,
        event_counts.metric_id,
        {{ sql_text(segment_name_of(dimension)) }} as segment_name,
        {{ segment_value }} as segment_value,
        event_counts.value,
        sum(event_counts.n_events) as n_events
    from event_counts
    inner join build_plan
        on event_counts.experiment_id = build_plan.experiment_id
    inner join {{ source('inputs', 'experiment_segments') }} as experiment_segments
        on
            event_counts.experiment_id = experiment_segments.experiment_id
            and experiment_segments.segment_name = {{ sql_text(segment_name_of(dimension)) }}
    where
        {{ segment_value }} is not null
        and event_counts.until_date > build_plan.to_date
    group by
        build_plan.to_date, event_counts.experiment_id, event_counts.arm, event_counts.metric_id,
        {{ segment_value }}, event_counts.value
    {%- endfor %}

),

ranked as (

    select
        counts.*,
        quantiles.metric_hash,
        quantiles.quantile,
        quantiles.one,
        sum(counts.n_events) over values_so_far as n_up_to,
        sum(counts.n_events) over events_of_group as n_all,
        min(counts.value) over events_of_group as smallest,
        max(counts.value) over events_of_group as largest
    from counts
    inner join quantiles
        on counts.metric_id = quantiles.metric_id
    window
        events_of_group as (
            partition by
                counts.as_of_date, counts.experiment_id, counts.arm, counts.metric_id,
                counts.segment_name, counts.segment_value
        ),
        values_so_far as (
            partition by
                counts.as_of_date, counts.experiment_id, counts.arm, counts.metric_id,
                counts.segment_name, counts.segment_value
            order by counts.value
        )

)

select
    as_of_date,
    experiment_id,
    arm,
    metric_id,
    segment_name,
    segment_value,
    value,
    cast(n_events as bigint) as n_events,
    cast(n_up_to as bigint) as n_up_to,
    cast(n_all as bigint) as n_all,
    smallest,
    largest,
    metric_hash,
    quantile,
    one,
    {#- Rounding of the product of a number of events and the level does not count. #}
    n_up_to >= {{ quantile_rank('n_all', 'quantile') }}
    and n_up_to - n_events < {{ quantile_rank('n_all', 'quantile') }} as is_quantile
from ranked
