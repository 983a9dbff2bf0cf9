{{
    config(
        materialized='appended',
        dated_by=['known_from'],
        pre_hook=["{{ forget_planned(this, ['known_from']) }}"]
    )
}}
{#-
    Units that had been in an earlier experiment when they entered this one, by both arms, where the experiment looks back at
    earlier ones; and their covariates. What became known of the earlier exposure afterwards changes nothing. Where no
    experiment looks back, nothing is read.
-#}
{%- set metrics = metric_catalog()['metrics'] | rejectattr('covariate', 'none') | list %}
{%- set columns = metrics | map(attribute='covariate') | list %}
{%- set unit_values = metric_catalog()['unit_values'] | selectattr('column', 'in', columns) | list %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

predecessors as (

    select * from {{ source('inputs', 'experiment_predecessors') }}

),

experiment_metrics as (

    select * from {{ source('inputs', 'experiment_metrics') }}

),

{#- The row with which each unit came to be known. #}
units as (

    select
        first_exposures.experiment_id,
        first_exposures.unit_id,
        first_exposures.known_from,
        first_exposures.variant_id,
        first_exposures.exposed_at
    from {{ first_exposures() }} as first_exposures
    inner join build_plan
        on
            first_exposures.experiment_id = build_plan.experiment_id
            and first_exposures.known_from between build_plan.from_date and build_plan.to_date
    where
        first_exposures.experiment_id in (select experiment_id from predecessors)
        and first_exposures.earlier_exposed_at is null
        and not first_exposures.is_mixed

),

{#- What was known of the unit's exposure to each earlier experiment by then. #}
earlier_exposures as (

    select
        units.experiment_id,
        units.unit_id,
        units.known_from,
        units.variant_id,
        units.exposed_at,
        earlier.experiment_id as earlier_experiment_id,
        earlier.variant_id as earlier_variant_id,
        earlier.exposed_at as earlier_exposed_at,
        earlier.is_mixed,
        row_number() over (
            partition by units.experiment_id, units.unit_id, earlier.experiment_id
            order by earlier.known_from desc
        ) as recency
    from units
    inner join predecessors
        on units.experiment_id = predecessors.experiment_id
    inner join {{ first_exposures() }} as earlier
        on
            predecessors.earlier_experiment_id = earlier.experiment_id
            and units.unit_id = earlier.unit_id
            and units.known_from >= earlier.known_from

),

experienced_units as (

    select * from earlier_exposures
    where
        recency = 1
        and not is_mixed
        and earlier_exposed_at < exposed_at

)

{%- if metrics %},

covariates as (

    select
        unit_days.experiment_id,
        unit_days.unit_id,
        unit_days.exposed_at
        {%- for unit_value in unit_values %},
        {{ total_over_days(unit_value) }} as {{ unit_value.column }}
        {%- endfor %}
    from {{ ref('int_exposed_unit_days') }} as unit_days
    inner join build_plan
        on
            unit_days.experiment_id = build_plan.experiment_id
            and unit_days.exposure_known_from between build_plan.from_date and build_plan.to_date
    where
        unit_days.experiment_id in (select experiment_id from predecessors)
        and unit_days.day < 0
    group by unit_days.experiment_id, unit_days.unit_id, unit_days.exposed_at

),

{#- A unit without history has 0. #}
with_covariates as (

    select
        experienced_units.*
        {%- for unit_value in unit_values %},
        case
            when covariates.unit_id is null then {{ nothing_of(unit_value) }} else covariates.{{ unit_value.column }}
        end as {{ unit_value.column }}
        {%- endfor %}
    from experienced_units
    left join covariates
        on
            experienced_units.experiment_id = covariates.experiment_id
            and experienced_units.unit_id = covariates.unit_id
            and experienced_units.exposed_at = covariates.exposed_at

),

seen as (

    select
        *
        {%- for metric in metrics %},
        {{ seen_value(metric.covariate, metric.is_binary) }} as x_{{ metric.metric_hash }}
        {%- endfor %}
    from with_covariates

)
{%- endif %}

select
    known_from,
    experiment_id,
    variant_id,
    earlier_experiment_id,
    earlier_variant_id,
    'all' as metric_id,
    cast(count(*) as bigint) as n_units,
    cast(null as double) as covariate_sum,
    cast(null as double) as covariate_squares
from experienced_units
group by known_from, experiment_id, variant_id, earlier_experiment_id, earlier_variant_id
{%- for metric in metrics %}
{%- set x = 'seen.x_' ~ metric.metric_hash %}
{%- set one = 10 ** metric.decimals %}

union all

select
    seen.known_from,
    seen.experiment_id,
    seen.variant_id,
    seen.earlier_experiment_id,
    seen.earlier_variant_id,
    experiment_metrics.metric_id,
    cast(count({{ x }}) as bigint) as n_units,
    cast({{ exact("coalesce(" ~ exact_total(x) ~ ", 0)") }} as double) / {{ one }} as covariate_sum,
    cast({{ exact("coalesce(sum(" ~ exact_product(x, x) ~ "), 0)") }} as double) / {{ one }} / {{ one }} as covariate_squares
from seen
inner join experiment_metrics
    on
        seen.experiment_id = experiment_metrics.experiment_id
        and experiment_metrics.metric_id = {{ sql_text(metric.metric_id) }}
group by
    seen.known_from, seen.experiment_id, seen.variant_id, seen.earlier_experiment_id, seen.earlier_variant_id,
    experiment_metrics.metric_id
{%- endfor %}
