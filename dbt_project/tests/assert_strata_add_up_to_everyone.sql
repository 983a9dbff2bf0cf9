{{ config(meta={'dagster': {'ref': {'name': 'fct_stratum_moments'}}}) }}
{#- The strata of an arm have all units of its metric, and their means make its mean. -#}
with

asked as (

    select experiment_metrics.*
    from {{ source('inputs', 'experiment_metrics') }} as experiment_metrics
    where
        experiment_metrics.experiment_id in (select experiment_id from {{ source('inputs', 'experiment_strata') }})
        and experiment_metrics.experiment_id not in (select experiment_id from {{ source('inputs', 'experiment_clusters') }})
        and experiment_metrics.metric_id in ({{ sql_texts(metric_catalog().get('strata', {}).get('metrics', []) or ['']) }})

)

{{ parts_amiss(ref('fct_stratum_moments'), 'parts.n_units * parts.mean', 'asked') }}
