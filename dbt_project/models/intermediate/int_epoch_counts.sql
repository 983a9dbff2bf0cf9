{{ config(materialized='table') }}
{#- Units by as-of date, variant, segment and the allocation epoch in which they were first exposed. #}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

epochs as (

    select distinct
        experiment_id,
        epoch,
        from_date
    from {{ source('inputs', 'experiment_epochs') }}

),

epoch_spans as (

    select
        experiment_id,
        epoch,
        from_date,
        lead(from_date) over (partition by experiment_id order by from_date) as until_date
    from epochs

),

exposed_units as (

    select
        exposed_units.*,
        epoch_spans.epoch
    from {{ ref('int_exposed_units') }} as exposed_units
    inner join build_plan
        on
            exposed_units.experiment_id = build_plan.experiment_id
            and exposed_units.as_of_date between build_plan.from_date and build_plan.to_date
    inner join epoch_spans
        on
            exposed_units.experiment_id = epoch_spans.experiment_id
            and exposed_units.exposed_date >= epoch_spans.from_date
            and (epoch_spans.until_date is null or exposed_units.exposed_date < epoch_spans.until_date)

)

{%- for attribute in [none] + metric_catalog()['attributes'] %}
{{ 'union all' if not loop.first }}

select
    units.as_of_date,
    units.experiment_id,
    units.variant_id,
    {{ sql_text(attribute or 'all') }} as segment_name,
    {{ segment_value(attribute) }} as segment_value,
    units.epoch,
    sum(case when units.is_mixed then 0 else 1 end) as n_units,
    sum(case when units.is_mixed then 1 else 0 end) as n_mixed_excluded
from exposed_units as units
{{- segment_joins(attribute) }}
group by
    units.as_of_date, units.experiment_id, units.variant_id, units.epoch
    {%- if attribute is not none %}, {{ segment_value(attribute) }}{% endif %}
{%- endfor %}
