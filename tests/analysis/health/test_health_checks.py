"""Health checks on counts small enough to check by eye, and their false alarms over many experiments."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.health import CHECKS, HealthData, health_checks
from configs.schema import Experiment, Metric, Project

START, END = date(2026, 9, 1), date(2026, 9, 10)
PROJECT = Project(name="shop", history_start=date(2026, 9, 1), late_arrival_days=0)
METRICS = {
    "conversion": Metric(id="conversion", type="proportion", source="shop", event="purchase", window={"end_days": 3}),
    "tickets": Metric(id="tickets", type="proportion", source="shop", event="ticket"),
}
EPOCH_COLUMNS = [
    "as_of_date", "experiment_id", "segment_name", "segment_value", "epoch", "variant_id",
    "n_units", "n_mixed_excluded", "weight",
]  # fmt: skip
MATURED_COLUMNS = ["as_of_date", "experiment_id", "metric_id", "variant_id", "segment_name", "n_units"]


def experiment(weights: Mapping[str, float], **changes: Any) -> Experiment:
    variants = [
        {"id": variant, "weight": weight, "baseline": position == 0}
        for position, (variant, weight) in enumerate(weights.items())
    ]
    base = {"id": "banner", "start": START, "end": END, "exposure_source": "web", "variants": variants}
    return Experiment(**base | {"metrics": {"primary": ["conversion"], "secondary": ["tickets"]}} | changes)


def counts(
    day: date,
    units: Sequence[int],
    weights: Mapping[str, float],
    *,
    mixed: Sequence[int] | None = None,
    epoch: int = 1,
    segment: tuple[str, str] = ("all", "all"),
) -> list[tuple[Any, ...]]:
    """Rows of fct_epoch_counts: `units` are unmixed, one number per variant."""
    return [
        (day, "banner", *segment, epoch, variant, n, n_mixed, weight)
        for (variant, weight), n, n_mixed in zip(weights.items(), units, mixed or [0] * len(units), strict=True)
    ]


def matured(day: date, units: Sequence[int], variants: Sequence[str] = ("a", "b")) -> list[tuple[Any, ...]]:
    return [(day, "banner", "conversion", variant, "all", n) for variant, n in zip(variants, units, strict=True)]


def source_days(n_days: int = 20, **missing: str) -> pd.DataFrame:
    rows = [
        (START + timedelta(days=n), source, "ok", "")
        for n in range(n_days)
        for source in ("web", "shop")
        if (START + timedelta(days=n)).isoformat() not in missing.get(source, "")
    ]
    return pd.DataFrame(rows, columns=["log_date", "source_id", "status", "reason"])


def check(
    subject: Experiment,
    epoch_rows: list[tuple[Any, ...]],
    *,
    days: Sequence[date],
    matured_rows: list[tuple[Any, ...]] | None = None,
    logs: pd.DataFrame | None = None,
) -> pd.DataFrame:
    moments = pd.DataFrame(matured_rows or [], columns=MATURED_COLUMNS)
    data = HealthData(
        epoch_counts=pd.DataFrame(epoch_rows, columns=EPOCH_COLUMNS),
        moments=moments.reindex(columns=HealthData().moments.columns),
        source_days=source_days() if logs is None else logs,
    )
    return health_checks(data, {subject.id: subject}, METRICS, PROJECT, days)


def only(frame: pd.DataFrame, name: str, day: date | None = None) -> Any:
    rows = frame[frame["check_name"] == name]
    if day is not None:
        rows = rows[rows["as_of_date"] == pd.Timestamp(day)]
    assert len(rows) == 1, rows
    return rows.iloc[0]


HALVES = {"a": 0.5, "b": 0.5}


def test_a_clean_experiment_passes_every_check() -> None:
    frame = check(
        experiment(HALVES),
        counts(END, [5_010, 4_990], HALVES),
        days=[END],
        matured_rows=matured(END, [3_000, 3_020]),
    )
    assert frame["passed"].all()
    assert set(frame["check_name"]) == CHECKS.keys() - {
        "sample_ratio_mismatch_segment",
        "sample_ratio_mismatch_epoch",
        "exclusion_group",
        "block_arms",
        "logged_propensities",
    }
    assert frame["check_name"].is_unique
    assert set(frame["segment_name"]) == set(frame["segment_value"]) == {"all"}


def test_cookie_cats_passes_with_a_note() -> None:
    """44,700 and 45,489 players, published p .0086: between the note's .01 and the .0005 that fails."""
    row = only(check(experiment(HALVES), counts(END, [44_700, 45_489], HALVES), days=[END]), "sample_ratio_mismatch")
    assert row["passed"]
    assert row["severity"] == "note"
    assert row["p_value"] == pytest.approx(0.008608, abs=1e-6)
    assert row["message"] == (
        "exposed units: a 44,700 (49.56%, expected 50.00%), b 45,489 (50.44%, expected 50.00%): passes, with a"
        " note: χ² 6.902, p 0.008608, below 0.01 but not failing (at the planned end it fails below 0.0005);"
        " sequential p 0.1416, fails below 0.001"
    )


@pytest.mark.parametrize(
    ("units", "p_value"),
    [([3_332, 2_996], 2.401e-5), ([1_664, 2_165], 5.67e-16)],
    ids=["homepage", "classroom"],
)
def test_audacity_fails(units: list[int], p_value: float) -> None:
    """Recomputed from the public logs: homepage p 2.40e-05, classroom p 5.7e-16."""
    row = only(check(experiment(HALVES), counts(END, units, HALVES), days=[END]), "sample_ratio_mismatch")
    assert not row["passed"]
    assert row["severity"] == "error"
    assert row["p_value"] == pytest.approx(p_value, rel=2e-3)


def test_chi_squared_is_looked_at_once_and_its_verdict_stays() -> None:
    """At p 2.4e-5 chi-squared does not fail before the end, does at it, and keeps its verdict."""
    days = [END - timedelta(days=1), END, END + timedelta(days=1)]
    rows = [row for day, b in zip(days, (2_996, 2_996, 3_300), strict=True) for row in counts(day, [3_332, b], HALVES)]
    frame = check(experiment(HALVES), rows, days=days)
    before, at, after = (only(frame, "sample_ratio_mismatch", day) for day in days)
    assert before["passed"]
    assert before["severity"] == "note"
    assert not at["passed"]
    assert not after["passed"]
    assert after["p_value"] == at["p_value"] == pytest.approx(2.401e-5, rel=2e-3)


def test_the_sequential_test_fails_before_the_end_and_remembers() -> None:
    """10,000 v 11,000 has log BF 15; a later recovery does not mend it, though only that is asked for."""
    days = [START, START + timedelta(days=1)]
    rows = [*counts(days[0], [10_000, 11_000], HALVES), *counts(days[1], [40_000, 40_000], HALVES)]
    row = only(check(experiment(HALVES), rows, days=days[1:]), "sample_ratio_mismatch")
    assert not row["passed"]
    assert row["severity"] == "error"
    assert row["p_value"] < 0.001
    assert "fails below 0.001" in row["message"]


def test_mixed_units_count_under_their_first_variant() -> None:
    """Unmixed 4,000 v 5,000 would fail; with the mixed 1,000 the split is even, though mixing itself is not."""
    frame = check(experiment(HALVES), counts(END, [4_000, 5_000], HALVES, mixed=[1_000, 0]), days=[END])
    assert only(frame, "sample_ratio_mismatch")["passed"]
    assert not only(frame, "mixed_exposures")["passed"]


def test_a_unit_in_an_arm_of_zero_weight_is_a_failure_by_itself() -> None:
    weights = {"a": 0.5, "b": 0.5, "off": 0.0}
    clean = check(experiment(weights), counts(START, [50, 50, 0], weights), days=[START])
    assert clean[clean["severity"] == "error"]["passed"].all()
    row = only(check(experiment(weights), counts(START, [50, 50, 1], weights), days=[START]), "sample_ratio_mismatch")
    assert not row["passed"]
    assert row["p_value"] == 0


def test_each_epoch_is_tested_against_its_own_weights() -> None:
    """9,000 v 1,000 at 90/10, then 5,000 v 5,000 at 50/50: pooled, 14,000 v 6,000 fits neither split."""
    ramp = {"a": 0.9, "b": 0.1}
    allocation = [{"from": START, "weights": ramp}, {"from": date(2026, 9, 5), "weights": HALVES}]
    rows = [*counts(END, [9_000, 1_000], ramp, epoch=1), *counts(END, [5_000, 5_000], HALVES, epoch=2)]
    frame = check(
        experiment(HALVES, allocation=allocation), rows, days=[END], matured_rows=matured(END, [9_000, 1_000])
    )
    assert only(frame, "sample_ratio_mismatch")["passed"]
    assert only(frame, "sample_ratio_mismatch")["statistic"] == 0
    epochs = frame[frame["check_name"] == "sample_ratio_mismatch_epoch"]
    assert epochs["segment_value"].tolist() == ["1", "2"]
    assert epochs["passed"].all()


def test_opposite_losses_in_two_epochs_do_not_cancel() -> None:
    allocation = [{"from": START, "weights": HALVES}, {"from": date(2026, 9, 5), "weights": HALVES}]
    rows = [*counts(END, [5_500, 4_500], HALVES, epoch=1), *counts(END, [4_500, 5_500], HALVES, epoch=2)]
    frame = check(experiment(HALVES, allocation=allocation), rows, days=[END])
    assert not only(frame, "sample_ratio_mismatch")["passed"]
    epochs = frame[frame["check_name"] == "sample_ratio_mismatch_epoch"]
    assert not epochs["passed"].any()
    assert set(epochs["severity"]) == {"warning"}


def test_matured_units_are_tested_against_what_had_been_exposed_one_window_earlier() -> None:
    """On the 6th the 3-day window has passed for units exposed by the 3rd: all of them in the 90/10 epoch."""
    ramp = {"a": 0.9, "b": 0.1}
    allocation = [{"from": START, "weights": ramp}, {"from": date(2026, 9, 5), "weights": HALVES}]
    day = date(2026, 9, 6)
    rows = [
        *counts(date(2026, 9, 3), [9_000, 1_000], ramp, epoch=1),
        *counts(day, [9_500, 1_050], ramp, epoch=1),
        *counts(day, [5_000, 5_000], HALVES, epoch=2),
    ]
    subject = experiment(HALVES, allocation=allocation)
    even = check(subject, rows, days=[day], matured_rows=matured(day, [9_000, 1_000]))
    assert only(even, "sample_ratio_mismatch_matured")["passed"]
    lossy = check(subject, rows, days=[day], matured_rows=matured(day, [9_000, 600]))
    assert not only(lossy, "sample_ratio_mismatch_matured")["passed"]
    assert only(lossy, "sample_ratio_mismatch")["passed"]


def test_matured_units_of_the_longest_window_are_the_ones_tested() -> None:
    rows = [(END, "banner", "tickets", variant, "all", n) for variant, n in (("a", 9_000), ("b", 1_000))]
    frame = check(
        experiment(HALVES),
        counts(END, [5_000, 5_000], HALVES),
        days=[END],
        matured_rows=[*rows, *matured(END, [4_000, 4_010])],
    )
    assert only(frame, "sample_ratio_mismatch_matured")["passed"]


def test_segments_warn_with_the_threshold_shared_among_them() -> None:
    rows = [
        *counts(END, [10_000, 10_000], HALVES),
        *counts(END, [9_000, 9_050], HALVES, segment=("device", "phone")),
        *counts(END, [4_000, 4_700], HALVES, segment=("device", "desktop")),
    ]
    frame = check(experiment(HALVES, segments=["device"]), rows, days=[END])
    segments = frame[frame["check_name"] == "sample_ratio_mismatch_segment"].set_index("segment_value")
    assert segments["passed"].to_dict() == {"phone": True, "desktop": False}
    assert (segments["threshold"] == 0.0005).all()
    assert (segments["severity"] == "warning").all()
    assert segments.loc["desktop", "message"].startswith("device desktop: a 4,000 (45.98%, expected 50.00%)")


@pytest.mark.parametrize(
    ("mixed", "severity", "passed"),
    [
        ([40, 40], "error", True),
        ([50, 50], "warning", False),
        ([499, 499], "warning", False),
        ([500, 500], "error", False),
    ],
)
def test_mixing_warns_from_one_percent_and_fails_from_ten(mixed: list[int], severity: str, passed: bool) -> None:
    units = [5_000 - n for n in mixed]
    row = only(check(experiment(HALVES), counts(END, units, HALVES, mixed=mixed), days=[END]), "mixed_exposures")
    assert row["statistic"] == sum(mixed) / 10_000
    assert (row["severity"], row["passed"]) == (severity, passed)


def test_mixing_that_differs_by_first_variant_fails_while_the_sample_ratio_passes() -> None:
    """90/10 re-randomised on 1 % of sessions: of 10,000 units 81 first saw a and 82 first saw b."""
    weights = {"a": 0.9, "b": 0.1}
    frame = check(experiment(weights), counts(END, [8_919, 918], weights, mixed=[81, 82]), days=[END])
    assert only(frame, "sample_ratio_mismatch")["passed"]
    row = only(frame, "mixed_exposures")
    assert not row["passed"]
    assert row["severity"] == "error"
    assert row["p_value"] < 0.001
    assert row["message"].startswith(
        "163 of 10,000 units were seen in several variants (1.63%; by first variant: a 81, b 82): their first"
        " variants are not split as configured"
    )


def test_no_exposure_at_all_is_an_error_in_words() -> None:
    frame = check(experiment(HALVES), [], days=[START])
    row = only(frame, "no_exposures")
    assert not row["passed"]
    assert row["severity"] == "error"
    assert row["message"] == "no unit has been exposed: check that the experiment is on and logs exposures"
    assert only(frame, "sample_ratio_mismatch")["message"].startswith("no exposed units yet")


def test_an_empty_arm_warns_while_chance_explains_it() -> None:
    weights = {"a": 0.9, "b": 0.1}
    young = only(check(experiment(weights), counts(START, [20, 0], weights), days=[START]), "no_exposures")
    assert not young["passed"]
    assert young["severity"] == "warning"
    assert young["p_value"] == pytest.approx(0.9**20)
    old = only(check(experiment(weights), counts(START, [100, 0], weights), days=[START]), "no_exposures")
    assert old["severity"] == "error"
    assert old["message"] == "no unit in b among 100 (chance 2.7e-05, an error below 0.001)"


def test_an_arm_of_zero_weight_may_be_empty() -> None:
    weights = {"a": 1.0, "b": 0.0}
    assert only(check(experiment(weights), counts(START, [20, 0], weights), days=[START]), "no_exposures")["passed"]


def test_missing_log_dates_warn_and_are_named() -> None:
    logs = source_days(shop="2026-09-04 2026-09-05")
    days = [date(2026, 9, 3), date(2026, 9, 5)]
    frame = check(experiment(HALVES), counts(START, [5, 5], HALVES), days=days, logs=logs)
    assert only(frame, "missing_data", days[0])["passed"]
    row = only(frame, "missing_data", days[1])
    assert not row["passed"]
    assert row["severity"] == "warning"
    assert row["statistic"] == 2
    assert row["message"] == (
        "missing log dates: shop 2026-09-04 (never ingested), shop 2026-09-05 (never ingested); once the files"
        " are there, `equipoise run --from 2026-09-04 --to 2026-09-05`"
    )


def test_only_the_days_asked_for_and_analysed_are_reported() -> None:
    rows = [row for n in range(10) for row in counts(START + timedelta(days=n), [10 * n, 10 * n], HALVES)]
    days = [START - timedelta(days=1), START + timedelta(days=4), END + timedelta(days=4)]
    frame = check(experiment(HALVES), rows, days=days)
    assert frame["as_of_date"].dt.date.unique().tolist() == [days[1]]
    assert check(experiment(HALVES, status="draft"), rows, days=days).empty


def test_an_unknown_variant_in_the_counts_is_an_error_not_a_silence() -> None:
    with pytest.raises(ValueError, match="variant 'c', unknown to experiment 'banner'"):
        check(experiment(HALVES), counts(START, [1, 1], {"a": 0.5, "c": 0.5}), days=[START])


def test_an_empty_run_is_typed() -> None:
    frame = check(experiment(HALVES), [], days=[])
    assert frame.dtypes.astype(str).to_dict() == {
        "as_of_date": "datetime64[us]",
        "experiment_id": "str",
        "check_name": "str",
        "segment_name": "str",
        "segment_value": "str",
        "severity": "str",
        "passed": "bool",
        "statistic": "float64",
        "p_value": "float64",
        "threshold": "float64",
        "message": "str",
    }


def test_clean_experiments_rarely_fail_over_sixty_days() -> None:
    """300 experiments looked at daily for 60 days raise at most 5 alarms.

    Per experiment .001 for exposed, matured and mixed units and .0005 twice at the end make at most .004, and
    P(X > 5 | 300, .004) is .0016.
    """
    assert stats.binom.sf(5, 300, 0.004) < 0.002
    generator = np.random.default_rng(20261122)
    days = [START + timedelta(days=n) for n in range(60)]
    subjects = {f"e{i}": experiment(HALVES, id=f"e{i}", end=START + timedelta(days=56)) for i in range(300)}
    exposed = generator.poisson(1_000, size=(300, 60, 2))
    mixed = generator.poisson(3, size=(300, 60, 2))
    exposed[:, 57:], mixed[:, 57:] = 0, 0
    total, total_mixed = exposed.cumsum(axis=1), mixed.cumsum(axis=1)
    keys = pd.MultiIndex.from_product([list(subjects), days, ["a", "b"]]).to_frame(index=False)
    keys.columns = ["experiment_id", "as_of_date", "variant_id"]
    epoch_counts = keys.assign(
        segment_name="all", segment_value="all", epoch=1, weight=0.5,
        n_units=total.ravel(), n_mixed_excluded=total_mixed.ravel(),
    )  # fmt: skip
    lagged = np.concatenate([np.zeros((300, 3, 2), dtype=int), total[:, :-3]], axis=1)
    matured_counts = keys.assign(metric_id="conversion", segment_name="all", n_units=lagged.ravel())
    data = HealthData(
        epoch_counts=epoch_counts,
        moments=matured_counts.reindex(columns=HealthData().moments.columns),
        source_days=source_days(60),
    )
    frame = health_checks(data, subjects, METRICS, PROJECT, days)
    failed = frame[~frame["passed"] & (frame["severity"] == "error")]
    assert failed["experiment_id"].nunique() <= 5
    assert len(frame) == 300 * 60 * (len(CHECKS) - 5)  # no segments, epochs, exclusion group, switchback or bandit
    assert set(frame["check_name"]) < set(CHECKS)
