{{ config(materialized='table') }}
{#-
    What the tests of overlapping experiments read: the moments of units that are in both, by the variants of both. Of the latest
    date alone: which pairs there are changes from day to day, and with it every adjusted p-value.
-#}
{%- set metrics = overlap_metrics() %}
with

slices as (

    select * from {{ ref('int_overlap_sums') }}

),

experiment_metrics as (

    select * from {{ source('inputs', 'experiment_metrics') }}

)

{%- if metrics %},

pairs as (

    select
        experiment_id,
        other_experiment_id
    from slices
    group by experiment_id, other_experiment_id
    having sum(n_shared) >= {{ metric_catalog()['overlaps']['minimum_shared_units'] }}

),

sums as (

    select
        slices.as_of_date,
        slices.experiment_id,
        slices.other_experiment_id,
        slices.variant_id,
        slices.other_variant_id
        {%- for metric in metrics %}
        {%- for sum in overlap_sums(metric) %},
        {{ exact("sum(slices." ~ sum.name ~ ")") }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from slices
    inner join pairs
        on
            slices.experiment_id = pairs.experiment_id
            and slices.other_experiment_id = pairs.other_experiment_id
    group by
        slices.as_of_date, slices.experiment_id, slices.other_experiment_id, slices.variant_id,
        slices.other_variant_id

),

{{ centred_sums(metrics) }}
{%- endif %}
{% for metric in metrics %}
{%- set h = metric.metric_hash %}
{%- set n = 'cast(n_' ~ h ~ ' as double)' %}
{%- set one = '1e' ~ metric.decimals %}
{{ 'union all' if not loop.first }}

select
    moved.as_of_date,
    moved.experiment_id,
    moved.other_experiment_id,
    {{ sql_text(metric.metric_id) }} as metric_id,
    moved.variant_id,
    moved.other_variant_id,
    cast(n_{{ h }} as bigint) as n_units,
    cast(y_{{ h }} as double) / {{ n }} / {{ one }} as mean,
    {{ sample_covariance(sum_of(metric, 'yy'), 'y_' ~ h, 'y_' ~ h, 'n_' ~ h) }} / {{ one }} / {{ one }} as variance,
    ({{ third_central_moment(metric) }}) / {{ one }} / {{ one }} / {{ one }} as third_central_moment,
    {{- denominator_moments(metric) }},
    {{ sql_text(h) }} as metric_hash
from moved
inner join experiment_metrics
    on
        moved.experiment_id = experiment_metrics.experiment_id
        and experiment_metrics.metric_id = {{ sql_text(metric.metric_id) }}
where n_{{ h }} > 0
{%- else %}

select
    slices.as_of_date,
    slices.experiment_id,
    slices.other_experiment_id,
    experiment_metrics.metric_id,
    slices.variant_id,
    slices.other_variant_id,
    cast(null as bigint) as n_units,
    cast(null as double) as mean,
    cast(null as double) as variance,
    cast(null as double) as third_central_moment,
    cast(null as double) as denominator_mean,
    cast(null as double) as denominator_variance,
    cast(null as double) as denominator_covariance,
    cast(null as {{ type_text() }}) as metric_hash
from slices
inner join experiment_metrics
    on slices.experiment_id = experiment_metrics.experiment_id
where 1 = 0
{%- endfor %}
