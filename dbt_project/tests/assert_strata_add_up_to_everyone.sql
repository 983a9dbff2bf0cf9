{{ config(meta={'dagster': {'ref': {'name': 'fct_stratum_moments'}}}) }}
{#- The strata of an arm have all units of its metric, and their means make its mean. -#}
with

moments as {{ planned(ref('fct_metric_moments')) }},

stratum_moments as {{ planned(ref('fct_stratum_moments')) }},

strata as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        metric_id,
        sum(n_units) as n_units,
        sum(n_units * mean) as total,
        sum(n_units * abs(mean)) as absolute_total
    from stratum_moments
    group by as_of_date, experiment_id, variant_id, metric_id

),

stratified as (

    select distinct experiment_strata.experiment_id
    from {{ source('inputs', 'experiment_strata') }} as experiment_strata
    left join {{ source('inputs', 'experiment_clusters') }} as experiment_clusters
        on experiment_strata.experiment_id = experiment_clusters.experiment_id
    where experiment_clusters.experiment_id is null

)

select
    moments.as_of_date,
    moments.experiment_id,
    moments.variant_id,
    moments.metric_id
from moments
inner join stratified
    on moments.experiment_id = stratified.experiment_id
left join strata
    on
        moments.as_of_date = strata.as_of_date
        and moments.experiment_id = strata.experiment_id
        and moments.variant_id = strata.variant_id
        and moments.metric_id = strata.metric_id
where
    moments.segment_name = 'all'
    and moments.metric_id in ({{ sql_texts(metric_catalog().get('strata', {}).get('metrics', []) or ['']) }})
    and (
        moments.n_units <> coalesce(strata.n_units, 0)
        or abs(moments.n_units * moments.mean - strata.total) > 1e-9 * strata.absolute_total
    )
