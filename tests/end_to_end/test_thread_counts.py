"""With one thread, two or four, over rows in any order: the same lake contents and the same moments, to the last bit.

There are enough units that DuckDB splits the work, and amounts whose double sums would depend on the order.
"""

from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from configs.load import load_config
from orchestration.assets.ingest import ingest_range
from orchestration.assets.models import build_planned
from orchestration.inputs import prepare_run
from orchestration.lake import Lake
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import environment_kept
from tests.end_to_end.small_shop import MARTS

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 2)
CONNECT = duckdb.connect
UNITS = 300_000
"""More than two of DuckDB's row groups of 122,880 rows, the grain at which it shares out work."""

FILES = {
    "project.yaml": f"name: shop\nhistory_start: {FIRST}\n",
    "sources.yaml": """\
exposures:
  - id: exposures
    path: "{date}/exposures-*.parquet"
    format: parquet
    columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}
    attributes: [country]
events:
  - id: orders
    path: "{date}/orders-*.parquet"
    format: parquet
    columns: {event_id: id, unit_id: unit, event_name: name, occurred_at: at}
    measures: {amount: {column: amount, decimals: 4}}
""",
    "metrics/orders.yaml": """\
- {id: revenue, type: mean, source: orders, event: order, aggregate: sum, measure: amount,
   covariate: {lookback_days: 1}}
- {id: capped, type: mean, source: orders, event: order, aggregate: sum, measure: amount, cap: {upper_quantile: 0.9}}
- {id: value, type: ratio, numerator: {source: orders, event: order, aggregate: sum, measure: amount},
   denominator: {source: orders, event: order}}
- {id: resampled, type: mean, source: orders, event: order, aggregate: sum, measure: amount, cap: {upper_quantile: 0.9},
   bootstrap: {}}
- {id: high_order, type: quantile, quantile: 0.9, of: events, source: orders, event: order, measure: amount}
""",
    "experiments/shipping.yaml": f"""\
id: shipping
start: {LAST}
end: {LAST}
variants: [{{id: paid, weight: 0.5, baseline: true}}, {{id: free, weight: 0.5}}]
segments: [country]
metrics: {{primary: [revenue], secondary: [capped, value, resampled, high_order]}}
analysis: {{minimum_days: 1}}
""",
}
EXPOSURES = """
select 'u' || n as unit, 'shipping' as experiment, case when hash(n) % 2 = 0 then 'paid' else 'free' end as variant,
    timestamp '2026-10-02 09:00:00' + to_seconds(n % 1000) as at, chr((65 + n % 3)::integer) as country
from range({units}) as numbers(n)
"""
ORDERS = """
select '{day}-' || n as id, 'u' || n as unit, 'order' as name, timestamp '{day} 12:00:00' + to_seconds(n % 1000) as at,
    round(power(10, (hash(n, '{day}') % 90) / 10.0), 4) as amount
from range(0, {units}, 3) as numbers(n)
"""


def write_logs(folder: Path, order: str, rows_per_file: int) -> None:
    """The same rows in this order and in files of this many rows."""
    folder.mkdir(parents=True)
    for name, day, query in (("orders", FIRST, ORDERS), ("orders", LAST, ORDERS), ("exposures", LAST, EXPOSURES)):
        (folder / f"{day}").mkdir(exist_ok=True)
        frame = duckdb.connect().execute(f"from ({query.format(day=day, units=UNITS)}) order by {order}").df()
        for start in range(0, len(frame), rows_per_file):
            frame.iloc[start : start + rows_per_file].to_parquet(folder / f"{day}" / f"{name}-{start:08d}.parquet")
    empty = duckdb.connect().execute(f"from ({EXPOSURES.format(units=0)})").df()
    empty.to_parquet(folder / f"{FIRST}" / "exposures-0.parquet")


def ingested(workspace: Workspace) -> list[str]:
    """The content of every partition after reading the logs."""
    config = load_config(workspace.configs)
    for source in (*config.sources.exposures, *config.sources.events):
        ingest_range(workspace, source, FIRST, LAST)
    days = [Lake(workspace.lake).partition(source, day) for source in ("exposures", "orders") for day in (FIRST, LAST)]
    assert all(day.status == "ok" for day in days), [day.reason for day in days]
    return [day.content_hash for day in days]


def built(workspace: Workspace) -> dict[str, pd.DataFrame]:
    """The marts, built anew, in one order."""
    workspace.warehouse.unlink(missing_ok=True)
    prepare_run(workspace, (FIRST, LAST))
    build_planned(workspace)
    with duckdb.connect(str(workspace.warehouse), read_only=True) as connection:
        return {name: connection.execute(f"from marts.{name} order by all").df() for name in MARTS}


def use_threads(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let every connection from here on use so many threads; there is no setting, as nothing depends on it."""

    def connect(*where, config=None, **options):
        return CONNECT(*where, config=(config or {}) | {"threads": count}, **options)

    monkeypatch.setattr(duckdb, "connect", connect)


@pytest.mark.slow
def test_the_moments_do_not_depend_on_threads_row_order_or_files(tmp_path, monkeypatch):
    for name, text in FILES.items():
        path = tmp_path / "configs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    write_logs(tmp_path / "sorted", order="unit", rows_per_file=UNITS)
    write_logs(tmp_path / "shuffled", order="hash(unit)", rows_per_file=90_000)

    found = []
    for threads, data in ((1, "sorted"), (4, "shuffled"), (2, "sorted")):
        use_threads(monkeypatch, threads)
        workspace = Workspace(tmp_path / "configs", tmp_path / data, tmp_path / f"state-{threads}")
        with environment_kept():
            workspace.activate()
            found.append((ingested(workspace), built(workspace)))

    contents, marts = found[0]
    assert marts["fct_metric_moments"]["n_units"].max() > UNITS / 3
    assert len(marts["fct_bucket_sums"]) == 2 * 1000
    for other_contents, other_marts in found[1:]:
        assert other_contents == contents
        for name, frame in marts.items():
            pd.testing.assert_frame_equal(other_marts[name], frame, check_exact=True, obj=name)


def test_double_sums_of_these_amounts_do_depend_on_their_order():
    """Else the test above would show nothing."""
    sums = set()
    for order in ("id", "amount", "hash(id)"):
        query = f"select sum(amount) from (from ({ORDERS.format(day=FIRST, units=UNITS)}) order by {order})"
        sums |= set(CONNECT(config={"threads": 1}).execute(query).fetchall())
    assert len(sums) > 1
