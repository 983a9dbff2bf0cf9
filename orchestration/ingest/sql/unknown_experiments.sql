{# Experiments of exposures that no configuration knows; a handful in practice, bounded for a log gone wrong. #}
SELECT DISTINCT experiment_id
FROM staged
WHERE reason = 'unknown_experiment'
ORDER BY experiment_id
LIMIT 1000
