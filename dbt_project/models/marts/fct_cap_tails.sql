{{ config(materialized='appended', pre_hook="{{ forget_planned(this, ['as_of_date']) }}") }}
{#-
    Of bootstrapped metrics under a quantile cap: by bucket, the units above the least value that the cap of a replicate may
    have, by their value before the cap; values beyond the greatest such are counted at it, as every replicate caps them.
-#}
{%- set caps = resampled_caps() %}
{%- set metrics = caps | map(attribute='metric') | unique(attribute='metric_hash') | list %}
with

experiment_metrics as (

    select * from {{ source('inputs', 'experiment_metrics') }}

)

{%- if caps %},

caps as (

    select * from {{ ref('int_metric_caps') }}
    where experiment_id in (
        select experiment_id
        from experiment_metrics
        where metric_id in ({{ sql_texts(metrics | map(attribute='metric_id')) }})
    )

),

past as (

    select
        caps.*,
        variants.variant_id,
        states.bucket
        {%- for metric in metrics %},
        states.y_{{ metric.metric_hash }}
        {%- if metric.denominator is not none %},
        states.d_{{ metric.metric_hash }}
        {%- endif %},
        {{ fate_of(metric, has_population=false) }}
        {%- endfor %}
    from {{ ref('int_capped_states') }} as states
    inner join caps
        on
            states.experiment_id = caps.experiment_id
            and caps.as_of_date >= states.effective_date
            and caps.as_of_date < states.until_date
    inner join {{ arms() }} as variants
        on
            states.experiment_id = variants.experiment_id
            and states.arm = variants.arm

),

present as (

    select
        caps.*,
        unit_metrics.variant_id,
        {{ unit_bucket('unit_metrics.unit_id') }} as bucket
        {%- for metric in metrics %},
        unit_metrics.u_{{ metric.metric_hash }},
        unit_metrics.t_{{ metric.metric_hash }} as y_{{ metric.metric_hash }}
        {%- if metric.denominator is not none %},
        unit_metrics.s_{{ metric.metric_hash }} as d_{{ metric.metric_hash }}
        {%- endif %}
        {%- endfor %}
    from {{ ref('int_unit_metrics') }} as unit_metrics
    inner join caps
        on
            unit_metrics.as_of_date = caps.as_of_date
            and unit_metrics.experiment_id = caps.experiment_id

)
{%- endif %}

{% for cap in caps %}
{%- set h, value = cap.metric.metric_hash, cap.prefix ~ cap.metric.metric_hash %}
{%- set is_first = loop.first %}
{%- for relation in ['past', 'present'] %}
{{ 'union all' if not (is_first and loop.first) }}

select
    units.as_of_date,
    units.experiment_id,
    units.variant_id,
    {{ sql_text(cap.metric.metric_id) }} as metric_id,
    {{ sql_text('value' if cap.prefix == 'y_' else 'denominator') }} as part,
    cast(units.bucket as integer) as bucket,
    cast(least(units.{{ value }}, units.greatest_{{ cap.column }}) as double) as value,
    count(*) as n_units,
    cast(units.{{ cap.column }} as double) as cap,
    cast(units.least_{{ cap.column }} as double) as least_cap,
    {{ sql_text(h) }} as metric_hash
from {{ relation }} as units
inner join experiment_metrics
    on
        units.experiment_id = experiment_metrics.experiment_id
        and experiment_metrics.metric_id = {{ sql_text(cap.metric.metric_id) }}
where
    units.u_{{ h }}
    and units.{{ value }} > units.least_{{ cap.column }}
group by
    units.as_of_date, units.experiment_id, units.variant_id, units.bucket,
    least(units.{{ value }}, units.greatest_{{ cap.column }}), units.{{ cap.column }}, units.least_{{ cap.column }}
{%- endfor %}
{%- else %}
select
    build_plan.to_date as as_of_date,
    build_plan.experiment_id,
    experiment_metrics.metric_id as variant_id,
    experiment_metrics.metric_id,
    experiment_metrics.metric_id as part,
    0 as bucket,
    cast(0 as double) as value,
    cast(0 as bigint) as n_units,
    cast(0 as double) as cap,
    cast(0 as double) as least_cap,
    experiment_metrics.metric_id as metric_hash
from {{ source('inputs', 'build_plan') }} as build_plan
inner join experiment_metrics
    on build_plan.experiment_id = experiment_metrics.experiment_id
where 1 = 0
{%- endfor %}
