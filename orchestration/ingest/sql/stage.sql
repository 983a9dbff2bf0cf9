{# The row contract, in one scan: typed fields, and the first reason for which a row is refused. #}
{% import 'readings.sql' as readings with context %}
{% import 'origins.sql' as origins with context %}
INSERT INTO staged
WITH raw_rows AS (
    {% if format == 'parquet' %}{{ origins.parquet(fields, files, file_index) }}
    {% elif format == 'csv' %}{{ origins.csv(fields, file_index, has_rejected) }}
    {% else %}{{ origins.jsonl(fields, file_index, has_rejected) }}{% endif %}
),
read_rows AS (
    SELECT
        *
{% for bound in fields %}
        , {{ readings.value(bound, 'r' ~ loop.index0) }} AS {{ bound.field.name | identifier }}
{% endfor %}
    FROM raw_rows
),
judged_rows AS (
    SELECT
        *,
        CASE
            WHEN problem IS NOT NULL THEN problem
{% for bound in fields if bound.field.required %}
            WHEN {{ bound.field.name | identifier }} IS NULL THEN
                CASE WHEN {{ readings.is_present(bound, 'r' ~ loop.index0) }}
                     THEN {{ ('bad_' ~ bound.field.label) | literal }}
                     ELSE {{ ('missing_' ~ bound.field.label) | literal }} END
{% endfor %}
{% if has_experiments %}
            WHEN experiment_id NOT IN (SELECT experiment_id FROM known_experiments) THEN 'unknown_experiment'
            WHEN experiment_id IN (SELECT experiment_id FROM known_experiments WHERE is_judged)
                AND (experiment_id, variant_id) NOT IN (SELECT (experiment_id, variant_id) FROM known_variants)
                THEN 'unknown_variant'
{% endif %}
            WHEN {{ instant | identifier }} > {{ bounds.future_after | literal }} THEN 'future'
            WHEN {{ instant | identifier }} < {{ bounds.late_before | literal }} THEN 'late'
{% for bound in fields %}
{% if bound.field.kind == 'measure' %}
{% set raw = 'r' ~ loop.index0 %}
{% set quantised = bound.field.name | identifier %}
{% set number = 'TRY_CAST(' ~ readings.printed_number(bound.reading, raw) ~ ' AS DOUBLE)' %}
            WHEN {{ readings.is_present(bound, raw) }}
                 AND ({{ quantised }} IS NULL OR abs({{ quantised }}) >= {{ limit }}) THEN
                CASE WHEN {{ number }} IS NULL THEN {{ ('bad_' ~ bound.field.label) | literal }}
                     WHEN NOT isfinite({{ number }}) THEN {{ ('non_finite_' ~ bound.field.label) | literal }}
                     ELSE {{ ('too_large_' ~ bound.field.label) | literal }} END
{% endif %}
{% endfor %}
        END AS reason
    FROM read_rows
){% if units %},
{# An amount in another unit is none of the measure's: only its unit is kept. #}
stated_rows AS (
    SELECT * REPLACE (
{% for unit, amount, expected in units %}
        CASE WHEN {{ unit | identifier }} = {{ expected | literal }} THEN {{ amount | identifier }} END AS {{ amount | identifier }},
        CASE WHEN {{ amount | identifier }} IS NOT NULL AND {{ unit | identifier }} IS DISTINCT FROM {{ expected | literal }}
             THEN coalesce({{ unit | identifier }}, '(none)') END AS {{ unit | identifier }}{{ ',' if not loop.last }}
{% endfor %}
    )
    FROM judged_rows
){% endif %}

SELECT
    file_index,
    row_number,
    reason,
    CASE
{% if format == 'jsonl' %}
        WHEN reason = 'malformed_row' THEN json_object('line', line)
{% endif %}
        WHEN reason IS NOT NULL THEN json_object(
{% for position, column in row_columns %}
            {{ column | literal }}, CAST(r{{ position }} AS VARCHAR){{ ',' if not loop.last }}
{% endfor %}
        )
    END,
    hash({{ identity | map('identifier') | join(', ') }})
{% for name, type in lake_columns %}
    , {% if name == date_column or name == 'known_from' -%}
    {{ 'greatest(' ~ (bounds.log_date | literal) ~ ', ' if name == 'known_from' }}CASE
{%- for day, ends_at in bounds.days %} WHEN {{ instant | identifier }} < {{ ends_at | literal }} THEN {{ day | literal }}{% endfor %}
 ELSE {{ bounds.last_date | literal }} END{{ ')' if name == 'known_from' }}
    {%- elif name in field_names -%}
    {{ name | identifier }}
    {%- else -%}
    CAST(NULL AS {{ type }})
    {%- endif %}

{% endfor %}
FROM {{ 'stated_rows' if units else 'judged_rows' }}
