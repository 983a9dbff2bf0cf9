-- The events delivered on one day. One row in 500 is an event that an earlier row brought, of this day or the one
-- before; one in 200 happened a day or two before its delivery, on a day of late data one in five.
WITH delivered AS (
    SELECT
        CASE
            WHEN hash(place, 'again') % 500 = 0
                THEN greatest(place - 1 - getvariable('events_per_day') * (hash(place, 'yesterday') % 2)::BIGINT, 0)
            ELSE place
        END AS event
    FROM range(
        getvariable('day') * getvariable('events_per_day'),
        (getvariable('day') + 1) * getvariable('events_per_day')
    ) AS places(place)
),

described AS (
    SELECT
        event,
        unit_of_event(event) AS unit,
        day_of_event(event)
        - CASE
            WHEN
                hash(event, 'late') % CASE WHEN day_of_event(event) = getvariable('late_day') THEN 5 ELSE 200 END = 0
                THEN 1 + (hash(event, 'days late') % 2)::BIGINT
            ELSE 0
        END AS day,
        uniform(event, 'name') AS name,
        uniform(event, 'amount') AS amount
    FROM delivered
),

named AS (
    SELECT
        event,
        unit,
        instant(day, time_of_day(event, 'occurred')) AS ts,
        CASE
            WHEN name < 0.55 THEN 'visit'
            WHEN name < 0.80 THEN 'product_view'
            WHEN name < 0.90 THEN 'add_to_cart'
            WHEN name < 0.97 THEN 'purchase'
            WHEN name < 0.98 THEN 'signup'
            WHEN name < 0.99 THEN 'refund'
            ELSE 'support_ticket'
        END AS name,
        round(3 + 400 * amount ** 3, 2) AS amount
    FROM described
)

SELECT
    event_name(event) AS event_id,
    unit_name(unit) AS user_id,
    name,
    ts,
    CASE WHEN name IN ('purchase', 'refund') THEN amount END AS amount,
    one_of(['web', 'app', 'store'], event, 'channel') AS channel
FROM named
ORDER BY ts, event
