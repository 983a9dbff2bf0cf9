{{
    config(
        materialized='appended',
        pre_hook=["{{ forget_planned(this, ['as_of_date']) }}", "{{ forget_before_latest(this) }}"]
    )
}}
{#-
    What trends over days since exposure read: the mean of each day and the covariance of each two, of units that have been
    exposed for all of the days. Of the latest and the final as-of date only, as segments are.
-#}
{%- set metrics = trend_metrics() %}
with

day_sums as (

    select * from {{ ref('int_day_sums') }}

),

experiment_metrics as (

    select * from {{ source('inputs', 'experiment_metrics') }}

)

{%- if metrics %},

totals as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        day,
        other_day
        {%- for metric in metrics %}
        {%- set h = metric.metric_hash %},
        sum(n_{{ h }}) as n_{{ h }},
        {{ exact("sum(y_" ~ h ~ ")") }} as y_{{ h }},
        {{ exact("sum(other_y_" ~ h ~ ")") }} as other_y_{{ h }},
        {{ exact("sum(yy_" ~ h ~ ")") }} as yy_{{ h }},
        sum(m_{{ h }}) as m_{{ h }},
        sum(other_m_{{ h }}) as other_m_{{ h }}
        {%- endfor %}
    from day_sums
    group by as_of_date, experiment_id, variant_id, day, other_day

)
{%- endif %}
{% for metric in metrics %}
{%- set h = metric.metric_hash %}
{%- set one = '1e' ~ metric.decimals %}
{{ 'union all' if not loop.first }}

select
    totals.as_of_date,
    totals.experiment_id,
    totals.variant_id,
    {{ sql_text(metric.metric_id) }} as metric_id,
    cast(totals.day as integer) as day,
    cast(totals.other_day as integer) as other_day,
    cast(totals.n_{{ h }} as bigint) as n_units,
    case when totals.m_{{ h }} = 0 then cast(totals.y_{{ h }} as double) / totals.n_{{ h }} / {{ one }} end as mean,
    case
        when totals.m_{{ h }} = 0 and totals.other_m_{{ h }} = 0
            then {{ sample_covariance('totals.yy_' ~ h, 'totals.y_' ~ h, 'totals.other_y_' ~ h, 'totals.n_' ~ h) }} / {{ one }} / {{ one }}
    end as covariance,
    {{ sql_text(h) }} as metric_hash
from totals
inner join experiment_metrics
    on
        totals.experiment_id = experiment_metrics.experiment_id
        and experiment_metrics.metric_id = {{ sql_text(metric.metric_id) }}
where totals.n_{{ h }} > 0
{%- else %}

select
    day_sums.as_of_date,
    day_sums.experiment_id,
    day_sums.variant_id,
    experiment_metrics.metric_id,
    cast(day_sums.day as integer) as day,
    cast(day_sums.other_day as integer) as other_day,
    cast(null as bigint) as n_units,
    cast(null as double) as mean,
    cast(null as double) as covariance,
    cast(null as {{ type_text() }}) as metric_hash
from day_sums
inner join experiment_metrics
    on day_sums.experiment_id = experiment_metrics.experiment_id
where 1 = 0
{%- endfor %}
