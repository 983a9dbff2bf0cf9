{{ config(materialized='appended', starts_empty=true, share_in_memory=0.25) }}
{#-
    Of quantiles of events: exact sums over units, which are the clusters, of their events and of those up to the arm's sample
    quantile. A row for each slice of units: they add up. Far fewer rows than events go from date to date: those below all of a
    unit's quantiles of the span count as one value, and so do those above.
-#}
{%- set attributes = metric_catalog()['attributes'] %}
{%- set metrics = event_quantile_metrics() %}
with

quantiles as (

    select
        as_of_date,
        experiment_id,
        arm,
        metric_id,
        segment_name,
        segment_value,
        value as quantile_value
    from {{ ref('int_event_histograms') }}
    where is_quantile

),

ranges as (

    select
        experiment_id,
        arm,
        metric_id,
        min(quantile_value) as lowest,
        max(quantile_value) as highest
    from quantiles
    group by experiment_id, arm, metric_id

)
{%- for metric in metrics %},
{%- set name = metric.metric_hash ~ '_' ~ loop.index %}

events_of_{{ name }} as (

    {{ event_rows(metric) }}

),

counts_of_{{ name }} as (

    select
        events.experiment_id,
        events.unit_id,
        events.arm
        {%- for attribute in attributes %},
        events.a_{{ attribute }}
        {%- endfor %},
        events.effective_date,
        events.until_date,
        least(greatest(events.value, ranges.lowest), ranges.highest + 1) as value,
        count(*) as n_events
    from events_of_{{ name }} as events
    inner join ranges
        on
            events.experiment_id = ranges.experiment_id
            and events.arm = ranges.arm
            and ranges.metric_id = {{ sql_text(metric.metric_id) }}
    group by
        events.experiment_id, events.unit_id, events.arm, events.effective_date, events.until_date,
        {%- for attribute in attributes %} events.a_{{ attribute }},{% endfor %}
        least(greatest(events.value, ranges.lowest), ranges.highest + 1)

),

units_of_{{ name }} as (

    select
        quantiles.as_of_date,
        quantiles.experiment_id,
        quantiles.arm,
        quantiles.segment_name,
        quantiles.segment_value,
        counts.unit_id,
        cast(sum(counts.n_events) as bigint) as n_events,
        cast(sum(case when counts.value <= quantiles.quantile_value then counts.n_events else 0 end) as bigint) as n_up_to
    from counts_of_{{ name }} as counts
    inner join quantiles
        on
            counts.experiment_id = quantiles.experiment_id
            and counts.arm = quantiles.arm
            and quantiles.metric_id = {{ sql_text(metric.metric_id) }}
            and quantiles.as_of_date >= counts.effective_date
            and quantiles.as_of_date < counts.until_date
            and (
                quantiles.segment_name = 'all'
                {%- for dimension in segment_dimensions() %}
                or (
                    quantiles.segment_name = {{ sql_text(segment_name_of(dimension)) }}
                    and quantiles.segment_value = {{ segment_value_of(dimension, 'counts') }}
                )
                {%- endfor %}
            )
    group by
        quantiles.as_of_date, quantiles.experiment_id, quantiles.arm,
        quantiles.segment_name, quantiles.segment_value, counts.unit_id

)
{%- endfor %}

{% for metric in metrics %}
{{ 'union all' if not loop.first }}

select
    as_of_date,
    experiment_id,
    arm,
    {{ sql_text(metric.metric_id) }} as metric_id,
    segment_name,
    segment_value,
    count(*) as n_units,
    {{ exact('sum(n_events)') }} as n_events,
    {{ exact('sum(n_up_to)') }} as n_up_to,
    {{ exact('sum(' ~ exact_product('n_events', 'n_events') ~ ')') }} as sum_events_squared,
    {{ exact('sum(' ~ exact_product('n_up_to', 'n_up_to') ~ ')') }} as sum_up_to_squared,
    {{ exact('sum(' ~ exact_product('n_events', 'n_up_to') ~ ')') }} as sum_product
from units_of_{{ metric.metric_hash }}_{{ loop.index }}
group by as_of_date, experiment_id, arm, segment_name, segment_value
{%- else %}
select
    as_of_date,
    experiment_id,
    arm,
    metric_id,
    segment_name,
    segment_value,
    cast(0 as bigint) as n_units,
    {{ exact('0') }} as n_events,
    {{ exact('0') }} as n_up_to,
    {{ exact('0') }} as sum_events_squared,
    {{ exact('0') }} as sum_up_to_squared,
    {{ exact('0') }} as sum_product
from quantiles
where 1 = 0
{%- endfor %}
