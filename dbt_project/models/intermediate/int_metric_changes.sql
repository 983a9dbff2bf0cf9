{{ config(materialized='appended', starts_empty=true, of_changes=true, share_in_memory=0.25) }}
{#-
    By how much each metric's sums change from as-of date to as-of date, through the span's `changes_through`: every unit is
    visited when something changes for it, however many dates the span has. Units are told by arm and exposure date,
    since the latest exposure date that counts cannot be added up.
-#}
{%- set metrics = metrics_and_probes() | selectattr('cap_quantile', 'none') | list %}
{%- set groups = maturity_groups(metrics) %}
{%- set is_stratified = has_strata() %}
with

signs as (

    select 1 as sign
    union all
    select -1 as sign

),

{{ unit_state_inputs(groups) }}

{%- for group in groups %},

{{ unit_states(group) }},

{#- Each change takes the unit's former values out and puts its new ones in. #}
{{ group.name }}_signed as (

    select
        states.experiment_id,
        states.arm,
        states.exposed_date,
        states.effective_date,
        signs.sign
        {%- if is_stratified %},
        case when signs.sign = 1 then states.stratum else states.before_stratum end as stratum
        {%- endif %}
        {%- for unit_value in group.unit_values %},
        case when signs.sign = 1 then states.{{ unit_value.column }} else states.before_{{ unit_value.column }} end as {{ unit_value.column }}
        {%- endfor %}
    from {{ group.name }}_states as states
    inner join signs
        on
            (signs.sign = 1 and states.is_in)
            or (signs.sign = -1 and states.was_in)

),

{{ group.name }}_seen as (

    select
        experiment_id,
        arm,
        exposed_date,
        effective_date,
        sign
        {%- if is_stratified %},
        stratum
        {%- endif %}
        {%- for metric in group.metrics %},
        {{ seen_values(metric) }}
        {%- endfor %}
    from {{ group.name }}_signed

),

{{ group.name }}_fates as (

    select
        *
        {%- for metric in group.metrics %},
        {{ fate_of(metric, has_population=false) }}
        {%- endfor %}
    from {{ group.name }}_seen

),

{{ group.name }}_usable as (

    select
        experiment_id,
        arm,
        exposed_date,
        effective_date,
        sign
        {%- if is_stratified %},
        stratum
        {%- endif %}
        {%- for metric in group.metrics %},
        {{ usable_values(metric) }}
        {%- endfor %}
    from {{ group.name }}_fates

)
{%- endfor %}

{% for group in groups %}
{{ 'union all' if not loop.first }}

select
    experiment_id,
    arm,
    exposed_date,
    effective_date
    {%- if is_stratified %},
    stratum
    {%- endif %}
    {%- for metric in metrics %}
    {%- for sum in metric_sums(metric, 'sign') %},
    {{ exact(sum.sql) if metric.end_days == group.end_days else exact('null') }} as {{ sum.name }}
    {%- endfor %}
    {%- endfor %}
from {{ group.name }}_usable
group by experiment_id, arm, exposed_date, effective_date{{ ', stratum' if is_stratified }}
{%- else %}
select
    experiment_id,
    cast(0 as smallint) as arm,
    from_date as exposed_date,
    from_date as effective_date
    {%- if is_stratified %},
    cast(0 as integer) as stratum
    {%- endif %}
from span
where 1 = 0
{%- endfor %}
