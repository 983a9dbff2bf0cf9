{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'fct_metric_moments'}}}) }}
{#-
    A warning: such a row says so in `n_not_computed` and its comparison is refused until the experiment is rebuilt,
    which must not keep the others from being published.
#}
with

moments as {{ planned(ref('fct_metric_moments')) }}

select
    as_of_date,
    experiment_id,
    variant_id,
    metric_id,
    segment_name,
    segment_value,
    n_not_computed
from moments
where n_not_computed > 0
