-- The exposed units of one part, chosen by hash: `part` of `parts`; and their events, with units and names as numbers,
-- which are narrower than texts. Each part is a scan of the logs.
CREATE OR REPLACE TEMP TABLE exposed AS
SELECT
    CAST(row_number() OVER () AS INTEGER) AS unit,
    user_id,
    min(ts) AS exposed_at,
    min(variant) AS variant
FROM read_parquet(getvariable('exposures'))
WHERE hash(user_id) % getvariable('parts') = getvariable('part')
GROUP BY user_id
HAVING min(variant) = max(variant);

-- The events after exposure, and those of the seven days before its date that were known by then: exposures are never
-- late in these logs, so a first exposure is known from its own date. Names become numbers, which are narrower.
CREATE OR REPLACE TEMP TABLE exposed_events AS
WITH delivered AS MATERIALIZED (
    SELECT
        hash(events.event_id) AS event_hash,
        exposed.unit,
        CAST(
            CASE events.name
                WHEN 'visit' THEN 1
                WHEN 'product_view' THEN 2
                WHEN 'add_to_cart' THEN 3
                WHEN 'purchase' THEN 4
                WHEN 'signup' THEN 5
                ELSE 0
            END AS TINYINT
        ) AS name,
        events.channel = 'web' AS is_web,
        CAST(round(events.amount * 100) AS INTEGER) AS amount,
        CAST(
            CASE
                WHEN events.ts >= exposed.exposed_at
                    THEN (epoch_us(events.ts) - epoch_us(exposed.exposed_at)) // 86400000000
                ELSE -1
            END AS TINYINT
        ) AS day
    FROM read_parquet(getvariable('events'), filename = true) AS events
    INNER JOIN exposed ON events.user_id = exposed.user_id
    WHERE
        hash(events.user_id) % getvariable('parts') = getvariable('part')
        AND (
            events.ts >= exposed.exposed_at
            OR (
                CAST(events.ts AS DATE) < CAST(exposed.exposed_at AS DATE)
                AND CAST(events.ts AS DATE) >= CAST(exposed.exposed_at AS DATE) - 7
                AND CAST(parse_filename(filename, true) AS DATE) <= CAST(exposed.exposed_at AS DATE)
            )
        )
),

repeated AS (
    SELECT event_hash
    FROM delivered
    GROUP BY event_hash
    HAVING count(*) > 1
)

-- Only rows whose hash comes twice are compared.
SELECT * EXCLUDE (event_hash) FROM delivered ANTI JOIN repeated USING (event_hash)
UNION ALL
SELECT * EXCLUDE (event_hash) FROM (SELECT DISTINCT * FROM delivered SEMI JOIN repeated USING (event_hash))
