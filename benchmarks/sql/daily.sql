-- A fifth of the population is active on any day: one unit of each block of five.
CREATE MACRO active_unit(block, day) AS
    shuffled(5 * block + hash(block, day) % 5, 5 * getvariable('active_units'));

CREATE MACRO unit_of_event(event) AS
    active_unit(
        CAST(floor(getvariable('active_units') * uniform(event, 'block') ** 1.5) AS BIGINT), day_of_event(event)
    );
