{# Reads every value that the contract reads, and keeps none: fails exactly when the file does. #}
SELECT max(hash({% for bound in fields %}{{ bound.field.column | identifier }}{{ ', ' if not loop.last }}{% endfor %}))
FROM read_parquet({{ files | literal }}, hive_partitioning = false)
