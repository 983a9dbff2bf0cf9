{{ config(materialized='table') }}
{#-
    Sums of the metrics that are analysed by batch, by arm and day of first exposure, for every planned as-of date: through
    the span's `changes_through` of the changes so far, after it of the snapshot, as in int_metric_sums.
-#}
{%- set metrics = batched_metrics() %}
{%- set capped_metrics = metrics | rejectattr('cap_quantile', 'none') | list %}
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
        {%- for sum in batch_sums(metric) %},
        {{ exact(sum.sql) }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from {{ ref('int_unit_metrics') }} as units
    inner join experiments
        on units.experiment_id = experiments.experiment_id
    group by units.as_of_date, units.experiment_id, units.variant_id, units.exposed_date

),

past_sums as (

    select
        calendar.as_of_date,
        changes.experiment_id,
        changes.arm,
        changes.exposed_date
        {%- for metric in metrics if metric.cap_quantile is none %}
        {%- for sum in batch_sums(metric) %},
        {{ exact("sum(changes." ~ sum.name ~ ")") }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from {{ ref('int_metric_changes') }} as changes
    inner join experiments
        on changes.experiment_id = experiments.experiment_id
    inner join build_plan
        on changes.experiment_id = build_plan.experiment_id
    inner join {{ source('inputs', 'calendar') }} as calendar
        on
            calendar.as_of_date >= build_plan.from_date
            and calendar.as_of_date <= build_plan.changes_through
            and calendar.as_of_date >= changes.effective_date
    group by calendar.as_of_date, changes.experiment_id, changes.arm, changes.exposed_date

),

{%- if capped_metrics %}

{{ capped_values(capped_metrics, ['arm', 'exposed_date']) }},

past_capped_sums as (

    select
        capped_values.as_of_date,
        capped_values.experiment_id,
        capped_values.arm,
        capped_values.exposed_date
        {%- for metric in capped_metrics %}
        {%- for sum in batch_sums(metric) %},
        {{ exact(sum.sql) }} as {{ sum.name }}
        {%- endfor %}
        {%- endfor %}
    from capped_values
    inner join experiments
        on capped_values.experiment_id = experiments.experiment_id
    group by capped_values.as_of_date, capped_values.experiment_id, capped_values.arm, capped_values.exposed_date

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
        past.exposed_date
        {%- for metric in metrics %}
        {%- for sum in batch_sums(metric) %},
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
    as_of_date,
    experiment_id,
    variant_id,
    exposed_date as batch_date
    {%- for metric in metrics %}
    {%- for sum in batch_sums(metric) %},
    {{ exact("coalesce(sum(" ~ sum.name ~ "), 0)") }} as {{ sum.name }}
    {%- endfor %}
    {%- endfor %}
from sums
group by as_of_date, experiment_id, variant_id, exposed_date
{%- else %}

select
    experiment_id,
    to_date as as_of_date,
    cast(null as varchar) as variant_id,
    from_date as batch_date
from build_plan
where 1 = 0
{%- endif %}
