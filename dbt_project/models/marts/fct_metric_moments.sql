{{
    config(
        materialized='appended',
        pre_hook=["{{ forget_planned(this, ['as_of_date']) }}", "{{ forget_old_segments(this) }}"]
    )
}}
{%- set metrics = metric_catalog()['metrics'] %}
with

sums as (

    select * from {{ ref('int_metric_sums') }}

),

{{ centred_sums(metrics) }},

experiment_metrics as (

    select * from {{ source('inputs', 'experiment_metrics') }}

)

{%- for metric in metrics %}
{%- set h = metric.metric_hash %}
{%- set n = 'cast(n_' ~ h ~ ' as double)' %}
{%- set one = '1e' ~ metric.decimals %}
{%- set denominator_one = '1e' ~ metric.denominator_decimals %}
{{ 'union all' if not loop.first }}

select
    sums.as_of_date,
    sums.experiment_id,
    sums.variant_id,
    {{ sql_text(metric.metric_id) }} as metric_id,
    sums.segment_name,
    sums.segment_value,
    cast(n_{{ h }} as bigint) as n_units,
    {%- if metric.categories is defined %}
    cast(null as double) as mean,
    cast(null as double) as variance,
    cast(null as double) as third_central_moment,
    cast(null as double) as total,
    {%- else %}
    cast(y_{{ h }} as double) / nullif({{ n }}, 0) / {{ one }} as mean,
    {{ sample_covariance(sum_of(metric, 'yy'), 'y_' ~ h, 'y_' ~ h, 'n_' ~ h) }} / {{ one }} / {{ one }} as variance,
    ({{ third_central_moment(metric) }}) / {{ one }} / {{ one }} / {{ one }} as third_central_moment,
    cast({{ sum_of(metric, 't') }} as double) / {{ one }} as total,
    {%- endif %}
    {{- denominator_moments(metric) }},
    {%- if metric.covariate is not none %}
    cast(x_{{ h }} as double) / nullif({{ n }}, 0) / {{ one }} as covariate_mean,
    {{ sample_covariance(sum_of(metric, 'xx'), 'x_' ~ h, 'x_' ~ h, 'n_' ~ h) }} / {{ one }} / {{ one }} as covariate_variance,
    {{ sample_covariance('yx_' ~ h, 'y_' ~ h, 'x_' ~ h, 'n_' ~ h) }} / {{ one }} / {{ one }} as covariate_covariance,
    cast(h_{{ h }} as double) / nullif({{ n }}, 0) as no_history_share,
    {{ sample_covariance('yh_' ~ h, 'y_' ~ h, 'h_' ~ h, 'n_' ~ h) }} / {{ one }} as no_history_covariance,
    {{ sample_covariance('xh_' ~ h, 'x_' ~ h, 'h_' ~ h, 'n_' ~ h) }} / {{ one }} as covariate_no_history_covariance,
    {%- else %}
    cast(null as double) as covariate_mean,
    cast(null as double) as covariate_variance,
    cast(null as double) as covariate_covariance,
    cast(null as double) as no_history_share,
    cast(null as double) as no_history_covariance,
    cast(null as double) as covariate_no_history_covariance,
    {%- endif %}
    {%- if metric.denominator is not none and metric.covariate is not none %}
    {{ sample_covariance('dx_' ~ h, 'd_' ~ h, 'x_' ~ h, 'n_' ~ h) }} / {{ denominator_one }} / {{ one }} as denominator_covariate_covariance,
    {{ sample_covariance('dh_' ~ h, 'd_' ~ h, 'h_' ~ h, 'n_' ~ h) }} / {{ denominator_one }} as denominator_no_history_covariance,
    {%- else %}
    cast(null as double) as denominator_covariate_covariance,
    cast(null as double) as denominator_no_history_covariance,
    {%- endif %}
    {%- if metric.cap_quantile is not none %}
    cast(cap_{{ h }} as double) / {{ one }} as cap_value,
    {%- elif metric.cap_upper is not none %}
    cast({{ metric.cap_upper }} as double) / {{ one }} as cap_value,
    {%- else %}
    cast(null as double) as cap_value,
    {%- endif %}
    last_cohort_{{ h }} as last_cohort_date,
    cast(overflow_{{ h }} as bigint) as n_overflow,
    cast(not_computed_{{ h }} as bigint) as n_not_computed,
    {{ sql_text(h) }} as metric_hash
from moved as sums
inner join experiment_metrics
    on
        sums.experiment_id = experiment_metrics.experiment_id
        and experiment_metrics.metric_id = {{ sql_text(metric.metric_id) }}
{%- else %}

select
    sums.as_of_date,
    sums.experiment_id,
    sums.variant_id,
    experiment_metrics.metric_id,
    sums.segment_name,
    sums.segment_value,
    cast(null as bigint) as n_units,
    cast(null as double) as mean,
    cast(null as double) as variance,
    cast(null as double) as third_central_moment,
    cast(null as double) as total,
    cast(null as double) as denominator_mean,
    cast(null as double) as denominator_variance,
    cast(null as double) as denominator_covariance,
    cast(null as double) as covariate_mean,
    cast(null as double) as covariate_variance,
    cast(null as double) as covariate_covariance,
    cast(null as double) as no_history_share,
    cast(null as double) as no_history_covariance,
    cast(null as double) as covariate_no_history_covariance,
    cast(null as double) as denominator_covariate_covariance,
    cast(null as double) as denominator_no_history_covariance,
    cast(null as double) as cap_value,
    cast(null as date) as last_cohort_date,
    cast(null as bigint) as n_overflow,
    cast(null as bigint) as n_not_computed,
    cast(null as {{ type_text() }}) as metric_hash
from moved as sums
inner join experiment_metrics
    on sums.experiment_id = experiment_metrics.experiment_id
where 1 = 0
{%- endfor %}
