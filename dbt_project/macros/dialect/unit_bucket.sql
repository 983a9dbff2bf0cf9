{#- One of 1,000 buckets of units, by the first 32 bits of MD5 over the unit's id behind a salt: the same in every dialect
    and release, since published intervals follow from it, and unlike the hashes that assign variants. -#}
{% macro unit_bucket(unit_id) -%}
    cast({{ hexadecimal("substring(md5(concat('bucket ', " ~ unit_id ~ ")), 1, 8)") }} % 1000 as smallint)
{%- endmacro %}

{#- The number that hexadecimal digits say. -#}
{% macro hexadecimal(digits) -%}
    {{ return(adapter.dispatch('hexadecimal', 'equipoise')(digits)) }}
{%- endmacro %}

{% macro duckdb__hexadecimal(digits) -%} cast(concat('0x', {{ digits }}) as bigint) {%- endmacro %}

{% macro spark__hexadecimal(digits) -%} cast(conv({{ digits }}, 16, 10) as bigint) {%- endmacro %}
