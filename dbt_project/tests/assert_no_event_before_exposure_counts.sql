{{ config(meta={'dagster': {'ref': {'name': 'int_exposed_unit_days'}}}) }}
{#-
    An event `day` whole days after an exposure was not known before its own date, which is at most a day less than
    `day` days after the exposure's (clocks change); one before the exposure is in the lookback, and frozen with it.
#}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

unit_days as (

    select unit_days.*
    from {{ ref('int_exposed_unit_days') }} as unit_days
    inner join build_plan
        on
            unit_days.experiment_id = build_plan.experiment_id
            and (
                unit_days.known_from >= build_plan.from_date
                or unit_days.exposure_known_from >= build_plan.from_date
            )
    where {{ is_in_test_sample('unit_days.unit_hash') }}

),

exposures as (

    select distinct
        experiment_id,
        unit_id,
        exposed_at,
        exposed_date
    from {{ first_exposures() }} as first_exposures
    where
        {{ is_in_test_sample('first_exposures.unit_hash') }}
        and {{ is_since_start('first_exposures.known_from') }}

)

select
    unit_days.experiment_id,
    unit_days.unit_id,
    unit_days.exposed_at,
    unit_days.known_from,
    unit_days.day
from unit_days
left join exposures
    on
        unit_days.experiment_id = exposures.experiment_id
        and unit_days.unit_id = exposures.unit_id
        and unit_days.exposed_at = exposures.exposed_at
where
    exposures.unit_id is null
    or (unit_days.day >= 0 and unit_days.known_from < {{ date_plus('exposures.exposed_date', 'unit_days.day - 1') }})
    or (unit_days.day < 0 and unit_days.known_from > unit_days.exposure_known_from)
    or unit_days.day < -{{ metric_catalog()['lookback_days'] }}
