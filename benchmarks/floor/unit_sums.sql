-- The sums over the units of one share of a part: `share` of `shares`. Their hash tables then fit into memory.
INSERT INTO unit_sums
WITH
-- Purchases are few and have most of the columns: grouped apart, the wide hash table stays small.
visits AS (
    SELECT
        unit,
        (count(*) FILTER (day < 0) > 0)::BIGINT AS h,
        count(*) FILTER (day = 0 AND name = 1) AS visits_1d,
        count(*) FILTER (day BETWEEN 0 AND 6 AND name = 1) AS visits_7d,
        count(*) FILTER (day < 0 AND name = 1) AS visits_before,
        count(*) FILTER (day BETWEEN 0 AND 2 AND name = 5) AS signups_3d,
        count(*) FILTER (day BETWEEN 0 AND 2 AND name = 2) AS product_views_3d,
        count(*) FILTER (day < 0 AND name = 2) AS product_views_before,
        count(*) FILTER (day BETWEEN 0 AND 2 AND name = 3) AS carts_3d,
        count(*) FILTER (day < 0 AND name = 3) AS carts_before
    FROM exposed_events
    WHERE unit % getvariable('shares') = getvariable('share')
    GROUP BY unit
),

purchases AS (
    SELECT
        unit,
        count(*) FILTER (day = 0) AS orders_1d,
        count(*) FILTER (day BETWEEN 0 AND 6) AS orders_7d,
        count(*) FILTER (day >= 0) AS orders,
        count(*) FILTER (day < 0) AS orders_before,
        count(*) FILTER (day BETWEEN 0 AND 6 AND is_web) AS web_orders_7d,
        count(*) FILTER (day < 0 AND is_web) AS web_orders_before,
        coalesce(sum(amount) FILTER (day BETWEEN 0 AND 2), 0)::BIGINT AS revenue_3d,
        coalesce(sum(amount) FILTER (day BETWEEN 0 AND 6), 0)::BIGINT AS revenue_7d,
        coalesce(sum(amount) FILTER (day >= 0), 0)::BIGINT AS revenue,
        coalesce(sum(amount) FILTER (day < 0), 0)::BIGINT AS revenue_before,
        coalesce(max(amount) FILTER (day >= 0), 0) AS largest_order
    FROM exposed_events
    WHERE name = 4 AND unit % getvariable('shares') = getvariable('share')
    GROUP BY unit
),

units AS (
    SELECT *
    FROM visits
    INNER JOIN exposed USING (unit)
    LEFT JOIN purchases USING (unit)
),

-- A windowed outcome, with its covariate, is NULL until its window has passed.
matured AS (
    SELECT
        variant,
        h,
        orders,
        orders_before,
        revenue,
        revenue_before,
        largest_order,
        CASE WHEN age >= INTERVAL 24 HOURS THEN h END AS h_1d,
        CASE WHEN age >= INTERVAL 24 HOURS THEN visits_1d END AS visits_1d,
        CASE WHEN age >= INTERVAL 24 HOURS THEN visits_before END AS visits_before_1d,
        CASE WHEN age >= INTERVAL 24 HOURS THEN (orders_1d > 0)::BIGINT END AS converted_1d,
        CASE WHEN age >= INTERVAL 24 HOURS THEN (orders_before > 0)::BIGINT END AS converted_before_1d,
        CASE WHEN age >= INTERVAL 72 HOURS THEN h END AS h_3d,
        CASE WHEN age >= INTERVAL 72 HOURS THEN (signups_3d > 0)::BIGINT END AS signed_up_3d,
        CASE WHEN age >= INTERVAL 72 HOURS THEN product_views_3d END AS product_views_3d,
        CASE WHEN age >= INTERVAL 72 HOURS THEN product_views_before END AS product_views_before_3d,
        CASE WHEN age >= INTERVAL 72 HOURS THEN carts_3d END AS carts_3d,
        CASE WHEN age >= INTERVAL 72 HOURS THEN carts_before END AS carts_before_3d,
        CASE WHEN age >= INTERVAL 72 HOURS THEN revenue_3d END AS revenue_3d,
        CASE WHEN age >= INTERVAL 72 HOURS THEN revenue_before END AS revenue_before_3d,
        CASE WHEN age >= INTERVAL 168 HOURS THEN h END AS h_7d,
        CASE WHEN age >= INTERVAL 168 HOURS THEN visits_7d END AS visits_7d,
        CASE WHEN age >= INTERVAL 168 HOURS THEN visits_before END AS visits_before_7d,
        CASE WHEN age >= INTERVAL 168 HOURS THEN (orders_7d > 0)::BIGINT END AS converted_7d,
        CASE WHEN age >= INTERVAL 168 HOURS THEN (orders_before > 0)::BIGINT END AS converted_before_7d,
        CASE WHEN age >= INTERVAL 168 HOURS THEN orders_7d END AS orders_7d,
        CASE WHEN age >= INTERVAL 168 HOURS THEN orders_before END AS orders_before_7d,
        CASE WHEN age >= INTERVAL 168 HOURS THEN web_orders_7d END AS web_orders_7d,
        CASE WHEN age >= INTERVAL 168 HOURS THEN web_orders_before END AS web_orders_before_7d,
        CASE WHEN age >= INTERVAL 168 HOURS THEN revenue_7d END AS revenue_7d,
        CASE WHEN age >= INTERVAL 168 HOURS THEN revenue_before END AS revenue_before_7d
    FROM (SELECT *, getvariable('as_of_ends_at') - exposed_at AS age FROM units)
),

sums AS (
    SELECT
        variant,
        sums_of(converted_1d, converted_before_1d, h_1d) AS converted_1d,
        sums_of(converted_7d, converted_before_7d, h_7d) AS converted_7d,
        sums_of(signed_up_3d, NULL::BIGINT, h_3d) AS signed_up_3d,
        sums_of(visits_1d, visits_before_1d, h_1d) AS visits_1d,
        sums_of(visits_7d, visits_before_7d, h_7d) AS visits_7d,
        sums_of(product_views_3d, product_views_before_3d, h_3d) AS product_views_3d,
        sums_of(carts_3d, carts_before_3d, h_3d) AS carts_3d,
        sums_of(orders_7d, orders_before_7d, h_7d) AS orders_7d,
        sums_of(orders, orders_before, h) AS orders,
        sums_of(web_orders_7d, web_orders_before_7d, h_7d) AS web_orders_7d,
        sums_of(revenue_3d, revenue_before_3d, h_3d) AS revenue_3d,
        sums_of(revenue_7d, revenue_before_7d, h_7d) AS revenue_7d,
        sums_of(revenue, revenue_before, h) AS revenue,
        sums_of(revenue_7d, orders_7d, h_7d) AS order_value_7d,
        sums_of(largest_order, NULL::BIGINT, h) AS largest_order,
        sum(revenue_7d * revenue_7d * orders_7d) AS yyx,
        sum(revenue_7d * orders_7d * orders_7d) AS yxx,
        sum(orders_7d * orders_7d * orders_7d) AS xxx
    FROM matured
    GROUP BY variant
),

counts AS (
    SELECT
        variant,
        count(*) AS n,
        count(*) FILTER (exposed_at + INTERVAL 24 HOURS <= getvariable('as_of_ends_at')) AS n_1d,
        count(*) FILTER (exposed_at + INTERVAL 72 HOURS <= getvariable('as_of_ends_at')) AS n_3d,
        count(*) FILTER (exposed_at + INTERVAL 168 HOURS <= getvariable('as_of_ends_at')) AS n_7d
    FROM exposed
    WHERE unit % getvariable('shares') = getvariable('share')
    GROUP BY variant
),

by_metric AS (
    UNPIVOT sums ON * EXCLUDE (variant, yyx, yxx, xxx) INTO NAME metric_id VALUE s
)

SELECT
    by_metric.variant,
    by_metric.metric_id,
    CASE
        WHEN ends_with(metric_id, '_1d') THEN counts.n_1d
        WHEN ends_with(metric_id, '_3d') THEN counts.n_3d
        WHEN ends_with(metric_id, '_7d') THEN counts.n_7d
        ELSE counts.n
    END AS n,
    yyx,
    yxx,
    xxx,
    unnest(s)
FROM by_metric
INNER JOIN counts USING (variant)
