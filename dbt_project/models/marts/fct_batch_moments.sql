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

{{ metrics_as_rows('batch_sums', 'batch_date', metrics, batch_sums(), 'experiment_batches') }}

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
