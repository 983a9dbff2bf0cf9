WITH exposed AS (
    SELECT
        k,
        time_of_day(k, 'exposed') AS microseconds,
        false AS sees_other_variant
    FROM range(
        getvariable('exposed_units') * getvariable('experiment_day') // getvariable('experiment_days'),
        getvariable('exposed_units') * (getvariable('experiment_day') + 1) // getvariable('experiment_days')
    ) AS new_units(k)
),

-- Units of this day or an earlier one; one in 83 sees the other variant.
exposed_again AS (
    SELECT
        hash(place, 'k') % (
            getvariable('exposed_units') * (getvariable('experiment_day') + 1) // getvariable('experiment_days')
        ) AS k,
        time_of_day(place, 'exposed again') AS microseconds,
        hash(place, 'mixed') % 83 = 0 AS sees_other_variant
    FROM range(
        getvariable('repeats') * getvariable('experiment_day') // getvariable('experiment_days'),
        getvariable('repeats') * (getvariable('experiment_day') + 1) // getvariable('experiment_days')
    ) AS repeats(place)
),

exposures AS (
    SELECT unit_number(k) AS unit, microseconds, sees_other_variant FROM exposed
    UNION ALL
    SELECT unit_number(k) AS unit, microseconds, sees_other_variant FROM exposed_again
)

SELECT
    unit_name(unit) AS user_id,
    'checkout' AS experiment,
    CASE
        WHEN sees_other_variant THEN other_variant(variant_of(unit, 'checkout'))
        ELSE variant_of(unit, 'checkout')
    END AS variant,
    instant(getvariable('day'), microseconds) AS ts,
    one_of(['DE', 'FR', 'ES', 'IT', 'PL', 'SE'], unit, 'country') AS country
FROM exposures
ORDER BY ts, unit
