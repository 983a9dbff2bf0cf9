{{ config(materialized='appended', pre_hook="{{ forget_planned(this, ['as_of_date']) }}") }}
{#-
    Of bootstrapped metrics: exact sums of the capped values over buckets of each arm's units. Through the span's
    `changes_through` of the states, after it of the snapshot; one pass over either for all metrics.
-#}
{%- set metrics = bootstrapped_metrics() %}
{%- set moving = metrics | rejectattr('cap_quantile', 'none') | list %}
{%- set fixed = metrics | selectattr('cap_quantile', 'none') | list %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

experiment_metrics as (

    select * from {{ source('inputs', 'experiment_metrics') }}

)

{%- if metrics %},

calendar as (

    select * from {{ source('inputs', 'calendar') }}

),

{#- Experiments that have any of these metrics: the units of others are not read. #}
planned as (

    select *
    from build_plan
    where experiment_id in (
        select experiment_id
        from experiment_metrics
        where metric_id in ({{ sql_texts(metrics | map(attribute='metric_id')) }})
    )

),

unit_metrics as (

    select unit_metrics.*
    from {{ ref('int_unit_metrics') }} as unit_metrics
    inner join planned
        on unit_metrics.experiment_id = planned.experiment_id

),

states as (

    select states.*
    from {{ ref('int_capped_states') }} as states
    inner join planned
        on states.experiment_id = planned.experiment_id

),

present as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        {{ unit_bucket('unit_id') }} as bucket
        {%- for metric in metrics %},
        {{ bucket_sums(metric) }}
        {%- endfor %}
    from unit_metrics
    group by as_of_date, experiment_id, variant_id, {{ unit_bucket('unit_id') }}

)

{%- if fixed %},

fixed_fates as (

    select
        *
        {%- for metric in fixed %},
        {{ fate_of(metric, has_population=false) }}
        {%- endfor %}
    from states

),

fixed_values as (

    select
        experiment_id,
        arm,
        bucket,
        effective_date,
        until_date
        {%- for metric in fixed %},
        {{ usable_values(metric) }}
        {%- endfor %}
    from fixed_fates

),

{#- Units whose values hold for the same dates are added up once for all of these. #}
fixed_spells as (

    select
        experiment_id,
        arm,
        bucket,
        effective_date,
        until_date
        {%- for metric in fixed %},
        {{ bucket_sums(metric) }}
        {%- endfor %}
    from fixed_values
    group by experiment_id, arm, bucket, effective_date, until_date

),

fixed_past as (

    select
        calendar.as_of_date,
        spells.experiment_id,
        variants.variant_id,
        spells.bucket
        {%- for metric in fixed %},
        {%- set h = metric.metric_hash %}
        sum(spells.n_{{ h }}) as n_{{ h }},
        {{ exact("sum(spells.y_" ~ h ~ ")") }} as y_{{ h }}
        {%- if metric.denominator is not none %},
        {{ exact("sum(spells.d_" ~ h ~ ")") }} as d_{{ h }}
        {%- endif %}
        {%- endfor %}
    from fixed_spells as spells
    inner join calendar
        on
            calendar.as_of_date >= spells.effective_date
            and calendar.as_of_date < spells.until_date
    inner join {{ arms() }} as variants
        on
            spells.experiment_id = variants.experiment_id
            and spells.arm = variants.arm
    group by calendar.as_of_date, spells.experiment_id, variants.variant_id, spells.bucket

)
{%- endif %}
{%- if moving %},

moving_fates as (

    select
        calendar.as_of_date,
        states.*
        {%- for cap in quantile_caps() %},
        caps.{{ cap.column }}
        {%- endfor %}
        {%- for metric in moving %},
        {{ fate_of(metric, has_population=false) }}
        {%- endfor %}
    from states
    inner join calendar
        on
            calendar.as_of_date >= states.effective_date
            and calendar.as_of_date < states.until_date
    inner join {{ ref('int_metric_caps') }} as caps
        on
            states.experiment_id = caps.experiment_id
            and calendar.as_of_date = caps.as_of_date
    where
        {%- for metric in moving %}
        {{ 'or ' if not loop.first }}states.y_{{ metric.metric_hash }} is not null
        {%- endfor %}

),

moving_values as (

    select
        as_of_date,
        experiment_id,
        arm,
        bucket
        {%- for metric in moving %},
        {{ usable_values(metric) }}
        {%- endfor %}
    from moving_fates

),

moving_past as (

    select
        moving_values.as_of_date,
        moving_values.experiment_id,
        variants.variant_id,
        moving_values.bucket
        {%- for metric in moving %},
        {{ bucket_sums(metric) }}
        {%- endfor %}
    from moving_values
    inner join {{ arms() }} as variants
        on
            moving_values.experiment_id = variants.experiment_id
            and moving_values.arm = variants.arm
    group by moving_values.as_of_date, moving_values.experiment_id, variants.variant_id, moving_values.bucket

)
{%- endif %}
{%- endif %}

{% for metric in metrics %}
{%- set h = metric.metric_hash %}
{%- set is_first = loop.first %}
{%- for relation in ['fixed_past' if metric.cap_quantile is none else 'moving_past', 'present'] %}
{{ 'union all' if not (is_first and loop.first) }}

select
    sums.as_of_date,
    sums.experiment_id,
    sums.variant_id,
    {{ sql_text(metric.metric_id) }} as metric_id,
    cast(sums.bucket as integer) as bucket,
    cast(sums.n_{{ h }} as bigint) as n_units,
    cast(sums.y_{{ h }} as double) as value_sum,
    cast({{ 'sums.d_' ~ h if metric.denominator is not none else 'null' }} as double) as denominator_sum,
    {{ metric.decimals }} as decimals,
    {{ metric.denominator_decimals }} as denominator_decimals,
    {{ sql_text(h) }} as metric_hash
from {{ relation }} as sums
inner join experiment_metrics
    on
        sums.experiment_id = experiment_metrics.experiment_id
        and experiment_metrics.metric_id = {{ sql_text(metric.metric_id) }}
where sums.n_{{ h }} > 0
{%- endfor %}
{%- else %}
select
    build_plan.to_date as as_of_date,
    build_plan.experiment_id,
    experiment_metrics.metric_id as variant_id,
    experiment_metrics.metric_id,
    0 as bucket,
    cast(0 as bigint) as n_units,
    cast(null as double) as value_sum,
    cast(null as double) as denominator_sum,
    0 as decimals,
    0 as denominator_decimals,
    experiment_metrics.metric_id as metric_hash
from build_plan
inner join experiment_metrics
    on build_plan.experiment_id = experiment_metrics.experiment_id
where 1 = 0
{%- endfor %}
