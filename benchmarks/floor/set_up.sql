-- Exact sums over units of an outcome y, its covariate x and whether the unit has a history h: all NULL for a unit
-- outside the population. Units without any event are missing here and add nothing but to n.
CREATE MACRO sums_of(y, x, h) AS struct_pack(
    y := sum(y),
    yy := sum(y * y),
    yyy := sum(y * y * y),
    x := sum(x),
    xx := sum(x * x),
    yx := sum(y * x),
    h := sum(h),
    yh := sum(y * h)
);

CREATE MACRO covariance(products, left_sum, right_sum, n) AS
    (products - left_sum * right_sum / n) / (n - 1);

CREATE TABLE unit_sums (
    variant VARCHAR,
    metric_id VARCHAR,
    n BIGINT,
    yyx HUGEINT,
    yxx HUGEINT,
    xxx HUGEINT,
    y HUGEINT,
    yy HUGEINT,
    yyy HUGEINT,
    x HUGEINT,
    xx HUGEINT,
    yx HUGEINT,
    h HUGEINT,
    yh HUGEINT
);
