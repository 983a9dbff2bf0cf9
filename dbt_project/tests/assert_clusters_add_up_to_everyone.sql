{{ config(meta={'dagster': {'ref': {'name': 'fct_cluster_sums'}}}) }}
{#- The clusters of an arm have all units of its metric, and their sums make its mean. -#}
with

moments as {{ planned(ref('fct_metric_moments')) }},

cluster_sums as {{ planned(ref('fct_cluster_sums')) }},

clusters as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        metric_id,
        sum(n_units) as n_units,
        sum(total) as total,
        sum(abs(total)) as absolute_total
    from cluster_sums
    group by as_of_date, experiment_id, variant_id, metric_id

),

clustered as (

    select experiment_id from {{ source('inputs', 'experiment_clusters') }}

)

select
    moments.as_of_date,
    moments.experiment_id,
    moments.variant_id,
    moments.metric_id
from moments
inner join clustered
    on moments.experiment_id = clustered.experiment_id
left join clusters
    on
        moments.as_of_date = clusters.as_of_date
        and moments.experiment_id = clusters.experiment_id
        and moments.variant_id = clusters.variant_id
        and moments.metric_id = clusters.metric_id
where
    moments.segment_name = 'all'
    and moments.metric_id in ({{ sql_texts(metric_catalog().get('strata', {}).get('metrics', []) or ['']) }})
    and (
        moments.n_units <> coalesce(clusters.n_units, 0)
        or abs(moments.n_units * moments.mean - clusters.total) > 1e-9 * clusters.absolute_total
    )
