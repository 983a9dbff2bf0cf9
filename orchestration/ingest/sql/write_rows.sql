COPY (
    SELECT {% for name, _ in lake_columns %}{{ name | identifier }}{{ ', ' if not loop.last }}{% endfor %}

    FROM staged
    WHERE reason IS NULL
) TO {{ path | literal }} (FORMAT parquet)
