-- Units are exposed in the order of k = 0, 1, …, evenly over the days; those with k >= exposed_units never are.
CREATE MACRO unit_number(k) AS shuffled(k, getvariable('population'));

-- Some units do far more than others, before and after exposure; shuffled twice, because exposure was once.
CREATE MACRO unit_of_event(event) AS
    unit_number(unit_number(CAST(floor(getvariable('population') * uniform(event, 'unit') ** 1.5) AS BIGINT)));
