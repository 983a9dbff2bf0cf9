{{ config(meta={'dagster': {'ref': {'name': 'fct_category_counts'}}}) }}
{#- The units that fct_category_counts counts by category are those of the metric's moments. #}
with

moments as {{ planned(ref('fct_metric_moments')) }},

category_counts as {{ planned(ref('fct_category_counts')) }},

counted as (

    select
        as_of_date,
        experiment_id,
        variant_id,
        metric_id,
        segment_name,
        segment_value,
        sum(n_units) as n_units
    from category_counts
    group by as_of_date, experiment_id, variant_id, metric_id, segment_name, segment_value

)

select
    moments.as_of_date,
    moments.experiment_id,
    moments.variant_id,
    moments.metric_id,
    moments.segment_name,
    moments.segment_value
from moments
left join counted
    on
        moments.as_of_date = counted.as_of_date
        and moments.experiment_id = counted.experiment_id
        and moments.variant_id = counted.variant_id
        and moments.metric_id = counted.metric_id
        and moments.segment_name = counted.segment_name
        and moments.segment_value = counted.segment_value
where
    moments.metric_id in ({{ sql_texts(categorical_metrics() | map(attribute='metric_id') | list or ['']) }})
    and moments.n_units <> coalesce(counted.n_units, 0)
