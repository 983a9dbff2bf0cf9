{{ config(materialized='table') }}
{#-
    The inverse of the distribution function over mature units of all arms, zeros included: the least value that enough
    units do not exceed. Counted by value, so that one pass serves all as-of dates of the span.
-#}
{%- set caps = quantile_caps() %}
with

build_plan as (

    select * from {{ source('inputs', 'build_plan') }}

),

exposed_units as (

    select
        exposed_units.*,
        calendar.ends_at as as_of_ends_at
    from {{ ref('int_exposed_units') }} as exposed_units
    inner join build_plan
        on
            exposed_units.experiment_id = build_plan.experiment_id
            and exposed_units.as_of_date = build_plan.to_date
            and build_plan.changes_through < build_plan.to_date
    inner join {{ source('inputs', 'calendar') }} as calendar
        on exposed_units.as_of_date = calendar.as_of_date

),

states as (

    select * from {{ ref('int_capped_states') }}

),

{#- n_units: how many more units have the value from the date on. #}
value_changes as (

    select
        experiment_id,
        to_date as changed_on,
        cast(null as {{ type_text() }}) as cap,
        cast(null as bigint) as value,
        cast(0 as bigint) as n_units
    from build_plan
    where 1 = 0

    {%- for cap in caps %}
    {%- set value = cap.prefix ~ cap.metric.metric_hash %}

    union all

    select
        experiment_id,
        effective_date as changed_on,
        {{ sql_text(cap.column) }} as cap,
        {{ value }} as value,
        count(*) as n_units
    from states
    where {{ value }} is not null
    group by experiment_id, effective_date, {{ value }}

    union all

    select
        experiment_id,
        until_date as changed_on,
        {{ sql_text(cap.column) }} as cap,
        {{ value }} as value,
        -count(*) as n_units
    from states
    where {{ value }} is not null
    group by experiment_id, until_date, {{ value }}

    union all

    select
        experiment_id,
        as_of_date as changed_on,
        {{ sql_text(cap.column) }} as cap,
        value,
        count(*) as n_units
    from (
        select
            experiment_id,
            as_of_date,
            {{ seen_value(cap.value, false) }} as value
        from exposed_units
        where {{ has_matured(cap.metric) }}
    ) as matured
    where value is not null
    group by experiment_id, as_of_date, value
    {%- endfor %}

),

{#- States end at the latest after `changes_through`, from where on the snapshot has them all. #}
value_counts as (

    select
        calendar.as_of_date,
        value_changes.experiment_id,
        value_changes.cap,
        value_changes.value,
        sum(value_changes.n_units) as n_units
    from value_changes
    inner join build_plan
        on value_changes.experiment_id = build_plan.experiment_id
    inner join {{ source('inputs', 'calendar') }} as calendar
        on
            calendar.as_of_date between build_plan.from_date and build_plan.to_date
            and calendar.as_of_date >= value_changes.changed_on
    group by calendar.as_of_date, value_changes.experiment_id, value_changes.cap, value_changes.value
    having sum(value_changes.n_units) > 0

),

ranked as (

    select
        *,
        sum(n_units) over (partition by as_of_date, experiment_id, cap order by value) as n_up_to_value,
        sum(n_units) over (partition by as_of_date, experiment_id, cap) as n_all
    from value_counts

)

select
    calendar.as_of_date,
    build_plan.experiment_id
    {#- Exact: a narrow decimal beside one with the quantile's digits. Spark rounds these off beside one of 38 digits. #}
    {%- for cap in caps %},
    min(case when ranked.cap = {{ sql_text(cap.column) }} and cast(ranked.n_up_to_value as decimal(18, 0)) >= {{ cap.metric.cap_quantile }} * ranked.n_all then ranked.value end) as {{ cap.column }}
    {%- endfor %}
    {#- Between which values the cap of any replicate lies. #}
    {%- for cap in resampled_caps() %},
    {%- set n, up_to, quantile = 'cast(ranked.n_all as double)', 'cast(ranked.n_up_to_value as double)', cap.metric.cap_quantile %}
    min(case when ranked.cap = {{ sql_text(cap.column) }} and {{ up_to }} >= {{ quantile }} * {{ n }} - {{ kept_ranks(n, quantile) }} then ranked.value end) as least_{{ cap.column }},
    min(case when ranked.cap = {{ sql_text(cap.column) }} and ({{ up_to }} >= {{ quantile }} * {{ n }} + {{ kept_ranks(n, quantile) }} or ranked.n_up_to_value = ranked.n_all) then ranked.value end) as greatest_{{ cap.column }}
    {%- endfor %}
from build_plan
inner join {{ source('inputs', 'calendar') }} as calendar
    on calendar.as_of_date between build_plan.from_date and build_plan.to_date
left join ranked
    on
        build_plan.experiment_id = ranked.experiment_id
        and calendar.as_of_date = ranked.as_of_date
group by calendar.as_of_date, build_plan.experiment_id
