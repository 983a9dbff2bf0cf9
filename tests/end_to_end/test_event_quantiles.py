"""The 95th percentile of all page loads through the pipeline, from log files to the plan of the next experiment."""

import json
from datetime import date, datetime, timedelta
from math import hypot
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from analysis.statistics.quantile import ClusterSums, Histogram, event_quantile
from orchestration.published import read_results
from orchestration.workspace import Workspace
from tests.analysis.scorecard.outer_interval import Events, outer_interval
from tests.end_to_end.pipeline import run, table

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 4)
NOON = datetime(2026, 10, 1, 12)
UNITS = 1_000
ARMS = {"control": 1.0, "fast": 0.8}

FILES = {
    "project.yaml": f"name: site\nhistory_start: {FIRST}\n",
    "sources.yaml": """\
exposures:
  - id: web
    path: exposures/{date}.csv
    format: csv
    columns: {unit_id: user, experiment_id: experiment, variant_id: variant, exposed_at: at}
    attributes: [country]
    allow_empty_days: true
events:
  - id: pages
    path: pages/{date}.csv
    format: csv
    columns: {event_id: id, unit_id: user, event_name: name, occurred_at: at}
    measures: {seconds: {column: seconds, unit: s, decimals: 3}}
""",
    "metrics/pages.yaml": """\
- {id: page_load_p95, type: quantile, quantile: 0.95, of: events, source: pages, event: view, measure: seconds,
   window: {end_days: 2}, direction: decrease}
- {id: page_load_median, type: quantile, quantile: 0.5, of: events, source: pages, event: view, measure: seconds,
   window: {end_days: 2}, direction: decrease}
- {id: page_views, type: mean, source: pages, event: view, aggregate: count, window: {end_days: 2}}
""",
    "experiments/speed.yaml": f"""\
id: speed
start: {FIRST}
end: {FIRST + timedelta(days=1)}
variants: [{{id: control, weight: 0.5, baseline: true}}, {{id: fast, weight: 0.5}}]
segments: [country]
metrics: {{primary: [page_load_p95], secondary: [page_load_median, page_views]}}
analysis: {{minimum_days: 1, minimum_units: 100, minimum_detectable_effect: 0.4}}
""",
}


def page_views() -> pd.DataFrame:
    """Units are fast or slow throughout, and load many pages or none; one each before and after the window."""
    rng = np.random.default_rng(7)
    rows = []
    for arm, factor in ARMS.items():
        for number in range(UNITS):
            user, own = f"{arm}-{number}", rng.standard_normal()
            for view in range(rng.geometric(0.15) - 1):
                seconds = factor * np.exp(0.5 * own + 0.3 * rng.standard_normal())
                at = NOON + timedelta(hours=float(rng.uniform(0, 48)))
                rows.append((f"{user}-{view}", user, "view", at, round(seconds, 3)))
            rows.append((f"{user}-before", user, "view", NOON - timedelta(seconds=1), 99.0))
            rows.append((f"{user}-after", user, "view", NOON + timedelta(days=2), 99.0))
            rows.append((f"{user}-broken", user, "view", NOON + timedelta(hours=1), None))
    return pd.DataFrame(rows, columns=["id", "user", "name", "at", "seconds"])


@pytest.fixture(scope="module")
def views() -> pd.DataFrame:
    return page_views()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, views: pd.DataFrame) -> Workspace:
    root: Path = tmp_path_factory.mktemp("site")
    workspace = Workspace(root / "configs", root / "data", root / "state")
    for name, text in FILES.items():
        (workspace.configs / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.configs / name).write_text(text)
    users = [(f"{arm}-{n}", "speed", arm, NOON, ("DE", "FR")[n % 2]) for arm in ARMS for n in range(UNITS)]
    exposures = pd.DataFrame(users, columns=["user", "experiment", "variant", "at", "country"])
    for folder, frame in (("exposures", exposures), ("pages", views)):
        (workspace.data / folder).mkdir(parents=True)
        for day, rows in frame.groupby(frame["at"].dt.date):
            rows.to_csv(workspace.data / folder / f"{day}.csv", index=False)
    (workspace.data / "pages" / f"{LAST}.csv").write_text("id,user,name,at,seconds\n")
    run(workspace, FIRST, LAST)
    return workspace


def events(views: pd.DataFrame, arm: str, remainder: tuple[int, ...] = (0, 1)) -> Events:
    """Of each unit the loads in its window; of units whose number leaves these remainders."""
    inside = views[views["at"].between(NOON, NOON + timedelta(days=2), inclusive="left") & views["seconds"].notna()]
    of_user = {user: rows.to_numpy() for user, rows in inside.groupby("user")["seconds"]}
    return [of_user.get(f"{arm}-{n}", np.array([])) for n in range(UNITS) if n % 2 in remainder]


@pytest.mark.parametrize(("segment", "remainder"), [("all", (0, 1)), ("DE", (0,)), ("FR", (1,))])
def test_the_published_row_is_that_of_the_single_events(site, views, segment, remainder):
    """No unit is mature on the 2nd; on the 3rd, a noon two days after the exposure, all are."""
    rows = table(site.state, "scorecard", metric_id="page_load_p95", segment_value=segment, as_of_date=LAST)
    (row,) = rows.to_dict("records")
    (b, b_low, b_high), (t, t_low, t_high) = (
        outer_interval(events(views, arm, remainder), 0.95, 0.05) for arm in ("control", "fast")
    )
    assert (row["baseline_mean"], row["treatment_mean"]) == (b, t)
    assert row["ci_low"] == pytest.approx(t - b - hypot(t - t_low, b_high - b), rel=1e-12)
    assert row["ci_high"] == pytest.approx(t - b + hypot(t_high - t, b - b_low), rel=1e-12)
    assert (row["n_baseline"], row["n_treatment"]) == (UNITS * len(remainder) / 2,) * 2
    assert row["method"] == "event_quantile"


def test_each_date_has_its_row_with_a_reason_until_units_are_mature(site):
    rows = table(site.state, "scorecard", metric_id="page_load_p95", segment_value="all").set_index("as_of_date")
    assert rows["status"].tolist() == ["no_units", "no_units", "ok", "ok"]
    assert "an arm has no unit with a mature window" in rows["reason"].iloc[0]


def test_the_numbers_of_events_are_published(site, views):
    moments = table(site.state, "metric_moments", metric_id="page_load_p95", segment_value="all", as_of_date=LAST)
    totals = moments.set_index("variant_id")["total"].to_dict()
    assert totals == {arm: sum(map(len, events(views, arm))) for arm in ARMS}


@pytest.mark.parametrize("arm", ARMS)
def test_values_that_are_not_told_apart_are_beyond_any_interval(site, views, arm):
    """At 1 - 2e-9 its ends are those of the single events, and yet most values are merged."""
    where = "where metric_id = 'page_load_median' and segment_name = 'all' and as_of_date = $day and variant_id = $arm"
    with duckdb.connect(str(site.warehouse), read_only=True) as connection:
        chosen = {"day": LAST, "arm": arm}
        counts = connection.execute(f"from marts.fct_event_value_counts {where} order by value", chosen).df()
        (sums,) = connection.execute(f"from marts.fct_event_clusters {where}", chosen).df().to_dict("records")
    names = ("n_units", "n_events", "n_up_to", "sum_events_squared", "sum_up_to_squared", "sum_product")
    values, n = counts["value"].to_numpy(), counts["n_events"].to_numpy(float)
    histogram = Histogram(values, n, np.array([0, len(values)]))
    ours = event_quantile(histogram, ClusterSums(*(np.array([float(sums[name])]) for name in names)), 0.5)
    ends = [float(end[0]) for end in vars(ours.interval(2e-9)).values()]

    assert ends == list(outer_interval(events(views, arm), 0.5, 2e-9)[1:])
    assert len(values) < 0.5 * len(np.unique(np.concatenate(events(views, arm))))


def test_faster_pages_are_shipped(site):
    (decision,) = read_results(site.state).decisions.to_dict("records")
    assert (decision["recommendation"], decision["variant_id"]) == ("ship", "fast")


def test_the_next_experiment_is_planned_from_it(equipoise, site, views):
    """The interval at the planned units is as wide as the one there was: its variance is of a unit, not of an event."""
    printed = equipoise(site, "plan", "--experiment", "speed", "--format", "json")
    assert printed.status == 0, printed.err
    row = next(row for row in json.loads(printed.out) if row["metric_id"] == "page_load_p95")
    b, *_ = outer_interval(events(views, "control"), 0.95, 0.05)
    assert row["status"] == "ok"
    assert row["mean"] == pytest.approx(b)
