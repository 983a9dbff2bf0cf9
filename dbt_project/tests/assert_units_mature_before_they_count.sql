{{ config(meta={'dagster': {'ref': {'name': 'fct_metric_moments'}}}) }}
{#- A metric's units are exactly the unmixed ones whose window has ended by the end of the as-of date. #}
{%- set metrics = metric_catalog()['metrics'] %}
with

exposed_units as {{ planned_last(ref('int_exposed_units')) }},

moments as {{ planned_last(ref('fct_metric_moments')) }},

calendar as (

    select * from {{ source('inputs', 'calendar') }}

),

mature_units as (

    select
        exposed_units.as_of_date,
        exposed_units.experiment_id,
        exposed_units.variant_id,
        count(*) as mature_at_once
        {%- for end_days in metrics | map(attribute='end_days') | reject('none') | unique | sort %},
        sum(
            case when exposed_units.exposed_at <= {{ instant_plus_days('calendar.ends_at', -end_days) }} then 1 else 0 end
        ) as mature_after_{{ end_days }}_days
        {%- endfor %}
    from exposed_units
    inner join calendar
        on exposed_units.as_of_date = calendar.as_of_date
    group by exposed_units.as_of_date, exposed_units.experiment_id, exposed_units.variant_id

)

select
    moments.as_of_date,
    moments.experiment_id,
    moments.variant_id,
    moments.metric_id
from moments
left join mature_units
    on
        moments.as_of_date = mature_units.as_of_date
        and moments.experiment_id = mature_units.experiment_id
        and moments.variant_id = mature_units.variant_id
where
    moments.segment_name = 'all'
    and moments.n_units + moments.n_overflow + moments.n_not_computed <> coalesce(
        {%- if metrics %}
        case moments.metric_id
            {%- for metric in metrics %}
            when {{ sql_text(metric.metric_id) }}
                then mature_units.mature_{{ 'at_once' if metric.end_days is none else 'after_' ~ metric.end_days ~ '_days' }}
            {%- endfor %}
        end,
        {%- endif %}
        0
    )
