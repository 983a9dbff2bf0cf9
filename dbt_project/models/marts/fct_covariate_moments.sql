{{
    config(
        materialized='appended',
        pre_hook=["{{ forget_planned(this, ['as_of_date']) }}", "{{ forget_old_segments(this) }}"]
    )
}}
{#-
    What several covariates of a metric need beside fct_metric_moments: the covariances of each further one with the value, with the
    own variables and with those before it. Of metrics without further covariates there are no rows.
-#}
{%- set metrics = metric_catalog()['metrics'] | selectattr('further', 'defined') | list %}
with

sums as (

    select * from {{ ref('int_metric_sums') }}

),

experiment_metrics as (

    select * from {{ source('inputs', 'experiment_metrics') }}

)

{%- for metric in metrics %}
{%- set h = metric.metric_hash %}
{%- set variables = metric_variables(metric) %}
{%- for left, right in further_pairs(metric) %}
{%- set covariate, other = variables[left], variables[right] %}

select
    sums.as_of_date,
    sums.experiment_id,
    sums.variant_id,
    {{ sql_text(metric.metric_id) }} as metric_id,
    sums.segment_name,
    sums.segment_value,
    {{ sql_text(covariate.name) }} as covariate,
    {{ sql_text(other.name) }} as other,
    cast(n_{{ h }} as bigint) as n_units,
    cast({{ left }}_{{ h }} as double) / cast(n_{{ h }} as double) / {{ covariate.one }} as mean,
    {{ sample_covariance(left ~ right ~ '_' ~ h, left ~ '_' ~ h, right ~ '_' ~ h, 'n_' ~ h) }} / {{ covariate.one }} / {{ other.one }} as covariance,
    {{ sql_text(h) }} as metric_hash
from sums
inner join experiment_metrics
    on
        sums.experiment_id = experiment_metrics.experiment_id
        and experiment_metrics.metric_id = {{ sql_text(metric.metric_id) }}
where n_{{ h }} > 0

union all
{%- endfor %}
{%- endfor %}

select
    sums.as_of_date,
    sums.experiment_id,
    sums.variant_id,
    experiment_metrics.metric_id,
    sums.segment_name,
    sums.segment_value,
    cast(null as {{ type_text() }}) as covariate,
    cast(null as {{ type_text() }}) as other,
    cast(null as bigint) as n_units,
    cast(null as double) as mean,
    cast(null as double) as covariance,
    cast(null as {{ type_text() }}) as metric_hash
from sums
inner join experiment_metrics
    on sums.experiment_id = experiment_metrics.experiment_id
where 1 = 0
