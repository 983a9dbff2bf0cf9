{{
    config(
        materialized='appended',
        dated_by=['known_from'],
        pre_hook=["{{ forget_planned(this, ['known_from']) }}"]
    )
}}
{#- Units of bandits by the chance that their first exposure logs of the variant they got, where the experiment names it. -#}
{%- set attributes = metric_catalog().get('propensities', []) %}
{%- if not attributes %}
select
    cast(from_date as date) as known_from,
    experiment_id,
    cast(from_date as date) as batch_date,
    cast('' as {{ type_text() }}) as variant_id,
    cast('' as {{ type_text() }}) as propensity,
    cast(0 as bigint) as n_units
from {{ source('inputs', 'build_plan') }}
where 1 = 0
{%- else %}
with

logging as (

    select * from {{ source('inputs', 'experiment_propensities') }}

),

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

{#- The row with which each unit came to be known. #}
units as (

    select
        first_exposures.experiment_id,
        first_exposures.known_from,
        first_exposures.exposed_date,
        first_exposures.variant_id,
        case
            {%- for name in attributes %}
            when logging.attribute = {{ sql_text(name) }} then first_exposures.a_{{ name }}
            {%- endfor %}
        end as propensity
    from {{ ref('int_first_exposures') }} as first_exposures
    inner join logging
        on first_exposures.experiment_id = logging.experiment_id
    inner join build_plan
        on
            first_exposures.experiment_id = build_plan.experiment_id
            and first_exposures.known_from between build_plan.from_date and build_plan.to_date
    where first_exposures.earlier_exposed_at is null

)

select
    known_from,
    experiment_id,
    exposed_date as batch_date,
    variant_id,
    coalesce(propensity, '') as propensity,
    cast(count(*) as bigint) as n_units
from units
group by known_from, experiment_id, exposed_date, variant_id, coalesce(propensity, '')
{%- endif %}
