{#- From the CTE `sums` what third moments are computed from, as CTEs `centred` and `moved`: the latter has all columns. -#}
{% macro centred_sums(metrics) -%}
{#- The mean rounded to an integer, about which sums stay exact; a ratio as it is. #}
centred as (

    select
        *
        {%- for metric in metrics %}
        {%- set h = metric.metric_hash %}
        {%- if metric.denominator is not none %},
        case when d_{{ h }} <> 0 then cast(y_{{ h }} as double) / cast(d_{{ h }} as double) end as ratio_{{ h }}
        {%- elif not metric.is_binary and metric.categories is not defined %},
        {{ exact("case when n_" ~ h ~ " > 0 then round(cast(y_" ~ h ~ " as double) / cast(n_" ~ h ~ " as double)) else 0 end") }} as centre_{{ h }}
        {%- endif %}
        {%- endfor %}
    from sums

),

{#- rest: how far the mean is from there; squares: the sum of squares about it; shift: what centring takes from cubes. #}
moved as (

    select
        *
        {%- for metric in metrics if metric.denominator is none and not metric.is_binary and metric.categories is not defined %},
        {%- set h = metric.metric_hash %}
        {%- set first = "(y_" ~ h ~ " - n_" ~ h ~ " * centre_" ~ h ~ ")" %}
        {%- set square = "(yy_" ~ h ~ " - 2 * centre_" ~ h ~ " * y_" ~ h ~ " + n_" ~ h ~ " * centre_" ~ h ~ " * centre_" ~ h ~ ")" %}
        cast({{ first }} as double) / nullif(cast(n_{{ h }} as double), 0) as rest_{{ h }},
        {{ exact(square) }} as squares_{{ h }},
        {{ exact("3 * " ~ square ~ " + 3 * centre_" ~ h ~ " * " ~ first ~ " + n_" ~ h ~ " * centre_" ~ h ~ " * centre_" ~ h) }} as shift_{{ h }}
        {%- endfor %}
    from centred

)
{%- endmacro %}
