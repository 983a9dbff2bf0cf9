{{ config(materialized='table') }}
with

exposed_units as (

    select
        exposed_units.*,
        calendar.ends_at as as_of_ends_at
    from {{ ref('int_exposed_units') }} as exposed_units
    inner join {{ source('inputs', 'build_plan') }} as build_plan
        on
            exposed_units.experiment_id = build_plan.experiment_id
            and exposed_units.as_of_date between build_plan.from_date and build_plan.to_date
    inner join {{ source('inputs', 'calendar') }} as calendar
        on exposed_units.as_of_date = calendar.as_of_date

)

{#- The inverse of the distribution function over mature units of all arms, zeros included. #}
select
    as_of_date,
    experiment_id
    {%- for cap in quantile_caps() %},
    percentile_disc({{ cap.metric.cap_quantile }}) within group (
        order by case when {{ is_in_population(cap.metric) }} then {{ seen_value(cap.value, false) }} end
    ) as {{ cap.column }}
    {%- endfor %}
from exposed_units
group by as_of_date, experiment_id
