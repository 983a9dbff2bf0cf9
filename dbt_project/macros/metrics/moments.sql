{#- A metric's capped value: a fixed cap in quantised units, a column that holds a quantile, or none. -#}
{% macro capped(column, fixed_cap, quantile_cap) -%}
    {%- if fixed_cap is not none -%} least({{ column }}, {{ fixed_cap }})
    {%- elif quantile_cap is not none -%} least({{ column }}, {{ quantile_cap }})
    {%- else -%} {{ column }}
    {%- endif -%}
{%- endmacro %}

{#- The exact sum of a quantised column, or of the product of two. -#}
{% macro exact_sum(left, right=none) -%}
    coalesce({{ exact("sum(" ~ (left if right is none else exact_product(left, right)) ~ ")") }}, 0)
{%- endmacro %}

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

{#- Segments: the whole population (none) for every planned as-of date; a declared attribute for the latest and
    the final one only. -#}
{% macro segment_joins(attribute) -%}
    {%- if attribute is not none %}
inner join {{ source('inputs', 'experiment_segments') }} as experiment_segments
    on
        units.experiment_id = experiment_segments.experiment_id
        and experiment_segments.segment_name = {{ sql_text(attribute) }}
inner join {{ source('inputs', 'build_plan') }} as build_plan
    on units.experiment_id = build_plan.experiment_id
inner join {{ source('inputs', 'experiments') }} as experiments
    on
        units.experiment_id = experiments.experiment_id
        and units.as_of_date in (build_plan.latest_date, experiments.analysis_end_date)
    {%- endif %}
{%- endmacro %}

{#- The value of a segment: the attribute at first exposure; unknown when the log did not say. -#}
{% macro segment_value(attribute) -%}
    {%- if attribute is none -%} 'all' {%- else -%} coalesce(units.a_{{ attribute }}, 'unknown') {%- endif -%}
{%- endmacro %}

{#- The third central moment in quantised units, from int_metric_cubes (z is in millionths of `scale`). -#}
{% macro third_central_moment(h) -%}
    {%- set n = "cast(n_" ~ h ~ " as double)" -%}
    {%- set z = "(cast(z_" ~ h ~ " as double) / " ~ n ~ " / 1e6)" -%}
    {%- set zz = "(cast(zz_" ~ h ~ " as double) / " ~ n ~ " / 1e12)" -%}
    {%- set zzz = "(cast(zzz_" ~ h ~ " as double) / " ~ n ~ " / 1e18)" -%}
    ({{ zzz }} - 3 * {{ z }} * {{ zz }} + 2 * {{ z }} * {{ z }} * {{ z }}) * power(scale_{{ h }}, 3)
{%- endmacro %}
