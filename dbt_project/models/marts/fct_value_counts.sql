{{
    config(
        materialized='appended',
        pre_hook=["{{ forget_planned(this, ['as_of_date']) }}", "{{ forget_old_segments(this) }}"]
    )
}}
{#-
    Of quantile metrics: how many units have each value. Values far from the quantile are counted at the least, or at the
    greatest, of all, so that the table stays small and intervals that would reach there become too wide, never too narrow.
-#}
{%- set attributes = metric_catalog()['attributes'] %}
{%- set metrics = quantile_metrics() %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

quantiles as (

    select
        cast(null as varchar) as metric_id,
        cast(null as varchar) as metric_hash,
        cast(null as double) as quantile,
        cast(null as double) as one
    where 1 = 0
    {%- for metric in metrics %}

    union all

    select
        {{ sql_text(metric.metric_id) }} as metric_id,
        {{ sql_text(metric.metric_hash) }} as metric_hash,
        cast({{ metric.quantile }} as double) as quantile,
        1e{{ metric.decimals }} as one
    {%- endfor %}

),

unit_metrics as (

    select
        unit_metrics.*,
        unit_metrics.as_of_date = build_plan.latest_date as has_segments
    from {{ ref('int_unit_metrics') }} as unit_metrics
    inner join build_plan
        on unit_metrics.experiment_id = build_plan.experiment_id

),

{#- Before the last date: by how many more units have the value from the date on. -#}
value_changes as (

    select
        experiment_id,
        cast(0 as smallint) as arm,
        cast(null as varchar) as metric_id,
        cast(null as bigint) as value,
        to_date as changed_on,
        cast(0 as bigint) as n_units
    from build_plan
    where 1 = 0
    {%- for metric in metrics %}
    {%- set value = 'y_' ~ metric.metric_hash %}
    {%- for changed_on, count in [('effective_date', 'count(*)'), ('until_date', '-count(*)')] %}

    union all

    select
        experiment_id,
        arm,
        {{ sql_text(metric.metric_id) }} as metric_id,
        {{ value }} as value,
        {{ changed_on }} as changed_on,
        {{ count }} as n_units
    from {{ ref('int_capped_states') }}
    where abs({{ value }}) < {{ overflow_limit() }}
    group by experiment_id, arm, {{ value }}, {{ changed_on }}
    {%- endfor %}
    {%- endfor %}

),

value_counts as (

    select
        calendar.as_of_date,
        value_changes.experiment_id,
        variants.variant_id,
        value_changes.metric_id,
        'all' as segment_name,
        'all' as segment_value,
        value_changes.value,
        sum(value_changes.n_units) as n_units
    from value_changes
    inner join build_plan
        on value_changes.experiment_id = build_plan.experiment_id
    inner join {{ source('inputs', 'calendar') }} as calendar
        on
            calendar.as_of_date >= build_plan.from_date
            and calendar.as_of_date <= build_plan.changes_through
            and calendar.as_of_date >= value_changes.changed_on
    inner join {{ arms() }} as variants
        on
            value_changes.experiment_id = variants.experiment_id
            and value_changes.arm = variants.arm
    group by
        calendar.as_of_date, value_changes.experiment_id, variants.variant_id, value_changes.metric_id,
        value_changes.value
    having sum(value_changes.n_units) > 0
    {%- for metric in metrics %}
    {%- set h = metric.metric_hash %}
    {%- for attribute in [none] + attributes %}
    {%- set segment_value = "'all'" if attribute is none else "coalesce(units.a_" ~ attribute ~ ", 'unknown')" %}

    union all

    select
        units.as_of_date,
        units.experiment_id,
        units.variant_id,
        {{ sql_text(metric.metric_id) }} as metric_id,
        {{ sql_text(attribute or 'all') }} as segment_name,
        {{ segment_value }} as segment_value,
        units.y_{{ h }} as value,
        count(*) as n_units
    from unit_metrics as units
    {%- if attribute is not none %}
    inner join {{ source('inputs', 'experiment_segments') }} as experiment_segments
        on
            units.experiment_id = experiment_segments.experiment_id
            and experiment_segments.segment_name = {{ sql_text(attribute) }}
    {%- endif %}
    where units.u_{{ h }}{{ ' and units.has_segments' if attribute is not none }}
    group by
        units.as_of_date, units.experiment_id, units.variant_id, units.y_{{ h }}
        {%- if attribute is not none %}, {{ segment_value }}{% endif %}
    {%- endfor %}
    {%- endfor %}

),

ranked as (

    select
        value_counts.*,
        quantiles.metric_hash,
        quantiles.quantile,
        quantiles.one,
        cast(sum(value_counts.n_units) over (groups_of_units order by value_counts.value) as double) as n_up_to,
        cast(sum(value_counts.n_units) over groups_of_units as double) as n,
        min(value_counts.value) over groups_of_units as smallest,
        max(value_counts.value) over groups_of_units as largest
    from value_counts
    inner join quantiles
        on value_counts.metric_id = quantiles.metric_id
    inner join {{ source('inputs', 'experiment_metrics') }} as experiment_metrics
        on
            value_counts.experiment_id = experiment_metrics.experiment_id
            and value_counts.metric_id = experiment_metrics.metric_id
    window groups_of_units as (
        partition by
            value_counts.as_of_date, value_counts.experiment_id, value_counts.variant_id, value_counts.metric_id,
            value_counts.segment_name, value_counts.segment_value
    )

),

kept as (

    select
        *,
        case
            when n_up_to < n * quantile - {{ kept_ranks('n', 'quantile') }} then smallest
            when n_up_to - n_units >= n * quantile + {{ kept_ranks('n', 'quantile') }} then largest
            else value
        end as counted_as
    from ranked

)

select
    as_of_date,
    experiment_id,
    variant_id,
    metric_id,
    segment_name,
    segment_value,
    cast(counted_as as double) / one as value,
    cast(sum(n_units) as bigint) as n_units,
    metric_hash
from kept
group by
    as_of_date, experiment_id, variant_id, metric_id, segment_name, segment_value, counted_as, one, metric_hash
