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
{% set scale = '1e' ~ bound.field.decimals %}
{% if bound.reading == 'double' -%}
{# A double means the decimal it prints as; that text is only needed where rounding is a close call. #}
CASE WHEN NOT isfinite({{ raw }}) OR abs({{ raw }} * {{ scale }}) > {{ limit }} THEN NULL
     WHEN abs(abs({{ raw }} * {{ scale }} - trunc({{ raw }} * {{ scale }})) - 0.5)
          <= abs({{ raw }} * {{ scale }}) * 1e-15
     THEN {{ rounded('CAST(' ~ raw ~ ' AS VARCHAR)', bound.field.decimals) }}
     ELSE CAST(round({{ raw }} * {{ scale }}) AS BIGINT) END
{%- else -%}
{{ rounded(printed_number(bound.reading, raw), bound.field.decimals) }}
{%- endif %}
{%- endmacro %}

{# The cast to DECIMAL rounds half away from zero, exactly; below 1e14 its way through DOUBLE loses nothing. #}
{% macro rounded(exact, decimals) -%}
CAST(round(CAST(TRY_CAST({{ exact }} AS DECIMAL(18, {{ decimals }})) AS DOUBLE) * 1e{{ decimals }}) AS BIGINT)
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
