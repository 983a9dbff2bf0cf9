{# How a log column is read into a field, by the field's kind and the column's type. #}

{% macro value(bound, raw) -%}
{% set kind = bound.field.kind %}
{% if kind == 'instant' %}{{ instant(bound.reading, raw) }}
{%- elif kind == 'measure' %}{{ measure(bound, raw) }}
{%- else %}{{ text(bound, raw) }}
{%- endif %}
{%- endmacro %}

{% macro text(bound, raw) -%}
{% if bound.reading == 'text' -%}
nullif(CAST({{ raw }} AS VARCHAR), '')
{%- elif bound.reading == 'cast' -%}
CAST({{ raw }} AS VARCHAR)
{%- else -%}
{# Whole floats are numbers that met a missing value on their way: 5.0 is 5. Above 2^53 digits are lost. #}
CASE WHEN isnan({{ raw }}) THEN NULL
     WHEN abs({{ raw }}) < 9007199254740992 AND {{ raw }} = trunc({{ raw }})
     THEN CAST(CAST({{ raw }} AS BIGINT) AS VARCHAR)
     {% if bound.field.kind == 'attribute' %}ELSE CAST({{ raw }} AS VARCHAR){% endif %} END
{%- endif %}
{%- endmacro %}

{% macro instant(reading, raw) -%}
{% if reading == 'text' -%}
CASE WHEN regexp_full_match({{ raw }}, '{{ iso_8601 }}')
     THEN make_timestamp(epoch_us(TRY_CAST({{ raw }} AS TIMESTAMPTZ))) END
{%- elif reading == 'zoned_instant' -%}
make_timestamp(epoch_us({{ raw }}))
{%- else -%}
CAST({{ raw }} AS TIMESTAMP)
{%- endif %}
{%- endmacro %}

{% macro measure(bound, raw) -%}
{% set decimals = bound.field.decimals %}
{% set scaled = '(' ~ raw ~ ' * 1e' ~ decimals ~ ')' %}
{% if bound.reading == 'double' -%}
{# A double means the decimal it prints as; that text is only needed where rounding is a close call. #}
CASE WHEN NOT isfinite({{ raw }}) OR abs({{ scaled }}) > {{ limit }} THEN NULL
     WHEN abs(abs({{ scaled }} - trunc({{ scaled }})) - 0.5) <= abs({{ scaled }}) * 1e-15
     THEN {{ quantised(rounded_text('CAST(' ~ raw ~ ' AS VARCHAR)', decimals), decimals) }}
     ELSE CAST(round({{ scaled }}) AS BIGINT) END
{%- elif bound.reading == 'decimal' -%}
{{ quantised('TRY_CAST(' ~ raw ~ ' AS DECIMAL(18, ' ~ decimals ~ '))', decimals) }}
{%- else -%}
{{ quantised(rounded_text(printed_number(bound.reading, raw), decimals), decimals) }}
{%- endif %}
{%- endmacro %}

{# Below 1e14 the way through DOUBLE loses nothing. #}
{% macro quantised(rounded, decimals) -%}
CAST(round(CAST({{ rounded }} AS DOUBLE) * 1e{{ decimals }}) AS BIGINT)
{%- endmacro %}

{# The cast from text to DECIMAL rounds half away from zero, exactly, but takes 6e-08 for 0.01: a number with a
   negative exponent first becomes one with all its digits. #}
{% macro rounded_text(number, decimals) -%}
CASE WHEN contains(lower({{ number }}), 'e-')
     THEN TRY_CAST(coalesce(TRY_CAST({{ number }} AS DECIMAL(38, 30)), TRY_CAST({{ number }} AS DECIMAL(38, 18)))
                   AS DECIMAL(18, {{ decimals }}))
     ELSE TRY_CAST({{ number }} AS DECIMAL(18, {{ decimals }})) END
{%- endmacro %}

{% macro printed_number(reading, raw) -%}
{% if reading == 'text' -%}
{# SQL would read 1_000 as a number. #}
replace(CAST({{ raw }} AS VARCHAR), '_', '?')
{%- elif reading == 'single' -%}
CAST({{ raw }} AS VARCHAR)
{%- else -%}
{{ raw }}
{%- endif %}
{%- endmacro %}

{% macro is_present(bound, raw) -%}
{{ raw }} IS NOT NULL
{%- if bound.reading == 'text' %} AND CAST({{ raw }} AS VARCHAR) <> ''{% endif %}
{%- if bound.reading == 'float' %} AND NOT isnan({{ raw }}){% endif %}
{%- endmacro %}
