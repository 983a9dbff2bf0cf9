"""Factors in YAML, simulated logs with known truth, the pipeline: effects, and a level of each factor recommended.

`button`: blue buys half as much again, size does nothing. `banner`: bold text and a picture only help together.
`screening`: a half fraction, in which what `speed` does is aliased with an interaction.
"""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestration.simulated_project import simulate_project
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import run, table

DAYS = [date(2026, 10, day) for day in range(1, 6)]
pytestmark = [pytest.mark.xdist_group("factorial_experiments"), pytest.mark.long]


@pytest.fixture(scope="module")
def crossed(tmp_path_factory) -> Workspace:
    """Two runs, so that the second adds to the first."""
    root = tmp_path_factory.mktemp("factorial")
    workspace = Workspace(Path(__file__).parent / "factorial_experiments", root / "data", root / "state")
    simulate_project(workspace, units=6000, days=len(DAYS), seed=5)
    run(workspace, DAYS[0], DAYS[2])
    run(workspace, DAYS[3], DAYS[4])
    return workspace


@pytest.fixture(scope="module")
def final(crossed) -> pd.DataFrame:
    """Effects at the deciding date, by experiment, metric, term and levels."""
    found = table(crossed.state, "factorial_effects", as_of_date=DAYS[-1])
    return found.set_index(["experiment_id", "metric_id", "term", "levels"]).sort_index()


def test_each_experiment_is_decided_by_its_main_effects(crossed):
    decisions = table(crossed.state, "decisions", as_of_date=DAYS[-1]).set_index("experiment_id")
    assert decisions["recommendation"].to_dict() == {"button": "ship", "banner": "review", "screening": "review"}
    assert decisions.loc["button", "variant_id"] == "blue-small"
    assert "colour=blue" in decisions.loc["button", "summary"]
    assert "text:picture interact on Conversion" in decisions.loc["banner", "summary"]
    assert "speed with -price:badge" in decisions.loc["screening", "summary"]


def test_effects_cover_the_truth(crossed, final):
    """True shares of the cells, as the simulation knows them; the intervals are of 95 %, so Bonferroni's are taken."""
    truth = pd.read_csv(crossed.data / "truth.csv")
    truth = truth[truth["metric_id"] == "conversion"].set_index(["experiment_id", "variant_id"])["effect"]
    of_button = truth.loc["button"]
    expected = {
        ("button", "colour", "blue"): of_button[["blue-small", "blue-medium", "blue-large"]].mean(),
        ("button", "size", "medium"): 0.0,
        ("button", "size", "large"): 0.0,
        ("banner", "text:picture", "bold:yes"): truth.loc[("banner", "bold-yes")] / 2,
        ("screening", "speed", "fast"): truth.loc["screening"][["low-on-fast", "high-off-fast"]].mean(),
        ("screening", "price", "high"): 0.0,
    }
    for (experiment_id, term, levels), effect in expected.items():
        row = final.loc[(experiment_id, "conversion", term, levels)]
        assert abs(row["effect"] - effect) < 2.64 * row["effect_se"], (experiment_id, term, levels)


def test_effects_follow_from_the_published_moments(crossed, final):
    moments = table(crossed.state, "metric_moments", as_of_date=DAYS[-1], experiment_id="button", metric_id="spend")
    cells = moments.set_index("variant_id")
    side = {"blue": 1, "red": -1}
    weights = np.array([side[name.split("-")[0]] / 3 for name in cells.index])
    row = final.loc[("button", "spend", "colour", "blue")]
    assert row["effect"] == pytest.approx((weights * cells["mean"]).sum())
    assert row["effect_se"] == pytest.approx(np.sqrt((weights**2 * cells["variance"] / cells["n_units"]).sum()))
    assert row["n_units"] == cells["n_units"].sum()


def test_every_effect_and_term_has_a_status_at_every_date(crossed):
    effects, terms = (table(crossed.state, f"factorial_{name}") for name in ("effects", "terms"))
    assert sorted(effects["as_of_date"].dt.date.unique()) == DAYS
    assert set(terms[terms["experiment_id"] == "screening"]["status"]) == {"aliased"}
    first = effects[(effects["as_of_date"].dt.date == DAYS[0]) & (effects["metric_id"] == "conversion")]
    assert set(first["status"]) == {"no_units"}  # no window of a day has matured
    quantile = effects[effects["metric_id"] == "median_spend"]
    assert set(quantile["status"]) == {"failed"} and quantile["effect"].isna().all()
    usable = effects[effects["status"].isin(["ok", "skewed"])]
    assert usable[["effect", "effect_se", "p_value_adjusted"]].notna().all(axis=None)


def test_a_rebuild_and_the_command_line_agree(crossed, equipoise):
    verified = equipoise(crossed, "verify", "--format", "json")
    assert verified.status == 0, verified.out
    shown = equipoise(crossed, "results", "--experiment", "button")
    assert "colour" in shown.out and "blue:large" in shown.out


@pytest.mark.slow
def test_one_broken_design_leaves_the_others_alone(crossed, tmp_path):
    configs = tmp_path / "configs"
    configs.mkdir()
    for path in crossed.configs.rglob("*.yaml"):
        target = configs / path.relative_to(crossed.configs)
        target.parent.mkdir(exist_ok=True)
        target.write_text(path.read_text().replace("speed = -price*badge", "speed = -price*bagde"))
    broken = replace(crossed, configs=configs, state=tmp_path / "state")
    run(broken, DAYS[0], DAYS[1])
    found = table(broken.state, "decisions", as_of_date=DAYS[1]).set_index("experiment_id")
    assert found["recommendation"].to_dict() == {"button": "continue", "banner": "continue", "screening": "invalid"}
    assert "there is no factor 'bagde'" in found.loc["screening", "summary"]
