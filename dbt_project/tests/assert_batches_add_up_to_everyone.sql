{{ config(meta={'dagster': {'ref': {'name': 'fct_batch_moments'}}}) }}
{#- The batches of an arm have all units of its metric, and their means make its mean. -#}
with

asked as (

    select * from {{ source('inputs', 'experiment_batches') }}

)

{{ parts_amiss(ref('fct_batch_moments'), 'parts.n_units * parts.mean', 'asked') }}
