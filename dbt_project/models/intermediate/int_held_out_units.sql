{{
    config(
        materialized='appended',
        dated_by=['counts_from'],
        pre_hook=["{{ forget_planned(this, ['counts_from']) }}"]
    )
}}
{#-
    Units that a holdout keeps from an experiment, and from when that is known: its exposures of them do not count. A build
    from the experiment's start also finds those that were held out before it.
-#}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

)
{%- if metric_catalog().get('has_holdouts', false) %},

planned as (

    select
        held_out.experiment_id,
        held_out.holdout_id,
        held_out.variant_id,
        held_out.since_date,
        held_out.until_date,
        experiments.start_date,
        case
            when build_plan.from_date <= experiments.start_date then held_out.since_date
            else build_plan.from_date
        end as from_date,
        build_plan.to_date
    from {{ source('inputs', 'experiment_held_out') }} as held_out
    inner join build_plan
        on held_out.experiment_id = build_plan.experiment_id
    inner join {{ source('inputs', 'experiments') }} as experiments
        on held_out.experiment_id = experiments.experiment_id

),

held_out_units as (

    select
        planned.experiment_id,
        planned.holdout_id,
        stg_exposures.unit_id,
        min(stg_exposures.known_from) as known_from,
        min(planned.start_date) as start_date,
        min(planned.until_date) as until_date
    from {{ ref('stg_exposures') }} as stg_exposures
    inner join planned
        on
            stg_exposures.experiment_id = planned.holdout_id
            and stg_exposures.variant_id = planned.variant_id
    where
        stg_exposures.exposed_date between planned.since_date and planned.until_date
        and stg_exposures.known_from between planned.from_date and planned.to_date
        and {{ in_slice('stg_exposures.unit_id') }}
    group by planned.experiment_id, planned.holdout_id, stg_exposures.unit_id

)

select
    held_out_units.experiment_id,
    held_out_units.holdout_id,
    held_out_units.unit_id,
    held_out_units.known_from,
    greatest(held_out_units.known_from, held_out_units.start_date) as counts_from,
    held_out_units.until_date
from held_out_units
{%- if has_earlier_rows() %}
left join {{ this }} as known
    on
        held_out_units.experiment_id = known.experiment_id
        and held_out_units.holdout_id = known.holdout_id
        and held_out_units.unit_id = known.unit_id
where known.unit_id is null
{%- endif %}
{%- else %}

select
    experiment_id,
    cast(null as {{ type_text() }}) as holdout_id,
    cast(null as {{ type_text() }}) as unit_id,
    from_date as known_from,
    from_date as counts_from,
    from_date as until_date
from build_plan
where 1 = 0
{%- endif %}
