{{ config(materialized='table') }}
{#-
    Sums of the metrics that are adjusted by strata, by arm and stratum, for every planned as-of date: through the span's
    `changes_through` of the changes so far, after it of the snapshot, as in int_metric_sums, whose sums these add up to.
-#}
{%- set metrics = stratified_metrics() %}
{%- set wanted = stratum_sums() %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

)
{%- if metrics %},

names as (

    select distinct
        experiment_id,
        stratum,
        stratum_name
    from {{ ref('int_strata') }}

),

last_sums as (

    select
        units.as_of_date,
        units.experiment_id,
        units.variant_id,
        strata.stratum
        {%- for metric in metrics %}
        {%- for sum in some_sums(metric, wanted) %},
        {{ exact(sum.sql) }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from {{ ref('int_unit_metrics') }} as units
    {{- join_strata('units', 'inner') }}
    group by units.as_of_date, units.experiment_id, units.variant_id, strata.stratum

),

{{ sums_by('stratum', metrics, wanted, 'stratum > 0') }}

select
    sums.as_of_date,
    sums.experiment_id,
    sums.variant_id,
    names.stratum_name as stratum
    {%- for metric in metrics %}
    {%- for sum in some_sums(metric, wanted) %},
    {{ exact("coalesce(sum(sums." ~ sum.name ~ "), 0)") }} as {{ sum.name }}
    {%- endfor %}
    {%- endfor %}
from sums
inner join names
    on
        sums.experiment_id = names.experiment_id
        and sums.stratum = names.stratum
group by sums.as_of_date, sums.experiment_id, sums.variant_id, names.stratum_name
{%- else %}

select
    experiment_id,
    to_date as as_of_date,
    cast(null as {{ type_text() }}) as variant_id,
    cast(null as {{ type_text() }}) as stratum
from build_plan
where 1 = 0
{%- endif %}
