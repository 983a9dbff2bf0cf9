{#- (sum of products - product of sums / n) / (n - 1) from exact integer sums, in double.
    Centring on the rounded means first keeps every term but the last exact, so nothing cancels. -#}
{% macro sample_covariance(products, left, right, n) -%}
    {%- set mean_left = exact("round(cast(" ~ left ~ " as double) / " ~ n ~ ")") -%}
    {%- set mean_right = exact("round(cast(" ~ right ~ " as double) / " ~ n ~ ")") -%}
    case when {{ n }} > 1 then (
        cast(
            {{ products }} - {{ mean_left }} * {{ right }} - {{ mean_right }} * {{ left }}
            + {{ exact(n) }} * {{ mean_left }} * {{ mean_right }}
            as double
        )
        - cast({{ left }} - {{ exact(n) }} * {{ mean_left }} as double)
        * cast({{ right }} - {{ exact(n) }} * {{ mean_right }} as double) / {{ n }}
    ) / ({{ n }} - 1) end
{%- endmacro %}

{#- Segments: the whole population (none) for every date; a declared dimension for the latest date only, which in the
    end is the final one. -#}
{% macro segment_joins(dimension) -%}
    {%- if dimension is not none %}
    inner join {{ source('inputs', 'experiment_segments') }} as experiment_segments
        on
            units.experiment_id = experiment_segments.experiment_id
            and experiment_segments.segment_name = {{ sql_text(segment_name_of(dimension)) }}
    where {{ segment_value_of(dimension, 'units') }} is not null
    {%- endif %}
{%- endmacro %}

{#- A triple product's sum in double, from its two limbs: exactly where they cancel. -#}
{% macro of_limbs(high, low) -%}
    case
        when abs({{ high }}) < 10000000000000000000000 then cast({{ high }} * {{ exact(limb()) }} + {{ low }} as double)
        else cast({{ high }} as double) * 1e14 + cast({{ low }} as double)
    end
{%- endmacro %}

{#- The third central moment in quantised units, from the model's centred sums. -#}
{% macro third_central_moment(metric) -%}
    {%- set h = metric.metric_hash -%}
    {%- set n = "cast(n_" ~ h ~ " as double)" -%}
    {%- if metric.denominator is not none -%}
    case
        when n_{{ h }} < 2 or ratio_{{ h }} is null then null
        {#- A numerator that is a multiple of its denominator leaves rounding errors only: no spread, no skew. #}
        when {{ ratio_spread(metric) }} <= 1e-12 * {{ sample_covariance('yy_' ~ h, 'y_' ~ h, 'y_' ~ h, 'n_' ~ h) }} then 0
        else (
            {{ of_limbs('yyy_high_' ~ h, 'yyy_low_' ~ h) }}
            - 3 * ratio_{{ h }} * ({{ of_limbs('yyd_high_' ~ h, 'yyd_low_' ~ h) }})
            + 3 * ratio_{{ h }} * ratio_{{ h }} * ({{ of_limbs('ydd_high_' ~ h, 'ydd_low_' ~ h) }})
            - ratio_{{ h }} * ratio_{{ h }} * ratio_{{ h }} * ({{ of_limbs('ddd_high_' ~ h, 'ddd_low_' ~ h) }})
        ) / {{ n }}
    end
    {%- elif metric.is_binary -%}
    case
        when n_{{ h }} >= 2
            then cast(y_{{ h }} as double) / {{ n }} * (1 - cast(y_{{ h }} as double) / {{ n }}) * (1 - 2 * cast(y_{{ h }} as double) / {{ n }})
    end
    {%- else -%}
    {#- About the rounded mean, and then about the mean itself, less than 1 away. #}
    case
        when n_{{ h }} >= 2
            then (
                ({{ of_limbs(
                    exact('yyy_high_' ~ h ~ ' - centre_' ~ h ~ ' * ' ~ exact(whole_quotient('shift_' ~ h, limb()))),
                    exact('yyy_low_' ~ h ~ ' - centre_' ~ h ~ ' * ' ~ exact(remainder('shift_' ~ h, limb())))
                ) }})
                - 3 * rest_{{ h }} * cast(squares_{{ h }} as double)
            ) / {{ n }}
            + 2 * rest_{{ h }} * rest_{{ h }} * rest_{{ h }}
    end
    {%- endif -%}
{%- endmacro %}

{#- The variance of numerator - ratio * denominator. -#}
{% macro ratio_spread(metric) -%}
    {%- set h = metric.metric_hash -%}
    (
        {{ sample_covariance('yy_' ~ h, 'y_' ~ h, 'y_' ~ h, 'n_' ~ h) }}
        - 2 * ratio_{{ h }} * {{ sample_covariance('yd_' ~ h, 'y_' ~ h, 'd_' ~ h, 'n_' ~ h) }}
        + ratio_{{ h }} * ratio_{{ h }} * {{ sample_covariance('dd_' ~ h, 'd_' ~ h, 'd_' ~ h, 'n_' ~ h) }}
    )
{%- endmacro %}

{#- Mean, variance and covariance with the value of a metric's denominator, from its exact sums; NULL without one. -#}
{% macro denominator_moments(metric) -%}
{%- set h = metric.metric_hash -%}
{%- set one, denominator_one = '1e' ~ metric.decimals, '1e' ~ metric.denominator_decimals -%}
    {%- if metric.denominator is not none %}
    cast(d_{{ h }} as double) / nullif(cast(n_{{ h }} as double), 0) / {{ denominator_one }} as denominator_mean,
    {{ sample_covariance('dd_' ~ h, 'd_' ~ h, 'd_' ~ h, 'n_' ~ h) }} / {{ denominator_one }} / {{ denominator_one }} as denominator_variance,
    {{ sample_covariance('yd_' ~ h, 'y_' ~ h, 'd_' ~ h, 'n_' ~ h) }} / {{ one }} / {{ denominator_one }} as denominator_covariance
    {%- else %}
    cast(null as double) as denominator_mean,
    cast(null as double) as denominator_variance,
    cast(null as double) as denominator_covariance
    {%- endif %}
{%- endmacro %}
