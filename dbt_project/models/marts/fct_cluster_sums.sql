{{ config(materialized='appended', pre_hook=["{{ forget_planned(this, ['as_of_date']) }}"]) }}
{#- What cluster-randomised experiments are estimated from: the sums of each metric within each cluster of an arm. -#}
{%- set metrics = stratified_metrics() %}
with

stratum_sums as (

    select * from {{ ref('int_stratum_sums') }}

),

clustered as (

    select
        experiment_clusters.experiment_id,
        experiment_metrics.metric_id
    from {{ source('inputs', 'experiment_clusters') }} as experiment_clusters
    inner join {{ source('inputs', 'experiment_metrics') }} as experiment_metrics
        on experiment_clusters.experiment_id = experiment_metrics.experiment_id

),

sums as (

{{ metrics_as_rows('stratum_sums', 'stratum', metrics, ['n', 'y', 'd'], 'clustered') }}

)

select
    as_of_date,
    experiment_id,
    variant_id,
    metric_id,
    stratum as cluster,
    cast(n as bigint) as n_units,
    cast(y as double) / one as total,
    cast(d as double) / denominator_one as denominator_total,
    metric_hash
from sums
where n > 0
