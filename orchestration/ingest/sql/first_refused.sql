SELECT file, row_number, row
FROM read_parquet({{ path | literal }})
WHERE reason = {{ reason | literal }}
ORDER BY file, row_number
LIMIT 1
