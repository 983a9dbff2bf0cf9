"""Nothing wrong, nothing told: a simulated project over 60 days, and a thousand experiments looked at daily."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.health import CHECKS, HealthData, health_checks
from configs.schema import Experiment, Metric, Project
from orchestration.simulated_project import simulate_project
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import command, table
from tests.fault_injection.project import EVENT_SOURCE, EXPOSURE_SOURCE, METRICS
from tests.orchestration.alerts.conftest import Webhook

FIRST_DAY, DAYS, FORTNIGHT = date(2026, 9, 1), 60, 14
MONTHS = {
    "project.yaml": f"name: clean\ntimezone: Europe/Berlin\nlate_arrival_days: 2\nhistory_start: {FIRST_DAY}\n",
    "sources.yaml": "exposures:\n"
    + EXPOSURE_SOURCE.format(id="web", format="parquet")
    + "events:\n"
    + EVENT_SOURCE.format(id="orders", format="csv", measure=""),
    "metrics/shop.yaml": METRICS.format(of="", source="orders"),
    "simulation.yaml": "population: {visits_per_day: 0.4, new_unit_share: 0.4}\n"
    "attributes: {device: {phone: {share: 0.7}, laptop: {share: 0.3}}}\n"
    "events: {purchase: {probability: 0.4}, error: {probability: 0.1}}\n",
    "alerts.yaml": "destinations: {hook: {url_env: EQUIPOISE_ALERT_HOOK}}\ndefault: [hook]\npause_seconds: 0\n",
}
EXPERIMENT = """\
id: {id}
start: {start}
end: {end}
variants:
  - {{id: a, weight: {share}, baseline: true}}
  - {{id: b, weight: {other}}}
segments: [device]
metrics:
  primary: [revenue]
  guardrail: [{{metric: errors, non_inferiority_margin: 0.5}}]
analysis: {{method: {method}, minimum_units: 200}}
"""
EXPERIMENTS = [
    ("whole_month", 8, 38, 0.5, "fixed"),
    ("daily_looks", 8, 45, 0.5, "always_valid"),
    ("few_treated", 15, 45, 0.9, "fixed"),
    ("second_month", 33, 52, 0.5, "fixed"),
]
"""Id, first and last day, share of the baseline, method."""


def write_project(root: Path) -> Workspace:
    workspace = Workspace(root / "configs", root / "data", root / "state")
    texts = MONTHS | {
        f"experiments/{id_}.yaml": EXPERIMENT.format(
            id=id_, start=_day(first), end=_day(last), share=share, other=round(1 - share, 6), method=method
        )
        for id_, first, last, share, method in EXPERIMENTS
    }
    for name, text in texts.items():
        path = workspace.configs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return workspace


def _day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number - 1)


@pytest.mark.slow
def test_a_clean_project_tells_nobody_anything_in_sixty_days(tmp_path, monkeypatch) -> None:
    """Run daily after a fortnight at once; with rows that come late, twice and broken, as the simulator makes them."""
    workspace, webhook = write_project(tmp_path), Webhook()
    monkeypatch.setenv("EQUIPOISE_ALERT_HOOK", webhook.url)
    simulate_project(workspace, units=6_000, days=DAYS, seed=11)

    spans = [(1, FORTNIGHT), *((number, number) for number in range(FORTNIGHT + 1, DAYS + 1))]
    ran = [command(workspace, "run", f"--from={_day(first)}", f"--to={_day(last)}") for first, last in spans]
    webhook.close()

    assert [one.err for one in ran if one.status] == []
    assert [post["message"] for post in webhook.posted] == []
    checks = table(workspace.state, "health_checks")
    assert checks["passed"].astype(bool).all()
    assert set(checks["experiment_id"]) == {id_ for id_, *_ in EXPERIMENTS}
    assert table(workspace.state, "alerts").empty


def test_a_thousand_clean_experiments_raise_at_most_five_sample_ratio_alarms(monkeypatch) -> None:
    """Sixty daily looks at exposed and at matured units, and chi-squared once at the end.

    Per experiment .001 for the sequential test and .0005 at the end, of exposed units and again of matured ones, which
    are the same units a day later: at most .0015 if the two agree. P(X > 5 | 1,000, .0015) is .004.
    """
    for name in set(CHECKS) - {"sample_ratio_mismatch", "sample_ratio_mismatch_matured"}:
        monkeypatch.delitem(CHECKS, name)
    generator, days = np.random.default_rng(20261127), [_day(number) for number in range(1, DAYS + 1)]
    shares = (0.5, 0.9, 1 / 3)
    ids = [f"e{number:03}" for number in range(1_000)]
    weights = {id_: (share := shares[number % 3], 1 - share) for number, id_ in enumerate(ids)}
    experiments = {id_: _experiment(id_, weights[id_]) for id_ in ids}
    daily = generator.integers(20, 2_000, size=(len(ids), 1, 1))
    split = np.array([weights[id_] for id_ in ids])[:, None, :]
    exposed = generator.poisson(np.broadcast_to(daily * split, (len(ids), DAYS, 2))).cumsum(axis=1)
    matured = np.concatenate([np.zeros((len(ids), 1, 2), dtype=int), exposed[:, :-1]], axis=1)
    keys = pd.MultiIndex.from_product([ids, days, ["a", "b"]], names=["experiment_id", "as_of_date", "variant_id"])
    rows = keys.to_frame(index=False).assign(segment_name="all", segment_value="all")
    counts = rows.assign(
        epoch=0, n_units=exposed.ravel(), n_mixed_excluded=0, weight=np.broadcast_to(split, exposed.shape).ravel()
    )
    moments = rows.assign(metric_id="orders", n_units=matured.ravel())
    data = HealthData(epoch_counts=counts, moments=moments.reindex(columns=HealthData().moments.columns))
    metrics = {
        "orders": Metric(id="orders", type="proportion", source="shop", event="order", window={"end_days": 1}),
    }

    found = health_checks(data, experiments, metrics, Project(name="clean", history_start=FIRST_DAY), days)

    assert len(found) == 2 * len(ids) * DAYS
    alarms = set(found.loc[~found["passed"], "experiment_id"])
    assert len(alarms) <= 5, alarms


def _experiment(id_: str, weights: tuple[float, float]) -> Experiment:
    return Experiment(
        id=id_, start=FIRST_DAY, end=_day(DAYS - 1), exposure_source="web", metrics={"primary": ["orders"]},
        variants=[
            {"id": "a", "weight": weights[0], "baseline": True}, {"id": "b", "weight": weights[1]},
        ],
    )  # fmt: skip
