{{ config(materialized='appended', pre_hook=["{{ forget_planned(this, ['as_of_date']) }}"]) }}
{#- What bandits are allocated and estimated by: the moments of each metric within each batch of an arm. -#}
{%- set metrics = batched_metrics() %}
with

batch_sums as (

    select * from {{ ref('int_batch_sums') }}

),

experiment_batches as (

    select * from {{ source('inputs', 'experiment_batches') }}

),

sums as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        cast(null as varchar) as metric_id,
        batch_date,
        cast(null as varchar) as metric_hash,
        cast(null as double) as one
        {%- for name in ['n', 'y', 'yy'] %},
        {{ exact('null') }} as {{ name }}
        {%- endfor %}
    from batch_sums
    where 1 = 0
    {%- for metric in metrics %}
    {%- set h = metric.metric_hash %}

    union all

    select
        batch_sums.as_of_date,
        batch_sums.experiment_id,
        batch_sums.variant_id,
        {{ sql_text(metric.metric_id) }} as metric_id,
        batch_sums.batch_date,
        {{ sql_text(h) }} as metric_hash,
        1e{{ metric.decimals }} as one,
        n_{{ h }} as n,
        y_{{ h }} as y,
        {{ sum_of(metric, 'yy') }} as yy
    from batch_sums
    inner join experiment_batches
        on
            batch_sums.experiment_id = experiment_batches.experiment_id
            and experiment_batches.metric_id = {{ sql_text(metric.metric_id) }}
    {%- endfor %}

)

select
    as_of_date,
    experiment_id,
    variant_id,
    metric_id,
    batch_date,
    cast(n as bigint) as n_units,
    cast(y as double) / cast(n as double) / one as mean,
    {{ sample_covariance('yy', 'y', 'y', 'n') }} / one / one as variance,
    metric_hash
from sums
where n > 0
