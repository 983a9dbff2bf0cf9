{#-
    What a metric sees of a unit, in three steps that models chain as CTEs. Prefixes: y_ and d_ numerator and
    denominator, or a category's code; x_ the covariate, x1_, x2_, … further ones; h_ whether there was no history; t_ the value before its cap, s_ a
    denominator before a cap that is resampled.
-#}

{#- The value that a metric sees of a unit: the maximum of nothing is 0, a binary metric is 0 or 1. -#}
{% macro seen_value(column, is_binary) -%}
    {%- if is_binary -%}
    case when {{ column }} > 0 then 1 when {{ column }} is not null then 0 end
    {%- else -%}
    case when {{ column }} = {{ nothing_yet() }} then 0 else {{ column }} end
    {%- endif -%}
{%- endmacro %}

{#- First step: raw values, from unit values. Of a probe for bots (`above`): whether the unit is one, and what it brings. -#}
{% macro seen_values(metric) -%}
    {%- set h = metric.metric_hash -%}
    {%- if metric.above is defined -%}
    case when {{ metric.value }} > {{ metric.above }} then 1 when {{ metric.value }} is not null then 0 end as y_{{ h }}
    {%- if metric.denominator is not none %},
        case
            when {{ metric.value }} > {{ metric.above }} then {{ seen_value(metric.denominator, metric.denominator_is_binary) }}
            else 0
        end as d_{{ h }}
    {%- endif %}
    {%- else -%}
    {{ seen_category(metric) if metric.categories is defined else seen_value(metric.value, metric.is_binary) }} as y_{{ h }}
    {%- if metric.denominator is not none %},
        {{ seen_value(metric.denominator, false) }} as d_{{ h }}
    {%- endif %}
    {%- endif %}
    {%- if metric.covariate is not none %},
        {{ seen_value(metric.covariate, metric.is_binary) }} as x_{{ h }},
        {{ seen_absence(metric.history) }} as h_{{ h }}
    {%- endif %}
    {%- for one in further_covariates(metric) %},
        {{ seen_absence(one.value) if one.kind == 'no_history' else seen_value(one.value, one.kind == 'share') }} as {{ one.prefix }}_{{ h }}
    {%- endfor %}
{%- endmacro %}

{#- Whether a unit has none of the events that a unit value counts, as 1 or 0. -#}
{% macro seen_absence(column) -%} case when {{ column }} = 0 then 1 when {{ column }} is not null then 0 end {%- endmacro %}

{#- A metric's further covariates in the order in which they enter, with the `prefix` of their columns: x1_, x2_, … -#}
{% macro further_covariates(metric) -%}
    {%- set found = [] -%}
    {%- for one in metric.further | default([]) -%} {%- do found.append(dict(one, prefix='x' ~ loop.index)) -%} {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#- The columns of the first step without values, for units of another maturity group. -#}
{% macro no_values(metric) -%}
    {%- set h = metric.metric_hash -%}
    cast(null as bigint) as y_{{ h }}
    {%- if metric.denominator is not none %},
    cast(null as bigint) as d_{{ h }}
    {%- endif %}
    {%- if metric.covariate is not none %},
    cast(null as bigint) as x_{{ h }},
    cast(null as bigint) as h_{{ h }}
    {%- endif %}
    {%- for one in further_covariates(metric) %},
    cast(null as bigint) as {{ one.prefix }}_{{ h }}
    {%- endfor %}
{%- endmacro %}

{#- Second step, what becomes of the value: usable (u_), overflow (o_) or never computed (m_, missing); none of these
    outside the population, where the model has a p_ column. -#}
{% macro fate_of(metric, has_population) -%}
    {%- set h = metric.metric_hash -%}
    {%- set counts = 'p_' ~ h ~ ' and ' if has_population else '' -%}
    {%- set parts = ['y_' ~ h] -%}
    {%- if metric.denominator is not none %}{% do parts.append('d_' ~ h) %}{% endif -%}
    {%- if metric.covariate is not none %}{% do parts.append('x_' ~ h) %}{% do parts.append('h_' ~ h) %}{% endif -%}
    {%- set amounts = [] if metric.is_binary else parts | reject('equalto', 'h_' ~ h) | list -%}
    {%- for one in further_covariates(metric) -%}
        {%- do parts.append(one.prefix ~ '_' ~ h) -%}
        {%- if one.kind == 'amount' -%} {%- do amounts.append(one.prefix ~ '_' ~ h) -%} {%- endif -%}
    {%- endfor -%}
    {{ counts }}({% for part in parts %}{{ part }} is null{{ ' or ' if not loop.last }}{% endfor %}) as m_{{ h }},
        {{ counts }}{% for part in parts %}{{ part }} is not null{{ ' and ' if not loop.last }}{% endfor %}
        {%- for part in amounts %} and abs({{ part }}) < {{ overflow_limit() }}{% endfor %} as u_{{ h }},
        {% if amounts -%}
        {{ counts }}{% for part in parts %}{{ part }} is not null{{ ' and ' if not loop.last }}{% endfor %}
        and ({% for part in amounts %}abs({{ part }}) >= {{ overflow_limit() }}{{ ' or ' if not loop.last }}{% endfor %})
        {%- else %}false{% endif %} as o_{{ h }}
{%- endmacro %}

{#- Third step: only usable values stay, capped. -#}
{% macro usable_values(metric) -%}
    {%- set h = metric.metric_hash -%}
    {%- set is_usable = "case when u_" ~ h ~ " then " -%}
    {%- set quantile_cap = 'cap_' ~ h if metric.cap_quantile is not none else none -%}
    {%- set denominator_cap = 'denominator_cap_' ~ h if metric.cap_quantile is not none else none -%}
    u_{{ h }},
    o_{{ h }},
    m_{{ h }},
    {%- if is_capped(metric) %}
    {{ is_usable }}cast(y_{{ h }} as bigint) end as t_{{ h }},
    {%- endif %}
    {{ is_usable }}cast({{ capped('y_' ~ h, metric.cap_upper, quantile_cap) }} as bigint) end as y_{{ h }}
    {%- if metric.denominator is not none %},
    {{ is_usable }}cast({{ capped('d_' ~ h, metric.denominator_cap_upper, denominator_cap) }} as bigint) end as d_{{ h }}
    {%- if denominator_cap is not none and metric.is_bootstrapped is defined %},
    {{ is_usable }}cast(d_{{ h }} as bigint) end as s_{{ h }}
    {%- endif %}
    {%- endif %}
    {%- if metric.covariate is not none %},
    {{ is_usable }}cast(x_{{ h }} as bigint) end as x_{{ h }},
    {{ is_usable }}cast(h_{{ h }} as bigint) end as h_{{ h }}
    {%- endif %}
    {%- for one in further_covariates(metric) %},
    {{ is_usable }}cast({{ one.prefix }}_{{ h }} as bigint) end as {{ one.prefix }}_{{ h }}
    {%- endfor %}
{%- endmacro %}

{#- A metric's capped value: a fixed cap in quantised units, a column that holds a quantile, or none. -#}
{% macro capped(column, fixed_cap, quantile_cap) -%}
    {%- if fixed_cap is not none -%} least({{ column }}, {{ fixed_cap }})
    {%- elif quantile_cap is not none -%} least({{ column }}, {{ quantile_cap }})
    {%- else -%} {{ column }}
    {%- endif -%}
{%- endmacro %}
