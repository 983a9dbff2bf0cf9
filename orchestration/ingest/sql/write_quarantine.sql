COPY (
    SELECT staged.reason, staged.row, day_files.path AS file, staged.row_number
    FROM staged
    INNER JOIN (SELECT unnest({{ files | literal }}) AS path, generate_subscripts({{ files | literal }}, 1) - 1 AS place) AS day_files
        ON staged.file_index = day_files.place
    WHERE staged.reason IS NOT NULL AND staged.reason <> 'duplicate'
    ORDER BY staged.file_index, staged.row_number
) TO {{ path | literal }} (FORMAT parquet)
