"""Units lost in one arm, one way an experiment: the published cause names stage, segment, days and arm.

Some 6,000 units are exposed in each experiment over six days, 55 % of them on android; nine in ten visits are logged as
an event too.
"""

import contextlib
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from orchestration.simulated_project import simulate_project
from orchestration.verify import verify
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import assert_same_results, environment_kept, run, table

pytestmark = [pytest.mark.xdist_group("srm_causes"), pytest.mark.long]

FIRST_DAY, LAST_DAY = date(2026, 10, 1), date(2026, 10, 6)
CONFIGS = {
    "project.yaml": f"name: lossy\nlate_arrival_days: 1\nhistory_start: {FIRST_DAY}\n",
    "sources.yaml": """\
exposures:
  - id: web
    path: web/{date}.parquet
    format: parquet
    columns: {unit_id: user, experiment_id: experiment, variant_id: variant, exposed_at: ts}
    attributes: [platform, country]
events:
  - id: shop
    path: shop/{date}.parquet
    format: parquet
    columns: {event_id: id, unit_id: user, event_name: name, occurred_at: ts}
""",
    "metrics/shop.yaml": """\
- {id: visited, type: proportion, source: shop, event: visit, window: {end_days: 1}}
""",
    "simulation.yaml": """\
population: {visits_per_day: 0.25, new_unit_share: 0}
attributes:
  platform: {android: {share: 0.55}, ios: {share: 0.45}}
  country: {BR: {share: 0.3}, DE: {share: 0.7}}
events: {visit: {probability: 0.9}}
experiments:
  crash: {lost: {variant: b, share: 0.4, among: {platform: android}}}
  two_causes:
    lost:
      - {variant: a, share: 0.6, among: {country: BR}, from: 2026-10-03}
      - {variant: a, share: 0.4, among: {platform: android}}
  silent: {lost: {variant: b, share: 0.4, rows: events, among: {platform: ios}}}
rows: {late: 0.01, too_late: 0, duplicate: 0.005, malformed: 0}
""",
}
EXPERIMENT = """\
id: {id}
start: {start}
end: {end}
variants: [{{id: a, weight: 0.5, baseline: true}}, {{id: b, weight: 0.5}}]
segments: [platform, country]
metrics: {{primary: [visited]}}
analysis: {{minimum_days: 3}}
"""
EXPERIMENTS = ("clean", "crash", "two_causes", "silent", "refused")


@pytest.fixture(scope="module")
def lossy(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Run in one go. Of `refused`, b's units on ios say in half of their exposures that it is 2030. Read only."""
    root = tmp_path_factory.mktemp("lossy")
    workspace = Workspace(root / "configs", root / "data", root / "state")
    texts = {f"experiments/{id_}.yaml": EXPERIMENT.format(id=id_, start=FIRST_DAY, end=LAST_DAY) for id_ in EXPERIMENTS}
    for name, text in (CONFIGS | texts).items():
        path = workspace.configs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    simulate_project(workspace, units=10_000, days=6, seed=1)
    for log in (workspace.data / "web").glob("*.parquet"):
        rows = pd.read_parquet(log)
        is_off = rows["experiment"].eq("refused") & rows["variant"].eq("b") & rows["platform"].eq("ios")
        is_off &= rows["user"].map(lambda user: hash_of(user) % 2 == 0)
        rows["ts"] = rows["ts"].mask(is_off, pd.Timestamp("2030-01-01"))
        rows.to_parquet(log)
    run(workspace, FIRST_DAY, LAST_DAY)
    return workspace


def hash_of(user: str) -> int:
    return int(pd.util.hash_array(pd.array([user], dtype="object").to_numpy())[0])


@pytest.fixture(scope="module")
def causes(lossy: Workspace) -> pd.DataFrame:
    return table(lossy.state, "srm_causes")


def at_the_end(causes: pd.DataFrame, id_: str) -> pd.DataFrame:
    return causes[(causes["experiment_id"] == id_) & (causes["as_of_date"] == pd.Timestamp(LAST_DAY))]


@pytest.mark.parametrize(
    ("id_", "expected"),
    [
        ("crash", [("exposed", "", "b", "platform", "android", FIRST_DAY)]),
        (
            "two_causes",
            [
                ("exposed", "", "a", "platform", "android", FIRST_DAY),
                ("exposed", "", "a", "country", "BR", date(2026, 10, 3)),
            ],
        ),
        ("silent", [("joined", "shop", "b", "platform", "ios", FIRST_DAY)]),
        ("refused", [("refused", "", "b", "platform", "ios", FIRST_DAY)]),
    ],
)
def test_the_cause_is_named_on_the_last_day(causes: pd.DataFrame, id_: str, expected: list[tuple]) -> None:
    found = at_the_end(causes, id_)

    rows = found[["stage", "source_id", "variant_id", "first_segment", "first_value", "from_date"]]
    named = [(*row[:-1], row[-1].date()) for row in rows.itertuples(index=False)]
    assert named == expected, found["message"].tolist()
    assert (found["second_segment"] == "").all()
    assert found["share_explained"].sum() > 0.7


def test_a_clean_experiment_has_no_cause(causes: pd.DataFrame) -> None:
    assert "clean" not in set(causes["experiment_id"])


def test_each_failed_check_quotes_its_leading_cause_from_its_first_day_on(
    lossy: Workspace, causes: pd.DataFrame
) -> None:
    health = table(lossy.state, "health_checks", passed=False)
    health = health[health["check_name"].isin(["sample_ratio_mismatch", "event_loss"])]
    leading = causes[causes["rank"] == 1].set_index(["experiment_id", "as_of_date"])["message"]

    assert set(health["experiment_id"]) == set(EXPERIMENTS) - {"clean"}
    for row in health.itertuples():
        assert row.message.endswith(leading[row.experiment_id, row.as_of_date])


@pytest.mark.parametrize("id_", ["crash", "two_causes", "silent", "refused"])
def test_the_published_query_reproduces_the_figures(lossy: Workspace, causes: pd.DataFrame, id_: str) -> None:
    cause = at_the_end(causes, id_).iloc[0]
    results = str((lossy.state / "results.duckdb").resolve())
    with contextlib.chdir(lossy.state), duckdb.connect(results, read_only=True) as connection:
        rows = connection.execute(cause["query"]).df()

    own = rows[rows["variant_id"] == cause["variant_id"]].iloc[0]
    figure, expected = {
        "exposed": ("n_units", cause["n_observed"]),
        "joined": ("n_with_event", cause["n_observed"]),
        "refused": ("n_units", cause["n_missing"]),
    }[cause["stage"]]
    assert own[figure] == pytest.approx(expected, rel=0.02 if id_ == "refused" else 1e-9)


@pytest.mark.slow
def test_day_by_day_and_in_a_rebuild_from_the_lake_the_same_causes_are_named(
    lossy: Workspace, causes: pd.DataFrame, tmp_path: Path
) -> None:
    daily = replace(lossy, state=tmp_path / "state")
    for first, last in ((1, 3), (4, 4), (5, 6)):
        run(daily, date(2026, 10, first), date(2026, 10, last))
    with environment_kept():
        verification = verify(daily)

    assert_same_results(daily.state, lossy.state)

    assert verification.is_identical, [one for one in verification.tables if not one.is_identical]
    (compared,) = [one for one in verification.tables if one.table == "srm_causes"]
    assert compared.n_rows == len(causes)
