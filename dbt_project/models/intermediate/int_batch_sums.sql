{{ config(materialized='table') }}
{#-
    Sums of the metrics that are analysed by batch, by arm and day of first exposure, for every planned as-of date: through
    the span's `changes_through` of the changes so far, after it of the snapshot, as in int_metric_sums.
-#}
{%- set metrics = batched_metrics() %}
{%- set wanted = batch_sums() %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

)
{%- if metrics %},

experiments as (

    select distinct experiment_id from {{ source('inputs', 'experiment_batches') }}

),

last_sums as (

    select
        units.as_of_date,
        units.experiment_id,
        units.variant_id,
        units.exposed_date
        {%- for metric in metrics %}
        {%- for sum in some_sums(metric, wanted) %},
        {{ exact(sum.sql) }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from {{ ref('int_unit_metrics') }} as units
    inner join experiments
        on units.experiment_id = experiments.experiment_id
    group by units.as_of_date, units.experiment_id, units.variant_id, units.exposed_date

),

{{ sums_by('exposed_date', metrics, wanted, 'experiment_id in (select experiment_id from experiments)') }}

select
    as_of_date,
    experiment_id,
    variant_id,
    exposed_date as batch_date
    {%- for metric in metrics %}
    {%- for sum in some_sums(metric, wanted) %},
    {{ exact("coalesce(sum(" ~ sum.name ~ "), 0)") }} as {{ sum.name }}
    {%- endfor %}
    {%- endfor %}
from sums
group by as_of_date, experiment_id, variant_id, exposed_date
{%- else %}

select
    experiment_id,
    to_date as as_of_date,
    cast(null as {{ type_text() }}) as variant_id,
    from_date as batch_date
from build_plan
where 1 = 0
{%- endif %}
