{# A table has no order: rows are put in that of what they hold. #}
COPY (
    FROM ({{ rows }})
    ORDER BY {{ columns | map('identifier') | join(', ') }}
) TO {{ path | literal }} (FORMAT parquet)
