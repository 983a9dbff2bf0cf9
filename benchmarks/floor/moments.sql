-- From exact sums over all units to the moments that the pipeline publishes.
WITH totals AS (
    SELECT
        variant AS variant_id,
        metric_id,
        CASE
            WHEN metric_id IN ('revenue_3d', 'revenue_7d', 'revenue', 'order_value_7d', 'largest_order') THEN 100
            ELSE 1
        END AS one,
        metric_id = 'order_value_7d' AS is_ratio,
        metric_id NOT IN ('order_value_7d', 'signed_up_3d', 'largest_order') AS has_covariate,
        CAST(sum(n) AS DOUBLE) AS n,
        CAST(sum(y) AS DOUBLE) AS y,
        CAST(sum(yy) AS DOUBLE) AS yy,
        CAST(sum(yyy) AS DOUBLE) AS yyy,
        CAST(sum(x) AS DOUBLE) AS x,
        CAST(sum(xx) AS DOUBLE) AS xx,
        CAST(sum(yx) AS DOUBLE) AS yx,
        CAST(sum(n) - sum(h) AS DOUBLE) AS no_history,
        CAST(sum(y) - sum(yh) AS DOUBLE) AS y_no_history,
        CAST(sum(yyx) AS DOUBLE) AS yyx,
        CAST(sum(yxx) AS DOUBLE) AS yxx,
        CAST(sum(xxx) AS DOUBLE) AS xxx
    FROM unit_sums
    GROUP BY variant, metric_id
)

SELECT
    variant_id,
    metric_id,
    CAST(n AS BIGINT) AS n_units,
    y / n / one AS mean,
    covariance(yy, y, y, n) / one ** 2 AS variance,
    CASE
        WHEN is_ratio
            THEN (yyy - 3 * (y / x) * yyx + 3 * (y / x) ** 2 * yxx - (y / x) ** 3 * xxx) / n
        ELSE yyy / n - 3 * (y / n) * (yy / n) + 2 * (y / n) ** 3
    END / one ** 3 AS third_central_moment,
    CASE WHEN is_ratio THEN x / n END AS denominator_mean,
    CASE WHEN is_ratio THEN covariance(xx, x, x, n) END AS denominator_variance,
    CASE WHEN is_ratio THEN covariance(yx, y, x, n) / one END AS denominator_covariance,
    CASE WHEN has_covariate THEN x / n / one END AS covariate_mean,
    CASE WHEN has_covariate THEN covariance(xx, x, x, n) / one ** 2 END AS covariate_variance,
    CASE WHEN has_covariate THEN covariance(yx, y, x, n) / one ** 2 END AS covariate_covariance,
    CASE WHEN has_covariate THEN no_history / n END AS no_history_share,
    CASE WHEN has_covariate THEN covariance(y_no_history, y, no_history, n) / one END AS no_history_covariance,
    CASE WHEN has_covariate THEN covariance(0, x, no_history, n) / one END AS covariate_no_history_covariance
FROM totals
ORDER BY metric_id, variant_id
