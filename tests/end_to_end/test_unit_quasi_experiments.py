"""Units that took something up, and units on two sides of a cut-off: from YAML over simulated logs to a decision.

`loyalty`: whoever buys more joins more often, and spends 6 more for it. `bonus`: from a mean score of 50 on there is
one, worth 8 more of spending afterwards; scores are smooth there.
"""

from datetime import date
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import command, run, table

FIRST, UPTAKE, OUTCOME, LAST = date(2026, 10, 1), date(2026, 10, 3), date(2026, 10, 5), date(2026, 10, 7)
EFFECTS = {"loyalty": 6.0, "bonus": 8.0}
FILES = {
    "project.yaml": "{name: shop, late_arrival_days: 1, history_start: 2026-10-01}\n",
    "sources.yaml": """\
exposures:
  - {id: web, path: "exposures/{date}.csv", format: csv, allow_empty_days: true,
     columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}}
events:
  - {id: shop, path: "shop/{date}.parquet", format: parquet, measures: {amount: {column: amount, unit: EUR}},
     columns: {event_id: id, unit_id: unit, event_name: name, occurred_at: at}}
  - {id: game, path: "game/{date}.parquet", format: parquet, measures: {amount: {column: amount, unit: points}},
     columns: {event_id: id, unit_id: unit, event_name: name, occurred_at: at}}
""",
    "metrics/shop.yaml": """\
- {id: joined, type: proportion, source: shop, event: join}
- {id: spend, type: mean, source: shop, event: order, aggregate: sum, measure: amount}
- {id: orders, type: mean, source: shop, event: order, aggregate: count}
- {id: spend_in_game, type: mean, source: game, event: order, aggregate: sum, measure: amount}
- {id: rounds, type: mean, source: game, event: score, aggregate: count}
- {id: mean_score, type: ratio, numerator: {source: game, event: score, aggregate: sum, measure: amount},
   denominator: {source: game, event: score, aggregate: count}}
""",
    "experiments/loyalty.yaml": f"""\
id: loyalty
type: matched
start: {FIRST}
end: {LAST}
matched:
  {{treatment: joined, uptake_from: {UPTAKE}, outcome_from: {OUTCOME}, covariates: [spend, orders], neighbours: 3}}
metrics: {{primary: [spend]}}
""",
    "experiments/bonus.yaml": f"""\
id: bonus
type: regression_discontinuity
start: {FIRST}
end: {LAST}
regression_discontinuity: {{running: mean_score, cutoff: 50, outcome_from: {OUTCOME}, covariates: [rounds]}}
metrics: {{primary: [spend_in_game]}}
""",
}
pytestmark = [pytest.mark.xdist_group("unit_quasi_experiments"), pytest.mark.long]


def events(names: list[str], name: str, day: date, amount: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"unit": names, "name": name, "at": pd.Timestamp(day, tz="UTC"), "amount": amount.round(2)})


def shop_events(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Two or more orders before, an uptake that follows their number, and one order afterwards."""
    names = np.array([f"buyer {number}" for number in range(n)])
    taste, n_before = rng.gamma(6, 4, n), 1 + rng.poisson(1.5, n)
    joins = rng.random(n) < 1 / (1 + np.exp(3 - 0.4 * n_before - 0.03 * taste))
    before = np.repeat(np.arange(n), n_before)
    spent = taste + EFFECTS["loyalty"] * joins + 3 * n_before + rng.normal(30, 3, n)
    return pd.concat(
        [
            events(names[before], "order", FIRST, taste[before] + rng.gamma(2, 1, before.size)),
            events(names[joins], "join", UPTAKE, np.zeros(joins.sum())),
            events(names, "order", OUTCOME, spent),
        ]
    )


def game_events(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Two rounds before, whose mean is the score; spending rises smoothly with it, and jumps at 50."""
    names = np.array([f"player {number}" for number in range(n)])
    score = rng.normal(50, 12, n).round(2)
    wobble = rng.normal(0, 5, n).round(2)
    spent = 40 + 0.3 * (score - 50) + EFFECTS["bonus"] * (score >= 50) + rng.normal(0, 4, n)
    return pd.concat(
        [
            events(names, "score", FIRST, score + wobble),
            events(names, "score", UPTAKE, score - wobble),
            events(names, "order", OUTCOME, spent),
        ]
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Workspace:
    root = tmp_path_factory.mktemp("unit_quasi")
    workspace = Workspace(root / "configs", root / "data", root / "state")
    for name, text in FILES.items():
        (workspace.configs / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.configs / name).write_text(text, encoding="utf-8")
    rng = np.random.default_rng(8)
    for source, found in (("shop", shop_events(rng, 1200)), ("game", game_events(rng, 1600))):
        logged = found.reset_index(drop=True).assign(id=[f"{source} {row}" for row in range(len(found))])
        (workspace.data / source).mkdir(parents=True)
        for day in pd.date_range(FIRST, LAST):
            own = logged[logged["at"].dt.date == day.date()]
            own.to_parquet(workspace.data / source / f"{day:%Y-%m-%d}.parquet", index=False)
    assert command(workspace, "validate").status == 0
    run(workspace, FIRST, LAST)
    return workspace


def effect_of(shop: Workspace, experiment_id: str) -> pd.Series:
    found = table(shop.state, "quasi_estimates", experiment_id=experiment_id, as_of_date=LAST)
    return found[found["estimate"] == "effect"].iloc[0]


def checks_of(shop: Workspace, experiment_id: str) -> pd.Series:
    found = table(shop.state, "quasi_checks", experiment_id=experiment_id, as_of_date=LAST)
    return found.set_index("check_name")["passed"]


def recommended(shop: Workspace, experiment_id: str) -> str:
    return table(shop.state, "decisions", experiment_id=experiment_id, as_of_date=LAST)["recommendation"].item()


def test_matched_units_find_what_joining_is_worth(shop):
    row, logged = effect_of(shop, "loyalty"), pd.read_parquet(shop.data / "shop" / f"{OUTCOME}.parquet")
    joined = set(pd.read_parquet(shop.data / "shop" / f"{UPTAKE}.parquet")["unit"])
    is_joined = logged["unit"].isin(joined)
    naive = logged[is_joined]["amount"].mean() - logged[~is_joined]["amount"].mean()
    assert (row["status"], row["method"]) == ("ok", "nearest_neighbours"), row["reason"]
    assert row["ci_low"] <= EFFECTS["loyalty"] <= row["ci_high"] < naive
    assert checks_of(shop, "loyalty").all() and recommended(shop, "loyalty") == "ship"


def test_nothing_is_estimated_before_the_outcome(shop):
    found = table(shop.state, "quasi_estimates", experiment_id="loyalty")
    early = found[(found["as_of_date"] < pd.Timestamp(OUTCOME)) & (found["estimate"] == "effect")]
    assert len(early) == 4 and set(early["status"]) == {"not_begun"}


def test_the_jump_at_the_cutoff_is_the_bonus(shop):
    if find_spec("rdrobust") is None or find_spec("rddensity") is None:
        assert "pip install 'equipoise[rd]'" in effect_of(shop, "bonus")["reason"]
        assert recommended(shop, "bonus") != "ship"
        pytest.skip("rdrobust and rddensity are under the GPL, and in no lock: install the extra `rd`")
    row = effect_of(shop, "bonus")
    assert (row["status"], row["method"]) == ("ok", "rdrobust"), row["reason"]
    assert row["ci_low"] <= EFFECTS["bonus"] <= row["ci_high"]
    assert checks_of(shop, "bonus").all() and recommended(shop, "bonus") == "ship"


def test_a_rebuild_gives_the_same(shop, equipoise):
    verified = equipoise(shop, "verify")
    assert verified.status == 0, verified.out
