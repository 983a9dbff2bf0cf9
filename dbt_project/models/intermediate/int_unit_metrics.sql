{{ config(materialized='view') }}
{%- set attributes = metric_catalog()['attributes'] %}
{%- set metrics = metric_catalog()['metrics'] %}
with

exposed_units as (

    select
        exposed_units.*,
        calendar.ends_at as as_of_ends_at
    from {{ ref('int_exposed_units') }} as exposed_units
    inner join {{ source('inputs', 'build_plan') }} as build_plan
        on
            exposed_units.experiment_id = build_plan.experiment_id
            and exposed_units.as_of_date between build_plan.from_date and build_plan.to_date
    inner join {{ source('inputs', 'calendar') }} as calendar
        on exposed_units.as_of_date = calendar.as_of_date

),

caps as (

    select * from {{ ref('int_metric_caps') }}

),

{#- p_: in the metric's population. y_, d_: numerator and denominator; x_: covariate; h_: no history. #}
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
        {%- for cap in quantile_caps() %},
        caps.{{ cap.column }}
        {%- endfor %}
        {%- for metric in metrics %},
        {{ is_in_population(metric) }} as p_{{ metric.metric_hash }},
        {{ seen_value(metric.value, metric.is_binary) }} as y_{{ metric.metric_hash }}
        {%- if metric.denominator is not none %},
        {{ seen_value(metric.denominator, false) }} as d_{{ metric.metric_hash }}
        {%- endif %}
        {%- if metric.covariate is not none %},
        {{ seen_value(metric.covariate, metric.is_binary) }} as x_{{ metric.metric_hash }},
        case when {{ metric.history }} = 0 then 1 when {{ metric.history }} is not null then 0 end as h_{{ metric.metric_hash }}
        {%- endif %}
        {%- endfor %}
    from exposed_units
    inner join caps
        on
            exposed_units.as_of_date = caps.as_of_date
            and exposed_units.experiment_id = caps.experiment_id
    where not exposed_units.is_mixed

),

{#- f_: what becomes of the unit's value: usable, overflow, or never computed. #}
fates as (

    select
        *
        {%- for metric in metrics %},
        {%- set h = metric.metric_hash %}
        {%- set parts = ['y_' ~ h] %}
        {%- if metric.denominator is not none %}{% do parts.append('d_' ~ h) %}{% endif %}
        {%- if metric.covariate is not none %}{% do parts.append('x_' ~ h) %}{% do parts.append('h_' ~ h) %}{% endif %}
        case
            when not p_{{ h }} then 'outside'
            when {% for part in parts %}{{ part }} is null{{ ' or ' if not loop.last }}{% endfor %} then 'not_computed'
            {%- if not metric.is_binary %}
            when
                {% for part in parts -%}
                abs({{ part }}) >= {{ overflow_limit() }}{{ ' or ' if not loop.last }}
                {%- endfor %}
                then 'overflow'
            {%- endif %}
            else 'usable'
        end as f_{{ h }}
        {%- endfor %}
    from seen_values

)

{#- Only usable values stay, capped; t_ is the value before its cap. #}
select
    as_of_date,
    experiment_id,
    unit_id,
    variant_id,
    exposed_date
    {%- for attribute in attributes %},
    a_{{ attribute }}
    {%- endfor %}
    {%- for metric in metrics %},
    {%- set h = metric.metric_hash %}
    {%- set is_usable = "case when f_" ~ h ~ " = 'usable' then " %}
    {%- set quantile_cap = 'cap_' ~ h if metric.cap_quantile is not none else none %}
    {%- set denominator_cap = 'denominator_cap_' ~ h if metric.cap_quantile is not none else none %}
    f_{{ h }},
    {{ is_usable }}cast(y_{{ h }} as decimal(15, 0)) end as t_{{ h }},
    {{ is_usable }}cast({{ capped('y_' ~ h, metric.cap_upper, quantile_cap) }} as decimal(15, 0)) end as y_{{ h }}
    {%- if metric.denominator is not none %},
    {{ is_usable }}cast({{ capped('d_' ~ h, metric.denominator_cap_upper, denominator_cap) }} as decimal(15, 0)) end as d_{{ h }}
    {%- endif %}
    {%- if metric.covariate is not none %},
    {{ is_usable }}cast(x_{{ h }} as decimal(15, 0)) end as x_{{ h }},
    {{ is_usable }}cast(h_{{ h }} as decimal(15, 0)) end as h_{{ h }}
    {%- endif %}
    {%- endfor %}
    {%- for cap in quantile_caps() %},
    {{ cap.column }}
    {%- endfor %}
from fates
