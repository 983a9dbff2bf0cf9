-- Each unit is in about 4 of 20 experiments; a visit in four logs its exposure.
WITH visits AS (
    SELECT
        active_unit(block, getvariable('day')) AS unit,
        slot
    FROM range(getvariable('active_units')) AS blocks(block), range(20) AS slots(slot)
),

exposures AS (
    SELECT
        visits.unit,
        running.experiment_id,
        hash(visits.unit, visits.slot, getvariable('day')) AS number
    FROM visits
    INNER JOIN running USING (slot)
    WHERE
        hash(visits.unit, visits.slot) % 5 = 0
        AND hash(visits.unit, visits.slot, getvariable('day'), 'logged') % 4 = 0
)

SELECT
    unit_name(unit) AS user_id,
    experiment_id AS experiment,
    variant_of(unit, experiment_id) AS variant,
    instant(getvariable('day'), time_of_day(number, 'exposed')) AS ts,
    one_of(['DE', 'FR', 'ES', 'IT', 'PL', 'SE'], unit, 'country') AS country,
    one_of(['phone', 'desktop', 'tablet'], unit, 'device') AS device,
    one_of(['chrome', 'safari', 'firefox', 'edge'], unit, 'browser') AS browser,
    one_of(['free', 'plus', 'business'], unit, 'plan') AS plan,
    one_of(['search', 'social', 'mail', 'direct', 'partner'], unit, 'referrer') AS referrer
FROM exposures
ORDER BY ts, unit, experiment
