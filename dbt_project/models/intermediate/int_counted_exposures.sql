{{ config(materialized='view') }}
{#-
    Exposures that count in an arm, and for how long: from `entered_from` until the day before `left_from`, when the
    unit turned out to be mixed or to have been exposed earlier. Few ever leave.
-#}
with

departures as (

    select
        first_exposures.experiment_id,
        first_exposures.unit_id,
        first_exposures.earlier_exposed_at as exposed_at,
        min(first_exposures.known_from) as left_from
    from {{ first_exposures() }} as first_exposures
    where
        first_exposures.earlier_exposed_at is not null
        and (first_exposures.is_mixed or first_exposures.earlier_exposed_at <> first_exposures.exposed_at)
    group by first_exposures.experiment_id, first_exposures.unit_id, first_exposures.earlier_exposed_at

)

select
    first_exposures.experiment_id,
    first_exposures.unit_id,
    first_exposures.unit_hash,
    first_exposures.exposed_at,
    first_exposures.exposed_date,
    first_exposures.variant_id,
    first_exposures.arm,
    first_exposures.known_from as entered_from,
    departures.left_from
    {%- for attribute in metric_catalog()['attributes'] %},
    first_exposures.a_{{ attribute }}
    {%- endfor %}
from {{ first_exposures() }} as first_exposures
left join departures
    on
        first_exposures.experiment_id = departures.experiment_id
        and first_exposures.unit_id = departures.unit_id
        and first_exposures.exposed_at = departures.exposed_at
where
    not first_exposures.is_mixed
    and (
        first_exposures.earlier_exposed_at is null
        or first_exposures.earlier_exposed_at <> first_exposures.exposed_at
    )
