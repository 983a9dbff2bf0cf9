{#- The first 8 hexadecimal digits of a digest of the text, as a whole number; `algorithm` is a column. -#}
{% macro digest_number(algorithm, text) -%}
    {{ return(adapter.dispatch('digest_number', 'equipoise')(algorithm, text)) }}
{%- endmacro %}

{% macro duckdb__digest_number(algorithm, text) -%}
    cast('0x' || substr(case when {{ algorithm }} = 'sha256' then sha256({{ text }}) else md5({{ text }}) end, 1, 8) as bigint)
{%- endmacro %}

{% macro spark__digest_number(algorithm, text) -%}
    cast(conv(substr(case when {{ algorithm }} = 'sha256' then sha2({{ text }}, 256) else md5({{ text }}) end, 1, 8), 16, 10) as bigint)
{%- endmacro %}
