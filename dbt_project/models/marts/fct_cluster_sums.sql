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

    select
        as_of_date,
        experiment_id,
        variant_id,
        cast(null as varchar) as metric_id,
        stratum as cluster,
        cast(null as varchar) as metric_hash,
        cast(null as double) as one,
        cast(null as double) as denominator_one
        {%- for name in ['n', 'y', 'd'] %},
        {{ exact('null') }} as {{ name }}
        {%- endfor %}
    from stratum_sums
    where 1 = 0
    {%- for metric in metrics %}
    {%- set h = metric.metric_hash %}

    union all

    select
        stratum_sums.as_of_date,
        stratum_sums.experiment_id,
        stratum_sums.variant_id,
        {{ sql_text(metric.metric_id) }} as metric_id,
        stratum_sums.stratum as cluster,
        {{ sql_text(h) }} as metric_hash,
        1e{{ metric.decimals }} as one,
        {%- if metric.denominator is none %}
        cast(null as double) as denominator_one,
        {%- else %}
        1e{{ metric.denominator_decimals }} as denominator_one,
        {%- endif %}
        n_{{ h }} as n,
        y_{{ h }} as y,
        {{ exact('null') if metric.denominator is none else 'd_' ~ h }} as d
    from stratum_sums
    inner join clustered
        on
            stratum_sums.experiment_id = clustered.experiment_id
            and clustered.metric_id = {{ sql_text(metric.metric_id) }}
    {%- endfor %}

)

select
    as_of_date,
    experiment_id,
    variant_id,
    metric_id,
    cluster,
    cast(n as bigint) as n_units,
    cast(y as double) / one as total,
    cast(d as double) / denominator_one as denominator_total,
    metric_hash
from sums
where n > 0
