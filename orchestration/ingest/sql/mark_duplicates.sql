{# Compares the suspects themselves: the first by log date, file and row stays. #}
UPDATE staged SET reason = 'duplicate'
FROM (
    WITH suspect_rows AS (
        SELECT
            rowid AS place,
            {{ identity | map('identifier') | join(', ') }},
            row_number() OVER (
                PARTITION BY {{ identity | map('identifier') | join(', ') }} ORDER BY file_index, row_number
            ) AS nth
        FROM staged
        WHERE reason IS NULL AND row_key IN (SELECT row_key FROM suspects)
    ),
    known_rows AS (
        SELECT *, true AS is_known FROM earlier_rows
    )
    SELECT suspect_rows.place
    FROM suspect_rows
    LEFT JOIN known_rows
        ON {% for name in identity %}suspect_rows.{{ name | identifier }} IS NOT DISTINCT FROM known_rows.{{ name | identifier }}
        {{- ' AND ' if not loop.last }}{% endfor %}

    WHERE suspect_rows.nth > 1 OR known_rows.is_known
) AS duplicates
WHERE staged.rowid = duplicates.place
