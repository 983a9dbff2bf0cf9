{#- Microseconds from one instant to another. -#}
{% macro microseconds_between(earlier, later) -%}
    {{ return(adapter.dispatch('microseconds_between', 'equipoise')(earlier, later)) }}
{%- endmacro %}

{% macro duckdb__microseconds_between(earlier, later) -%}
    (epoch_us({{ later }}) - epoch_us({{ earlier }}))
{%- endmacro %}

{% macro spark__microseconds_between(earlier, later) -%}
    (unix_micros({{ later }}) - unix_micros({{ earlier }}))
{%- endmacro %}

{#- Whole 24-hour days from one instant to a later or equal one, exact to the microsecond. -#}
{% macro whole_days_between(earlier, later) -%}
    {{ return(adapter.dispatch('whole_days_between', 'equipoise')(earlier, later)) }}
{%- endmacro %}

{% macro duckdb__whole_days_between(earlier, later) -%}
    {{ microseconds_between(earlier, later) }} // 86400000000
{%- endmacro %}

{% macro spark__whole_days_between(earlier, later) -%}
    {{ microseconds_between(earlier, later) }} div 86400000000
{%- endmacro %}

{#- Whole periods of some minutes from one instant to a later or equal one, exact to the microsecond. -#}
{% macro whole_periods_between(earlier, later, minutes) -%}
    {{ return(adapter.dispatch('whole_periods_between', 'equipoise')(earlier, later, minutes)) }}
{%- endmacro %}

{% macro duckdb__whole_periods_between(earlier, later, minutes) -%}
    {{ microseconds_between(earlier, later) }} // (cast({{ minutes }} as bigint) * 60000000)
{%- endmacro %}

{% macro spark__whole_periods_between(earlier, later, minutes) -%}
    {{ microseconds_between(earlier, later) }} div (cast({{ minutes }} as bigint) * 60000000)
{%- endmacro %}
