{# Where rows come from: each yields file_index, row_number, problem and r0, r1, … (a raw value per field). #}

{% macro parquet(fields, files, first_index) %}
SELECT
    CAST(file_index AS INTEGER) + {{ first_index }} AS file_index,
    file_row_number + 1 AS row_number,
    CAST(NULL AS VARCHAR) AS problem
{% for bound in fields %}
    , {{ bound.field.column | identifier }} AS r{{ loop.index0 }}
{% endfor %}
FROM read_parquet({{ files | literal }}, hive_partitioning = false)
{% endmacro %}

{% macro csv(fields, file_index, has_rejected) %}
SELECT
    {{ file_index }} AS file_index,
    {{ row_number(has_rejected) }} AS row_number,
    CAST(NULL AS VARCHAR) AS problem
{% for bound in fields %}
    , text_rows.{{ bound.field.column | identifier }} AS r{{ loop.index0 }}
{% endfor %}
FROM text_rows {{ rejected_before(has_rejected) }}
{% endmacro %}

{% macro jsonl(fields, file_index, has_rejected) %}
SELECT
    file_index,
    row_number,
    CASE WHEN texts IS NULL THEN 'malformed_row'
{% for bound in fields if bound.field.kind != 'attribute' %}
{% set text = 'texts[' ~ loop.index ~ ']' %}
    {# Only what looks like a container is looked at again: a text may begin with a bracket, too. #}
         WHEN {{ text }}[1] IN ('{', '[')
              AND json_type(line, {{ bound.field.column | json_path | literal }}) IN ('OBJECT', 'ARRAY')
         THEN {{ ('bad_' ~ bound.field.label) | literal }}
{% endfor %}
    END AS problem
{% for bound in fields %}
    , texts[{{ loop.index }}] AS r{{ loop.index0 }}
{% endfor %}
    , line
FROM (
    SELECT
        {{ file_index }} AS file_index,
        {{ row_number(has_rejected) }} AS row_number,
        line,
        CASE WHEN json_valid(line) AND json_type(line) = 'OBJECT'
             THEN json_extract_string(line, {{ paths(fields) }}) END AS texts
    FROM text_rows {{ rejected_before(has_rejected) }}
    WHERE {% include 'is_row.sql' %}
)
{% endmacro %}

{% macro paths(fields) -%}
[{% for bound in fields %}{{ bound.field.column | json_path | literal }}{{ ', ' if not loop.last }}{% endfor %}]
{%- endmacro %}

{% macro row_number(has_rejected) -%}
text_rows.rowid + 1{% if has_rejected %} + coalesce(rejected_before.rejected, 0){% endif %}
{%- endmacro %}

{% macro rejected_before(has_rejected) -%}
{% if has_rejected %}ASOF LEFT JOIN rejected_before ON text_rows.rowid >= rejected_before.from_rowid{% endif %}
{%- endmacro %}
