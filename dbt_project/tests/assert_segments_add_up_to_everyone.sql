{{ config(meta={'dagster': {'ref': {'name': 'fct_metric_moments'}}}) }}
{#- Each segment dimension splits the whole population: units and totals of its values add up. #}
with

moments as {{ planned(ref('fct_metric_moments')) }},

dimensions as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        metric_id,
        segment_name,
        sum(n_units) as n_units,
        sum(total) as total,
        sum(abs(total)) as gross
    from moments
    where segment_name <> 'all'
    group by as_of_date, experiment_id, variant_id, metric_id, segment_name

)

select
    dimensions.as_of_date,
    dimensions.experiment_id,
    dimensions.variant_id,
    dimensions.metric_id,
    dimensions.segment_name
from dimensions
left join moments
    on
        dimensions.as_of_date = moments.as_of_date
        and dimensions.experiment_id = moments.experiment_id
        and dimensions.variant_id = moments.variant_id
        and dimensions.metric_id = moments.metric_id
        and moments.segment_name = 'all'
where
    moments.metric_id is null
    or dimensions.n_units <> moments.n_units
    or abs(dimensions.total - moments.total) > 1e-9 * dimensions.gross
