{# Experiments with rows that are refused for this reason; a handful in practice, bounded for a log gone wrong. #}
SELECT DISTINCT experiment_id
FROM staged
WHERE reason = {{ reason | literal }}
ORDER BY experiment_id
LIMIT 1000
