{{ config(materialized='table') }}
{#-
    Sums of the metrics that are adjusted by strata, by arm and stratum, for every planned as-of date: through the span's
    `changes_through` of the changes so far, after it of the snapshot, as in int_metric_sums, whose sums these add up to.
-#}
{%- set metrics = stratified_metrics() %}
{%- set capped_metrics = metrics | rejectattr('cap_quantile', 'none') | list %}
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
        {%- for sum in stratum_sums(metric) %},
        {{ exact(sum.sql) }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from {{ ref('int_unit_metrics') }} as units
    {{- join_strata('units', 'inner') }}
    group by units.as_of_date, units.experiment_id, units.variant_id, strata.stratum

),

past_sums as (

    select
        calendar.as_of_date,
        changes.experiment_id,
        changes.arm,
        changes.stratum
        {%- for metric in metrics if metric.cap_quantile is none %}
        {%- for sum in stratum_sums(metric) %},
        {{ exact("sum(changes." ~ sum.name ~ ")") }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from {{ ref('int_metric_changes') }} as changes
    inner join build_plan
        on changes.experiment_id = build_plan.experiment_id
    inner join {{ source('inputs', 'calendar') }} as calendar
        on
            calendar.as_of_date >= build_plan.from_date
            and calendar.as_of_date <= build_plan.changes_through
            and calendar.as_of_date >= changes.effective_date
    where changes.stratum > 0
    group by calendar.as_of_date, changes.experiment_id, changes.arm, changes.stratum

),

{%- if capped_metrics %}

{{ capped_values(capped_metrics, ['arm', 'stratum']) }},

past_capped_sums as (

    select
        as_of_date,
        experiment_id,
        arm,
        stratum
        {%- for metric in capped_metrics %}
        {%- for sum in stratum_sums(metric) %},
        {{ exact(sum.sql) }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from capped_values
    where stratum > 0
    group by as_of_date, experiment_id, arm, stratum

),
{%- endif %}

sums as (

    select * from last_sums
    {%- for relation in ['past_sums'] + (['past_capped_sums'] if capped_metrics else []) %}

    union all

    select
        past.as_of_date,
        past.experiment_id,
        variants.variant_id,
        past.stratum
        {%- for metric in metrics %}
        {%- for sum in stratum_sums(metric) %},
        {{ 'past.' ~ sum.name if (metric.cap_quantile is none) == (relation == 'past_sums') else exact('null') }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from {{ relation }} as past
    inner join {{ arms() }} as variants
        on
            past.experiment_id = variants.experiment_id
            and past.arm = variants.arm
    {%- endfor %}

)

select
    sums.as_of_date,
    sums.experiment_id,
    sums.variant_id,
    names.stratum_name as stratum
    {%- for metric in metrics %}
    {%- for sum in stratum_sums(metric) %},
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
    cast(null as varchar) as variant_id,
    cast(null as varchar) as stratum
from build_plan
where 1 = 0
{%- endif %}
