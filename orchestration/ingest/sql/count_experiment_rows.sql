{# Exposure rows of each configured experiment: accepted ones by date, refused ones by reason. #}
SELECT
    experiment_id,
    CASE WHEN reason IS NULL THEN CAST(exposed_date AS VARCHAR) END AS exposed_date,
    coalesce(reason, '') AS reason,
    count(*) AS n_rows
FROM staged
WHERE
    experiment_id IN (SELECT experiment_id FROM known_experiments)
    AND reason IS DISTINCT FROM 'duplicate'
GROUP BY ALL
ORDER BY ALL
