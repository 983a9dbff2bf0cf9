{# Compares the suspects themselves: the first by log date, file and row stays. #}
UPDATE staged SET reason = 'duplicate'
FROM (
    WITH earlier_rows AS (
{% if earlier_files %}
        SELECT DISTINCT {% for name, type in earlier %}{% include 'earlier_value.sql' %} AS {{ name | identifier }}, {% endfor %}true AS is_earlier
        FROM read_parquet({{ earlier_files | literal }}, union_by_name = true, hive_partitioning = false)
        WHERE hash({% for name, type in earlier %}{% include 'earlier_value.sql' %}{{ ', ' if not loop.last }}{% endfor %}) IN (SELECT key FROM suspects)
{% else %}
        SELECT {% for name, type in earlier %}CAST(NULL AS {{ type }}) AS {{ name | identifier }}, {% endfor %}true AS is_earlier
        WHERE false
{% endif %}
    ),
    suspect_rows AS (
        SELECT
            file_index AS file,
            row_number AS place,
            {{ identity | map('identifier') | join(', ') }},
            row_number() OVER (
                PARTITION BY {{ identity | map('identifier') | join(', ') }} ORDER BY file_index, row_number
            ) AS nth
        FROM staged
        WHERE reason IS NULL AND hash({{ identity | map('identifier') | join(', ') }}) IN (SELECT key FROM suspects)
    )
    SELECT suspect_rows.file, suspect_rows.place
    FROM suspect_rows
    LEFT JOIN earlier_rows
        ON {% for name in identity %}suspect_rows.{{ name | identifier }} IS NOT DISTINCT FROM earlier_rows.{{ name | identifier }}
        {{- ' AND ' if not loop.last }}{% endfor %}

    WHERE suspect_rows.nth > 1 OR earlier_rows.is_earlier
) AS duplicates
WHERE staged.file_index = duplicates.file AND staged.row_number = duplicates.place
