"""A triggered experiment from YAML to the diluted effect, on logs whose truth is known and counted again here.

Of 2,400 units a third searches after its exposure, whatever its arm. Searching lets the new page sell to one in two
instead of one in five; who does not search buys no more than before. Some search before their exposure only, some
exposures are logged a day late or again under the other variant, some searches come again.
"""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestration.verify import verify
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, environment_kept, run, table

pytestmark = pytest.mark.xdist_group("trigger")

DAYS = [date(2026, 10, day) for day in range(1, 5)]
BEGIN, LAST = pd.Timestamp("2026-10-01"), pd.Timestamp("2026-10-04")
N = 2_400
FILES = {
    "project.yaml": "{name: shop, late_arrival_days: 1, history_start: 2026-10-01}\n",
    "sources.yaml": """\
exposures:
  - {id: web, path: "exposures/{date}.csv", format: csv,
     columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}}
events:
  - {id: shop, path: "events/{date}.csv", format: csv, properties: [page],
     columns: {event_id: id, unit_id: unit, event_name: name, occurred_at: at}}
""",
    "metrics/shop.yaml": """\
- {id: bought, type: proportion, source: shop, event: purchase, window: {end_days: 1}}
- {id: purchases_per_search, type: ratio, window: {end_days: 1},
   numerator: {source: shop, event: purchase}, denominator: {source: shop, event: search}}
""",
    "experiments/search_page.yaml": """\
id: search_page
start: 2026-10-01
end: 2026-10-03
variants: [{id: old, weight: 0.5, baseline: true}, {id: new, weight: 0.5}]
trigger: {source: shop, event: search, where: [{property: page, value: shop}], counterfactual: true}
metrics: {primary: [bought], secondary: [purchases_per_search]}
analysis: {minimum_days: 1, minimum_units: 100}
""",
}


def simulated() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Exposures and events with their log dates."""
    rng = np.random.default_rng(5)
    unit = np.array([f"u{number:04}" for number in range(N)])
    variant = rng.choice(["old", "new"], N)
    seconds = rng.integers(0, 60 * 3600, N)
    at = BEGIN + pd.to_timedelta(seconds, unit="s")
    late = pd.to_timedelta((rng.random(N) < 0.1) * 1, "D")
    exposures = pd.DataFrame({"unit": unit, "experiment": "search_page", "variant": variant, "at": at})
    exposures["log_date"] = exposures["at"].dt.normalize() + late
    again = exposures[rng.random(N) < 0.05].copy()
    again["variant"] = np.where(again["variant"] == "old", "new", "old")
    again["at"] += pd.Timedelta(hours=9)
    again["log_date"] = again["at"].dt.normalize()
    searches = rng.random(N) < 1 / 3
    first = exposures[searches].copy()
    first["at"] += pd.to_timedelta(rng.integers(0, 10 * 3600, len(first)), unit="s")
    more = first[rng.random(len(first)) < 0.3].copy()
    more["at"] += pd.to_timedelta(rng.integers(1, 3600, len(more)), unit="s")
    before = exposures[rng.random(N) < 0.2].copy()
    before["at"] -= pd.Timedelta(seconds=1)
    elsewhere = exposures[rng.random(N) < 0.2].assign(page="blog")
    chance = np.where(first["variant"] == "new", 0.5, 0.2)
    of_searchers = first[rng.random(len(first)) < chance].copy()
    of_searchers["at"] += pd.Timedelta(minutes=5)
    of_others = exposures[~searches & (rng.random(N) < 0.1)].copy()
    of_others["at"] += pd.Timedelta(minutes=5)
    events = pd.concat(
        [
            *(frame.assign(name="search", page="shop") for frame in (first, more, before)),
            elsewhere.assign(name="search"),
            *(frame.assign(name="purchase", page="shop") for frame in (of_searchers, of_others)),
        ],
        ignore_index=True,
    )
    is_late = pd.to_timedelta((rng.random(len(events)) < 0.1) * 1, "D")
    events = events.assign(
        id=[f"e{number}" for number in range(len(events))], log_date=events["at"].dt.normalize() + is_late
    )
    return pd.concat([exposures, again], ignore_index=True), events


@pytest.fixture(scope="module")
def logs() -> tuple[pd.DataFrame, pd.DataFrame]:
    return simulated()


@pytest.fixture(scope="module")
def shop(tmp_path_factory, logs) -> Workspace:
    """All days in one run. Read only."""
    root: Path = tmp_path_factory.mktemp("trigger")
    workspace = Workspace(root / "configs", root / "data", root / "state")
    for name, text in FILES.items():
        path = workspace.configs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    columns = {"exposures": ["unit", "experiment", "variant", "at"], "events": ["id", "unit", "name", "at", "page"]}
    for source, frame in zip(columns, logs, strict=True):
        (workspace.data / source).mkdir(parents=True)
        for day in DAYS:
            own = frame[frame["log_date"] == pd.Timestamp(day)].assign(at=lambda rows: rows["at"].dt.strftime("%FT%TZ"))
            own[columns[source]].to_csv(workspace.data / source / f"{day}.csv", index=False)
    run(workspace, DAYS[0], DAYS[-1])
    return workspace


def population(logs: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    """Each unit's first exposure, whether it is mixed, when it was triggered, and whether it bought in time."""
    exposures, events = (frame[frame["log_date"] <= LAST] for frame in logs)
    exposures = exposures[exposures["at"] < LAST]
    ordered = exposures.sort_values("at").groupby("unit")
    units = ordered[["variant", "at"]].first().assign(is_mixed=ordered["variant"].min() != ordered["variant"].max())
    found = events[(events["name"] == "search") & (events["page"] == "shop")].join(units, on="unit", rsuffix="_exposed")
    found = found[(found["at"] >= found["at_exposed"]) & (found["at"] < LAST)]
    units["triggered_at"] = found.groupby("unit")["at"].min()
    bought = events[events["name"] == "purchase"].join(units, on="unit", rsuffix="_exposed")
    for name, since in (("bought", "triggered_at"), ("bought_of_everyone", "at_exposed")):
        age = bought["at"] - bought[since]
        units[name] = units.index.isin(bought.loc[(age >= pd.Timedelta(0)) & (age < pd.Timedelta(days=1)), "unit"])
    return units[~units["is_mixed"]]


def test_triggered_units_count_from_their_trigger_on(shop, logs):
    units = population(logs)
    triggered = units[units["triggered_at"].notna()].groupby("variant")["bought"].agg(["size", "mean"])
    (row,) = table(shop.state, "scorecard", metric_id="bought", as_of_date=DAYS[-1]).to_dict("records")

    assert (row["n_baseline"], row["n_treatment"]) == (triggered.loc["old", "size"], triggered.loc["new", "size"])
    assert row["baseline_mean"] == pytest.approx(triggered.loc["old", "mean"], rel=1e-12)
    assert row["treatment_mean"] == pytest.approx(triggered.loc["new", "mean"], rel=1e-12)
    assert row["ci_low"] < 0.3 < row["ci_high"]


def test_the_effect_on_everyone_is_that_times_their_share(shop, logs):
    units = population(logs)
    (row,) = table(shop.state, "scorecard", metric_id="bought", as_of_date=DAYS[-1]).to_dict("records")
    found = table(shop.state, "diluted_effects", as_of_date=DAYS[-1]).set_index("metric_id")
    bought = found.loc["bought"]
    share = units["triggered_at"].notna().mean()

    assert (bought["n_triggered"], bought["n_everyone"]) == (units["triggered_at"].notna().sum(), len(units))
    assert bought["effect"] == pytest.approx(share * row["effect"], rel=1e-12)
    assert bought["ci_low"] < 0.1 < bought["ci_high"] and bought["status"] == "ok"
    old = units[units["variant"] == "old"]
    assert bought["baseline_mean"] == pytest.approx(old["bought_of_everyone"].mean(), rel=1e-12)
    assert bought["effect_relative"] == pytest.approx(bought["effect"] / bought["baseline_mean"], rel=1e-12)
    assert found.loc["purchases_per_search", "status"] == "not_computed"
    assert found.loc["purchases_per_search", "reason"] == "an effect on a ratio does not dilute by a share of units"


def test_the_sample_ratio_is_of_triggered_units_and_everyone_stays_inside(shop, logs):
    units = population(logs)
    health = table(shop.state, "health_checks", as_of_date=DAYS[-1], check_name="sample_ratio_mismatch")
    counts = table(shop.state, "exposure_counts", as_of_date=DAYS[-1])
    (decision,) = table(shop.state, "decisions", as_of_date=DAYS[-1]).to_dict("records")

    assert set(counts["experiment_id"]) == {"search_page"}
    assert counts["n_units"].sum() == units["triggered_at"].notna().sum()
    assert len(health) and health["passed"].all() and "exposed units" in health["message"].iloc[0]
    assert decision["variant_id"] == "new", decision["summary"]


@pytest.mark.slow
def test_days_one_by_one_and_a_day_again_are_one_run(shop, tmp_path):
    daily = replace(shop, state=tmp_path / "state")
    for first, until in [
        (DAYS[0], DAYS[0]),
        (DAYS[1], DAYS[1]),
        (DAYS[2], DAYS[2]),
        (DAYS[1], DAYS[1]),
        (DAYS[3], DAYS[3]),
    ]:
        run(daily, first, until)
    assert_same_results(daily.state, shop.state)
    with environment_kept():
        verified = verify(daily)
    assert verified.is_identical
    assert {one.table: one.n_rows for one in verified.tables}["diluted_effects"] == 2 * len(DAYS)
