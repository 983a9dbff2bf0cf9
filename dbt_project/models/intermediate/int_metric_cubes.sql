{{ config(materialized='table') }}
{#-
    Sums of z, z squared and z cubed, where z is a unit's distance from its arm's mean in millionths of the arm's
    standard deviation, rounded: integers again, so that the third moment is exact and does not cancel.
    Of a ratio, z is that of the linearised numerator - ratio * denominator. With n units |z| is at most 10^6 * sqrt(n),
    unless the standard deviation is itself a rounding error: the bound only keeps that from stopping the build.
-#}
{%- set metrics = metric_catalog()['metrics'] %}
with

unit_metrics as (

    select * from {{ ref('int_unit_metrics') }}

),

arm_sums as (

    select * from {{ ref('int_metric_sums') }}
    where segment_name = 'all'

),

arm_covariances as (

    select
        as_of_date,
        experiment_id,
        variant_id
        {%- for metric in metrics %},
        {%- set h = metric.metric_hash %}
        n_{{ h }},
        y_{{ h }},
        {{ sample_covariance('yy_' ~ h, 'y_' ~ h, 'y_' ~ h, 'n_' ~ h) }} as var_y_{{ h }}
        {%- if metric.denominator is not none %},
        case when d_{{ h }} <> 0 then cast(y_{{ h }} as double) / cast(d_{{ h }} as double) end as ratio_{{ h }},
        {{ sample_covariance('dd_' ~ h, 'd_' ~ h, 'd_' ~ h, 'n_' ~ h) }} as var_d_{{ h }},
        {{ sample_covariance('yd_' ~ h, 'y_' ~ h, 'd_' ~ h, 'n_' ~ h) }} as cov_yd_{{ h }}
        {%- endif %}
        {%- endfor %}
    from arm_sums

),

arm_centres as (

    select
        as_of_date,
        experiment_id,
        variant_id
        {%- for metric in metrics %},
        {%- set h = metric.metric_hash %}
        {%- if metric.denominator is none %}
        cast(y_{{ h }} as double) / nullif(n_{{ h }}, 0) as centre_{{ h }},
        sqrt(var_y_{{ h }}) as scale_{{ h }}
        {%- else %}
        ratio_{{ h }},
        {#- A numerator that is a multiple of its denominator leaves a rounding error of either sign: no spread. #}
        {%- set spread = "var_y_" ~ h ~ " - 2 * ratio_" ~ h ~ " * cov_yd_" ~ h ~ " + ratio_" ~ h ~ " * ratio_" ~ h ~ " * var_d_" ~ h %}
        sqrt(case
            when ratio_{{ h }} is null or n_{{ h }} < 2 then null
            when {{ spread }} <= 1e-12 * var_y_{{ h }} then 0
            else {{ spread }}
        end) as scale_{{ h }}
        {%- endif %}
        {%- endfor %}
    from arm_covariances

),

distances as (

    select
        unit_metrics.as_of_date,
        unit_metrics.experiment_id,
        unit_metrics.variant_id
        {%- for attribute in metric_catalog()['attributes'] %},
        unit_metrics.a_{{ attribute }}
        {%- endfor %}
        {%- for metric in metrics %},
        {%- set h = metric.metric_hash %}
        {%- if metric.denominator is none %}
        {%- set distance = "cast(y_" ~ h ~ " as double) - centre_" ~ h %}
        {%- else %}
        {%- set distance = "cast(y_" ~ h ~ " as double) - ratio_" ~ h ~ " * cast(d_" ~ h ~ " as double)" %}
        {%- endif %}
        {#- Some dialects' `least` and `greatest` pass over NULLs: a unit outside the population has no distance. #}
        case
            when y_{{ h }} is null or scale_{{ h }} is null then null
            when scale_{{ h }} = 0 then 0
            else
                cast(
                    least(greatest(round(({{ distance }}) / scale_{{ h }} * 1e6), -999999999999), 999999999999)
                    as decimal(12, 0)
                )
        end as z_{{ h }},
        scale_{{ h }}
        {%- endfor %}
    from unit_metrics
    inner join arm_centres
        on
            unit_metrics.as_of_date = arm_centres.as_of_date
            and unit_metrics.experiment_id = arm_centres.experiment_id
            and unit_metrics.variant_id = arm_centres.variant_id

)

{%- for attribute in [none] + metric_catalog()['attributes'] %}
{{ 'union all' if not loop.first }}

select
    units.as_of_date,
    units.experiment_id,
    units.variant_id,
    {{ sql_text(attribute or 'all') }} as segment_name,
    {{ segment_value(attribute) }} as segment_value
    {%- for metric in metrics %},
    {%- set z = 'z_' ~ metric.metric_hash %}
    sum({{ z }}) as {{ z }},
    sum({{ exact_product(z, z) }}) as z{{ z }},
    sum({{ exact_product(z, exact_product(z, z)) }}) as zz{{ z }},
    max(scale_{{ metric.metric_hash }}) as scale_{{ metric.metric_hash }}
    {%- endfor %}
from distances as units
{{- segment_joins(attribute) }}
group by
    units.as_of_date, units.experiment_id, units.variant_id
    {%- if attribute is not none %}, {{ segment_value(attribute) }}{% endif %}
{%- endfor %}
