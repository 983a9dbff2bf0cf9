{{
    config(
        materialized='appended',
        pre_hook=["{{ forget_planned(this, ['as_of_date']) }}", "{{ forget_old_segments(this) }}"]
    )
}}
{#- Of categorical metrics: how many units are in each category, those in which nobody is included. -#}
{%- set metrics = categorical_metrics() %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

categories as (

    select
        cast(null as {{ type_text() }}) as metric_id,
        cast(null as {{ type_text() }}) as metric_hash,
        cast(null as integer) as code,
        cast(null as {{ type_text() }}) as category
    where 1 = 0
    {%- for metric in metrics %}
    {%- for category in metric.categories %}

    union all

    select
        {{ sql_text(metric.metric_id) }} as metric_id,
        {{ sql_text(metric.metric_hash) }} as metric_hash,
        {{ loop.index }} as code,
        {{ sql_text(category) }} as category
    {%- endfor %}
    {%- endfor %}

),

{{ counts_by_value(metrics) }},

totals as (

    select
        value_counts.as_of_date,
        value_counts.experiment_id,
        value_counts.variant_id,
        value_counts.metric_id,
        value_counts.segment_name,
        value_counts.segment_value,
        sum(value_counts.n_units) as n_units
    from value_counts
    inner join {{ source('inputs', 'experiment_metrics') }} as experiment_metrics
        on
            value_counts.experiment_id = experiment_metrics.experiment_id
            and value_counts.metric_id = experiment_metrics.metric_id
    group by
        value_counts.as_of_date, value_counts.experiment_id, value_counts.variant_id, value_counts.metric_id,
        value_counts.segment_name, value_counts.segment_value

)

select
    totals.as_of_date,
    totals.experiment_id,
    totals.variant_id,
    totals.metric_id,
    totals.segment_name,
    totals.segment_value,
    categories.category,
    categories.code as position,
    cast(coalesce(value_counts.n_units, 0) as bigint) as n_units,
    cast(coalesce(value_counts.n_units, 0) as double) / cast(totals.n_units as double) as share,
    categories.metric_hash
from totals
inner join categories
    on totals.metric_id = categories.metric_id
left join value_counts
    on
        totals.as_of_date = value_counts.as_of_date
        and totals.experiment_id = value_counts.experiment_id
        and totals.variant_id = value_counts.variant_id
        and totals.metric_id = value_counts.metric_id
        and totals.segment_name = value_counts.segment_name
        and totals.segment_value = value_counts.segment_value
        and categories.code = value_counts.value
