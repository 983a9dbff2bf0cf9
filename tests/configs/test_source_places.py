"""Where a source's log lies, and where results go: what each format takes, and that no credential is written down."""

import pytest

from configs.load import ConfigError, load_config

SOURCES, PROJECT = "sources.yaml", "project.yaml"
CSV = "    path: events/{date}.csv\n    format: csv\n"
POSTGRES = "    format: postgres\n    table: sales.orders\n    connection: LOGS_DATABASE_URL\n    log_date: loaded_at\n"
DELTA = "    format: delta\n    path: s3://lake/visits\n    log_date: day\n"

CASES = [
    (CSV, CSV.replace("events", "s3://logs/events"), None),
    (CSV, POSTGRES, None),
    (CSV, DELTA, None),
    (CSV, DELTA.replace("delta", "iceberg").replace("s3://lake", "lake"), None),
    ("path: events/{date}.csv", "path: gs://logs/{date}.csv",
     "9: isn't built yet: paths of gs://; object stores are read as s3://bucket/key"),
    ("path: events/{date}.csv", "path: s3://key:hush@logs/{date}.csv",
     "9: holds credentials: they come from the environment (AWS_ACCESS_KEY_ID and so on), never from YAML"),
    ("path: events/{date}.csv", "path: s3:///{date}.csv", "9: path 's3:///{date}.csv' needs a bucket: s3://bucket/key"),
    ("path: events/{date}.csv", "path: s3://logs/events.csv",
     "9: path 's3://logs/events.csv' needs {date}, which stands for the log date"),
    ("path: events/{date}.csv\n", "log_date: day\n", "8: missing key 'path', which format csv needs"),
    ("path: events/{date}.csv\n", "path: events/{date}.csv\n    log_date: day\n",
     "10: log_date doesn't go with format csv, which takes path"),
    (CSV, POSTGRES.replace("    log_date: loaded_at\n", ""), "8: missing key 'log_date', which format postgres needs"),
    (CSV, POSTGRES + "    path: a/{date}\n",
     "13: path doesn't go with format postgres, which takes table and connection and log_date"),
    (CSV, POSTGRES.replace("sales.orders", "orders"), "10: table 'orders' needs to be schema.table"),
    (CSV, POSTGRES.replace("LOGS_DATABASE_URL", "postgresql://ana:hush@db/logs"),
     "11: events.connection: takes the name of an environment variable, such as LOGS_DATABASE_URL, "
     "never the URL itself"),
    (CSV, POSTGRES.replace("sales.orders", "postgresql://ana:hush@db/logs"), "10: table needs to be schema.table"),
    (CSV, DELTA.replace("visits", "{date}"),
     "10: path 's3://lake/{date}' is a table's folder: {date} and globs don't go with delta"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CASES, ids=[case[2] or case[1] for case in CASES])
def test_places_of_logs(write_config, old, new, expected):
    root = write_config((SOURCES, old, new))
    if expected is None:
        load_config(root)
        return
    with pytest.raises(ConfigError) as caught:
        load_config(root)
    assert expected in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("publish", "expected"),
    [
        ("{object_store: {url: s3://bi/shop}, postgres: {connection: RESULTS_URL, schema: shop}}", None),
        ("{object_store: {url: s3://bi}}", "publish.object_store.url: 's3://bi' isn't s3://bucket/prefix"),
        ("{object_store: {url: 's3://k:hush@bi/x'}}", "publish.object_store.url: holds credentials"),
        ("{postgres: {connection: 'host=db password=hush', schema: shop}}", "never the URL itself"),
        ("{postgres: {connection: RESULTS_URL}}", "missing key 'schema'"),
    ],
)
def test_destinations(write_config, publish, expected):
    root = write_config((PROJECT, "late_arrival_days: 3\n", f"late_arrival_days: 3\npublish: {publish}\n"))
    if expected is None:
        assert load_config(root).project.publish.postgres.schema_ == "shop"
        return
    with pytest.raises(ConfigError) as caught:
        load_config(root)
    assert expected in str(caught.value)
    assert "hush" not in str(caught.value)
