{{ config(materialized='table' if target.type == 'spark' else 'view') }}
{%- set attributes = metric_catalog()['attributes'] %}
{%- set metrics = metrics_and_probes() %}
{%- set seen = [] %}
{%- for metric in metrics %}
{%- do seen.extend([metric.value, metric.denominator, metric.covariate, metric.history | default(none)]) %}
{%- for one in further_covariates(metric) %}{% do seen.append(one.value) %}{% endfor %}
{%- endfor %}
with

exposed_units as (

    select
        exposed_units.*,
        calendar.ends_at as as_of_ends_at
    from {{ ref('int_exposed_units') }} as exposed_units
    inner join {{ source('inputs', 'build_plan') }} as build_plan
        on
            exposed_units.experiment_id = build_plan.experiment_id
            and exposed_units.as_of_date = build_plan.to_date
            and build_plan.changes_through < build_plan.to_date
    inner join {{ source('inputs', 'calendar') }} as calendar
        on exposed_units.as_of_date = calendar.as_of_date

),

caps as (

    select * from {{ ref('int_metric_caps') }}

),

seen_values as (

    select
        exposed_units.as_of_date,
        exposed_units.experiment_id,
        exposed_units.unit_id,
        exposed_units.variant_id,
        exposed_units.exposed_date
        {%- for attribute in attributes %},
        exposed_units.a_{{ attribute }}
        {%- endfor %}
        {%- if sums_small_units_apart() %},
        greatest(
            0
            {%- for column in seen | reject('none') | unique | sort %},
            abs({{ seen_value(column, false) }})
            {%- endfor %}
        ) < {{ small() }} as is_small
        {%- endif %}
        {%- for cap in quantile_caps() %},
        caps.{{ cap.column }}
        {%- endfor %}
        {%- for metric in metrics %},
        {{ has_matured(metric) }} as p_{{ metric.metric_hash }},
        {{ seen_values(metric) }}
        {%- endfor %}
    from exposed_units
    {%- if quantile_caps() %}
    inner join caps
        on
            exposed_units.as_of_date = caps.as_of_date
            and exposed_units.experiment_id = caps.experiment_id
    {%- endif %}

),

fates as (

    select
        *
        {%- for metric in metrics %},
        {{ fate_of(metric, has_population=true) }}
        {%- endfor %}
    from seen_values

)

select
    as_of_date,
    experiment_id,
    unit_id,
    variant_id,
    exposed_date
    {%- for attribute in attributes %},
    a_{{ attribute }}
    {%- endfor %}
    {%- if sums_small_units_apart() %},
    is_small
    {%- endif %}
    {%- for metric in metrics %},
    {{ usable_values(metric) }}
    {%- endfor %}
    {%- for cap in quantile_caps() %},
    {{ cap.column }}
    {%- endfor %}
from fates
