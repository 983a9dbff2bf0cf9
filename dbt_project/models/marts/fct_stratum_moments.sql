{{ config(materialized='appended', pre_hook=["{{ forget_planned(this, ['as_of_date']) }}"]) }}
{#-
    What post-stratification reads: the moments of each metric within each stratum of an arm. Beyond `most_strata` of a
    metric the smallest of both arms together are counted as one, so that the table stays small.
-#}
{%- set metrics = stratified_metrics() %}
with

stratum_sums as (

    select * from {{ ref('int_stratum_sums') }}

),

experiment_metrics as (

    select experiment_metrics.*
    from {{ source('inputs', 'experiment_metrics') }} as experiment_metrics
    left join {{ source('inputs', 'experiment_clusters') }} as experiment_clusters
        on experiment_metrics.experiment_id = experiment_clusters.experiment_id
    where experiment_clusters.experiment_id is null

),

sums as (

{{ metrics_as_rows('stratum_sums', 'stratum', metrics, stratum_sums(), 'experiment_metrics') }}

),

sized as (

    select
        *,
        sum(n) over (partition by as_of_date, experiment_id, metric_id, stratum) as n_in_stratum
    from sums
    where n > 0

),

ranked as (

    select
        *,
        dense_rank() over (
            partition by as_of_date, experiment_id, metric_id order by n_in_stratum desc, stratum
        ) as size_rank
    from sized

),

counted as (

    select
        *,
        max(size_rank) over (partition by as_of_date, experiment_id, metric_id) as n_strata
    from ranked

),

kept as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        metric_id,
        case when n_strata > {{ most_strata() }} and size_rank >= {{ most_strata() }} then 'other' else stratum end as stratum,
        case
            when n_strata > {{ most_strata() }} and size_rank >= {{ most_strata() }} then n_strata - {{ most_strata() }} + 1
            else 1
        end as n_cells,
        metric_hash,
        one,
        denominator_one
        {%- for name in ['n', 'y', 'yy', 'd', 'dd', 'yd'] %},
        {{ name }}
        {%- endfor %}
    from counted

),

totals as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        metric_id,
        stratum,
        n_cells,
        metric_hash,
        one,
        denominator_one
        {%- for name in ['n', 'y', 'yy', 'd', 'dd', 'yd'] %},
        {{ exact("sum(" ~ name ~ ")") }} as {{ name }}
        {%- endfor %}
    from kept
    group by as_of_date, experiment_id, variant_id, metric_id, stratum, n_cells, metric_hash, one, denominator_one

)

select
    as_of_date,
    experiment_id,
    variant_id,
    metric_id,
    stratum,
    cast(n_cells as bigint) as n_cells,
    cast(n as bigint) as n_units,
    cast(y as double) / cast(n as double) / one as mean,
    {{ sample_covariance('yy', 'y', 'y', 'n') }} / one / one as variance,
    cast(d as double) / cast(n as double) / denominator_one as denominator_mean,
    {{ sample_covariance('dd', 'd', 'd', 'n') }} / denominator_one / denominator_one as denominator_variance,
    {{ sample_covariance('yd', 'y', 'd', 'n') }} / one / denominator_one as denominator_covariance,
    metric_hash
from totals
