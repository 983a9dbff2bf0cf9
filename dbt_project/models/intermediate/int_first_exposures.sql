{{
    config(
        materialized='appended',
        dated_by=['known_from'],
        pre_hook=[
            {"sql": "{{ follow_attributes(this) }}", "transaction": false},
            "{{ forget_planned(this, ['known_from']) }}"
        ]
    )
}}
{%- set attributes = metric_catalog()['attributes'] %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

experiments as (

    select * from {{ source('inputs', 'experiments') }}

),

exposures as (

    select
        {{ kept_experiment_id() }} as experiment_id,
        stg_exposures.unit_id,
        stg_exposures.known_from,
        stg_exposures.variant_id,
        arms.arm,
        stg_exposures.exposed_at,
        stg_exposures.exposed_date
        {%- for attribute in attributes %},
        stg_exposures.a_{{ attribute }}
        {%- endfor %}
    from {{ ref('stg_exposures') }} as stg_exposures
    {%- if metric_catalog().get('triggers', []) %}
    left join {{ source('inputs', 'experiment_triggers') }} as triggers
        on stg_exposures.experiment_id = triggers.experiment_id
    {%- endif %}
    {%- if metric_catalog().get('has_holdouts', false) %}
    left join {{ ref('int_held_out_units') }} as held_out
        on
            stg_exposures.experiment_id = held_out.experiment_id
            and stg_exposures.unit_id = held_out.unit_id
            and stg_exposures.known_from >= held_out.known_from
            and stg_exposures.exposed_date <= held_out.until_date
    {%- endif %}
    inner join experiments
        on
            {{ kept_experiment_id() }} = experiments.experiment_id
            and stg_exposures.source_id = experiments.exposure_source
    inner join build_plan
        on {{ kept_experiment_id() }} = build_plan.experiment_id
    inner join {{ arms() }} as arms
        on
            {{ kept_experiment_id() }} = arms.experiment_id
            and stg_exposures.variant_id = arms.variant_id
    where
        stg_exposures.exposed_date between experiments.start_date and experiments.end_date
        and stg_exposures.known_from between build_plan.from_date and build_plan.to_date
        {%- if metric_catalog().get('has_holdouts', false) %}
        and held_out.unit_id is null
        {%- endif %}
        and {{ in_slice('stg_exposures.unit_id') }}

),

{% if has_earlier_rows() -%}
{#- Nothing is known of a planned experiment from before its start. #}
earlier_rows as (

    select * from {{ this }} as first_exposures
    where
        {{ since_start('first_exposures.known_from') }}
        and {{ in_slice_by('first_exposures.unit_hash') }}

),
{%- endif %}

{#- Most units have one exposure, which is their first: only the others need to be put in order. #}
units_with_several as (

    select
        experiment_id,
        unit_id
    from exposures
    group by experiment_id, unit_id
    having count(*) > 1

    {% if has_earlier_rows() -%}
    union

    select
        first_exposures.experiment_id,
        first_exposures.unit_id
    from earlier_rows as first_exposures
    inner join exposures
        on
            first_exposures.experiment_id = exposures.experiment_id
            and first_exposures.unit_id = exposures.unit_id
    {%- endif %}

),

several_exposures as (

    select exposures.*
    from exposures
    inner join units_with_several
        on
            exposures.experiment_id = units_with_several.experiment_id
            and exposures.unit_id = units_with_several.unit_id

),

{#- One row per unit and day: its first exposure of that day, and whether it saw two variants. #}
daily_exposures as (

    select
        *,
        min(variant_id) over (partition by experiment_id, unit_id, known_from) as lowest_variant_id,
        max(variant_id) over (partition by experiment_id, unit_id, known_from) as highest_variant_id,
        row_number() over (
            partition by experiment_id, unit_id, known_from
            order by
                exposed_at, variant_id
                {%- for attribute in attributes %}, a_{{ attribute }} nulls last {%- endfor %}
        ) as exposure_of_day
    from several_exposures

),

{% if has_earlier_rows() %}
known_exposures as (

    select
        first_exposures.*,
        row_number() over (
            partition by first_exposures.experiment_id, first_exposures.unit_id
            order by first_exposures.known_from desc
        ) as recency
    from earlier_rows as first_exposures
    inner join units_with_several
        on
            first_exposures.experiment_id = units_with_several.experiment_id
            and first_exposures.unit_id = units_with_several.unit_id

),
{% endif %}

candidates as (

    select
        experiment_id,
        unit_id,
        known_from,
        variant_id,
        arm,
        exposed_at,
        exposed_date,
        known_from as exposure_known_from,
        case when lowest_variant_id <> highest_variant_id then 1 else 0 end as has_two_variants,
        lowest_variant_id,
        highest_variant_id,
        0 as is_known
        {%- for attribute in attributes %},
        a_{{ attribute }}
        {%- endfor %}
    from daily_exposures
    where exposure_of_day = 1

    {% if has_earlier_rows() -%}
    union all

    select
        experiment_id,
        unit_id,
        known_from,
        variant_id,
        arm,
        exposed_at,
        exposed_date,
        exposure_known_from,
        case when is_mixed then 1 else 0 end as has_two_variants,
        variant_id as lowest_variant_id,
        variant_id as highest_variant_id,
        1 as is_known
        {%- for attribute in attributes %},
        a_{{ attribute }}
        {%- endfor %}
    from known_exposures
    where recency = 1
    {%- endif %}

),

ranked as (

    select
        *,
        row_number() over (
            partition by experiment_id, unit_id
            order by
                exposed_at, variant_id
                {%- for attribute in attributes %}, a_{{ attribute }} nulls last {%- endfor %}, known_from
        ) as precedence,
        min(exposure_known_from) over (
            partition by experiment_id, unit_id, exposed_at
        ) as instant_known_from
    from candidates

),

running as (

    select
        *,
        min(precedence) over (
            partition by experiment_id, unit_id order by known_from
            rows between unbounded preceding and current row
        ) as first_precedence,
        case
            when
                max(has_two_variants) over (
                    partition by experiment_id, unit_id order by known_from
                    rows between unbounded preceding and current row
                ) = 1
                or min(lowest_variant_id) over (
                    partition by experiment_id, unit_id order by known_from
                    rows between unbounded preceding and current row
                ) <> max(highest_variant_id) over (
                    partition by experiment_id, unit_id order by known_from
                    rows between unbounded preceding and current row
                )
                then 1
            else 0
        end as mixed_so_far
    from ranked

),

changes as (

    select
        *,
        lag(mixed_so_far) over (partition by experiment_id, unit_id order by known_from) as mixed_before,
        lag(first_precedence) over (partition by experiment_id, unit_id order by known_from) as earlier_precedence
    from running

)

select
    exposures.experiment_id,
    exposures.unit_id,
    {{ unit_hash('exposures.unit_id') }} as unit_hash,
    exposures.known_from,
    exposures.variant_id,
    exposures.arm,
    exposures.exposed_at,
    exposures.exposed_date,
    exposures.known_from as exposure_known_from,
    false as is_mixed,
    cast(null as {{ dbt.type_timestamp() }}) as earlier_exposed_at
    {%- for attribute in attributes %},
    exposures.a_{{ attribute }}
    {%- endfor %}
from exposures
left join units_with_several
    on
        exposures.experiment_id = units_with_several.experiment_id
        and exposures.unit_id = units_with_several.unit_id
where units_with_several.unit_id is null

union all

select
    changes.experiment_id,
    changes.unit_id,
    {{ unit_hash('changes.unit_id') }} as unit_hash,
    changes.known_from,
    first_exposure.variant_id,
    first_exposure.arm,
    first_exposure.exposed_at,
    first_exposure.exposed_date,
    first_exposure.instant_known_from as exposure_known_from,
    changes.mixed_so_far = 1 as is_mixed,
    earlier_exposure.exposed_at as earlier_exposed_at
    {%- for attribute in attributes %},
    first_exposure.a_{{ attribute }}
    {%- endfor %}
from changes
inner join ranked as first_exposure
    on
        changes.experiment_id = first_exposure.experiment_id
        and changes.unit_id = first_exposure.unit_id
        and changes.first_precedence = first_exposure.precedence
left join ranked as earlier_exposure
    on
        changes.experiment_id = earlier_exposure.experiment_id
        and changes.unit_id = earlier_exposure.unit_id
        and changes.earlier_precedence = earlier_exposure.precedence
where
    changes.is_known = 0
    and (changes.precedence = changes.first_precedence or changes.mixed_so_far <> changes.mixed_before)
