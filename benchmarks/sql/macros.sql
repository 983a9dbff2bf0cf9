-- Numbers that look random and are a function of what they belong to: no state, so any day can be written alone.
CREATE MACRO uniform(number, purpose) AS (hash(number, purpose) >> 11) / 9007199254740992.0;

-- Of whole numbers below `size`, each to another one: ids without order.
CREATE MACRO shuffled(number, size) AS (CAST(number AS BIGINT) * 7368787 + 17) % size;

CREATE MACRO unit_name(number) AS printf('u%07d', number);

CREATE MACRO event_name(event) AS
    lpad(to_hex(CAST(CAST(event AS HUGEINT) * 6364136223846793005 % 18446744073709551616 AS UBIGINT)), 16, '0');

CREATE MACRO variant_of(unit, experiment) AS
    CASE WHEN hash(unit, experiment) % 2 = 0 THEN 'control' ELSE 'treatment' END;

CREATE MACRO other_variant(variant) AS CASE WHEN variant = 'control' THEN 'treatment' ELSE 'control' END;

CREATE MACRO one_of(options, number, purpose) AS options[1 + CAST(hash(number, purpose) % len(options) AS BIGINT)];

-- Microseconds within a day.
CREATE MACRO time_of_day(number, purpose) AS CAST(uniform(number, purpose) * 86399999999 AS BIGINT);

CREATE MACRO instant(day, microseconds) AS
    CAST(getvariable('first_date') AS TIMESTAMP) + to_microseconds(day * 86400000000 + microseconds);

CREATE MACRO day_of_event(event) AS event // getvariable('events_per_day');
