"""A holdout from YAML to its measured effect, and an experiment that respects it, on logs whose truth is known.

One unit in five is held out. The others are in an experiment whose new checkout sells to 40 %, not 20 %: shipped to
half of them, it brings 10 points to those not held out. The log has held-out units in the experiment all the same, as
its control, which a flag's default is, and some of them in both arms.
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

pytestmark = pytest.mark.xdist_group("holdout")

DAYS = [date(2026, 10, day) for day in range(1, 6)]
BEGIN = pd.Timestamp("2026-10-01")
N = 4_000
FILES = {
    "project.yaml": "{name: shop, late_arrival_days: 1, history_start: 2026-10-01, exclusion_groups: [page]}\n",
    "sources.yaml": """\
exposures:
  - {id: web, path: "exposures/{date}.csv", format: csv,
     columns: {unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}}
events:
  - {id: shop, path: "events/{date}.csv", format: csv,
     columns: {event_id: id, unit_id: unit, event_name: name, occurred_at: at}}
""",
    "metrics/shop.yaml": "- {id: bought, type: proportion, source: shop, event: purchase, window: {end_days: 2}}\n",
    "experiments/winter.yaml": """\
id: winter
type: holdout
start: 2026-10-01
end: 2026-10-03
variants: [{id: held_out, weight: 0.2, baseline: true}, {id: everyone, weight: 0.8}]
metrics: {primary: [bought]}
analysis: {minimum_days: 1, minimum_units: 100}
""",
    "experiments/checkout.yaml": """\
id: checkout
start: 2026-10-02
end: 2026-10-03
holdouts: [winter]
variants: [{id: control, weight: 0.5, baseline: true}, {id: fast, weight: 0.5}]
metrics: {primary: [bought]}
analysis: {minimum_days: 1, minimum_units: 100}
""",
}


GROUPED = """\
id: {id}
start: 2026-10-01
end: 2026-10-02
exclusion_group: page
variants: [{{id: 'off', weight: 0.5, baseline: true}}, {{id: 'on', weight: 0.5}}]
metrics: {{primary: [bought]}}
analysis: {{minimum_days: 1, minimum_units: 100}}
"""
FILES |= {f"experiments/{id_}.yaml": GROUPED.format(id=id_) for id_ in ("hero", "footer")}


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Workspace:
    """All days in one run. Read only."""
    root: Path = tmp_path_factory.mktemp("holdout")
    workspace = Workspace(root / "configs", root / "data", root / "state")
    rng = np.random.default_rng(3)
    units = pd.DataFrame({"unit": [f"u{number:04}" for number in range(N)]})
    units["at"] = BEGIN + pd.to_timedelta(rng.integers(0, 48 * 3600, N), unit="s")
    units["held_out"] = rng.random(N) < 0.2
    fast = ~units["held_out"] & (rng.random(N) < 0.5)
    a_day_later = units.assign(at=units["at"] + pd.Timedelta(days=1), experiment="checkout")
    again = a_day_later[units["held_out"] & (rng.random(N) < 0.2)]
    exposures = pd.concat(
        [
            units.assign(experiment="winter", variant=np.where(units["held_out"], "held_out", "everyone")),
            a_day_later.assign(variant=np.where(fast, "fast", "control")),
            again.assign(at=again["at"] + pd.Timedelta(minutes=1), variant="fast"),
            *(
                some.assign(experiment=id_, variant=np.where(np.arange(len(some)) % 2, "on", "off"))
                for id_, some in (("hero", units.iloc[:1000]), ("footer", units.iloc[990:2000]))
            ),
        ],
        ignore_index=True,
    )
    bought = a_day_later[rng.random(N) < np.where(fast, 0.4, 0.2)]
    purchases = bought.assign(at=bought["at"] + pd.Timedelta(hours=1), name="purchase", id="p" + bought["unit"])
    events = pd.concat([purchases, a_day_later.assign(name="visit", id="v" + a_day_later["unit"])])
    frames = {
        "exposures": exposures[["unit", "experiment", "variant", "at"]],
        "events": events[["id", "unit", "name", "at"]],
    }
    for name, text in FILES.items():
        path = workspace.configs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for source, frame in frames.items():
        (workspace.data / source).mkdir(parents=True)
        for day in DAYS:
            own = frame[frame["at"].dt.date == day].assign(at=lambda rows: rows["at"].dt.strftime("%FT%TZ"))
            own.to_csv(workspace.data / source / f"{day}.csv", index=False)
    run(workspace, DAYS[0], DAYS[-1])
    return workspace


def test_held_out_units_are_no_units_of_the_experiment(shop):
    health = table(shop.state, "health_checks", as_of_date=DAYS[-1], experiment_id="checkout").set_index("check_name")
    counts = table(shop.state, "exposure_counts", as_of_date=DAYS[-1]).set_index(["experiment_id", "variant_id"])
    (row,) = table(shop.state, "scorecard", as_of_date=DAYS[-1], experiment_id="checkout").to_dict("records")
    (decision,) = table(shop.state, "decisions", as_of_date=DAYS[-1], experiment_id="checkout").to_dict("records")

    assert health.loc[["sample_ratio_mismatch", "mixed_exposures"], "passed"].all()
    assert counts.loc["checkout", "n_units"].sum() == counts.loc[("winter", "everyone"), "n_units"]
    assert counts.loc["checkout", "n_mixed_excluded"].sum() == 0
    assert row["ci_low"] < 0.2 < row["ci_high"]
    assert (decision["recommendation"], decision["variant_id"]) == ("ship", "fast"), decision["summary"]


def test_the_holdout_is_measured_and_not_shipped(shop):
    (row,) = table(shop.state, "scorecard", as_of_date=DAYS[-1], experiment_id="winter").to_dict("records")
    found = table(shop.state, "decisions", experiment_id="winter").set_index("as_of_date")

    assert row["ci_low"] < 0.1 < row["ci_high"] and row["ci_low"] > 0
    assert found["recommendation"].tolist() == ["continue"] * 4 + ["stop"]
    assert (
        found["summary"]
        .iloc[-1]
        .startswith("Measured, not shipped: all that the held-out units were kept from changed")
    )
    assert "a holdout is measured, and its cumulative effect is complete on 2026-10-05" in found["summary"].iloc[0]


def test_units_in_two_experiments_of_a_group_fail_both_and_no_other(shop):
    health = table(shop.state, "health_checks", as_of_date=DAYS[3], check_name="exclusion_group")
    found = table(shop.state, "decisions", as_of_date=DAYS[3]).set_index("experiment_id")["recommendation"]

    assert health["experiment_id"].tolist() == ["footer", "hero"] and not health["passed"].any()
    assert health["statistic"].tolist() == pytest.approx([10 / 1010, 10 / 1000])
    assert found[["footer", "hero"]].tolist() == ["invalid", "invalid"] and found["winter"] == "continue"


@pytest.mark.slow
def test_days_one_by_one_and_a_day_again_are_one_run(shop, tmp_path):
    daily = replace(shop, state=tmp_path / "state")
    for first, until in [(DAYS[0], DAYS[1]), (DAYS[2], DAYS[2]), (DAYS[0], DAYS[0]), (DAYS[3], DAYS[4])]:
        run(daily, first, until)
    assert_same_results(daily.state, shop.state)
    with environment_kept():
        verified = verify(daily)
    assert verified.is_identical, verified.tables
