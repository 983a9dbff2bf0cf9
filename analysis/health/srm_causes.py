"""Where a sample ratio mismatch arises: which stage, segments, days and arm, and how much of it that explains."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from analysis.health.unit_stages import Stage, StageTables, UnitStates, stage_tables
from analysis.periods import as_days, window_days
from analysis.statistics.day_ranges import DayKind
from analysis.statistics.imbalance_scan import Cell, Found, find_cells
from configs.schema import Experiment, Metric

EXPLAINED_CHECKS = {
    "sample_ratio_mismatch": ("exposed", "assigned", "refused"),
    "sample_ratio_mismatch_matured": ("exposed", "assigned", "refused", "mixed"),
    "event_loss": ("joined",),
}
"""The checks whose failures are searched for causes, and the stages at which these may lie."""

_TYPES = {
    "as_of_date": "datetime64[us]",
    "experiment_id": "str",
    "rank": "int32",
    "stage": "str",
    "source_id": "str",
    "variant_id": "str",
    "first_segment": "str",
    "first_value": "str",
    "second_segment": "str",
    "second_value": "str",
    "from_date": "datetime64[us]",
    "to_date": "datetime64[us]",
    "n_observed": "float64",
    "n_expected": "float64",
    "n_missing": "float64",
    "chi_squared": "float64",
    "p_value": "float64",
    "share_explained": "float64",
    "message": "str",
}


@dataclass(frozen=True)
class FailedLook:
    """An as-of date at which some of EXPLAINED_CHECKS failed."""

    as_of: date
    checks: frozenset[str]


@dataclass(frozen=True)
class _Cause:
    """A cell at a stage, and its share of what is to be explained."""

    stage: Stage
    cell: Cell
    share: float


def srm_causes(
    experiment: Experiment, metrics: Mapping[str, Metric], units: UnitStates, looks: Collection[FailedLook]
) -> pd.DataFrame:
    """The causes of each look's failures, ranked: a row each; none where no cell stands out.

    Causes of a mismatch come before those of lost events, and what explains more before what explains less.
    `n_expected` is what the arm would have if it kept pace with the others, `n_missing` negative where it has more.
    `p_value` is corrected for all cells searched, `share_explained` the cell's part of the units missing in all causes
    and in the whole without them. Empty text stands for no segment and no source.
    """
    rows = [
        {"as_of_date": look.as_of, "experiment_id": experiment.id, "rank": rank}
        | _row(experiment, units, tables, cause)
        for look in sorted(looks, key=lambda one: one.as_of)
        for rank, (cause, tables) in enumerate(_causes(experiment, metrics, units, look), start=1)
    ]
    return causes_frame(rows)


def leading_causes(causes: pd.DataFrame) -> dict[tuple[str, pd.Timestamp, str], str]:
    """What explains most of each failed check: the message, by experiment, as-of date and check."""
    ranked = causes.sort_values("rank", kind="stable")
    return {
        (row.experiment_id, row.as_of_date, check): row.message
        for check, stages in EXPLAINED_CHECKS.items()
        for row in ranked[ranked["stage"].isin(stages)].drop_duplicates(["experiment_id", "as_of_date"]).itertuples()
    }


def causes_frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Rows as a typed frame, also of none."""
    frame = pd.DataFrame(rows, columns=list(_TYPES))
    dates = {name: as_days(frame[name]) for name, kind in _TYPES.items() if kind.startswith("datetime")}
    return frame.assign(**dates).astype(_TYPES)


def _causes(
    experiment: Experiment, metrics: Mapping[str, Metric], units: UnitStates, look: FailedLook
) -> Iterator[tuple[_Cause, StageTables]]:
    longest = max(window_days(metrics[id_]) for id_ in experiment.metrics.roles)
    exposed_by = look.as_of
    if "sample_ratio_mismatch" not in look.checks and "event_loss" not in look.checks:
        exposed_by -= timedelta(days=longest)
    tables = stage_tables(experiment, units, look.as_of, exposed_by)
    if tables is None:
        return
    wanted = {stage for check in look.checks for stage in EXPLAINED_CHECKS[check]}
    found = {stage: find_cells(table) for stage, table in tables.tables.items() if stage.stage in wanted}
    problems = [[stage for stage in found if not stage.source_id], *([stage] for stage in found if stage.source_id)]
    for stages in problems:
        for cause in _ranked({stage: found[stage] for stage in stages}):
            yield cause, tables


def _ranked(found: Mapping[Stage, Found]) -> list[_Cause]:
    """What explains most units first. Of the first stage alone it counts what no cell explains."""
    cells = [(stage, cell) for stage, one in found.items() for cell in one.cells]
    unexplained = next((one.unexplained for one in found.values()), 0.0)
    parts = [abs(cell.expected - cell.observed) for _, cell in cells]
    if any(np.isinf(cell.chi_squared) for _, cell in cells):  # units in an arm of zero weight are the whole failure
        parts, unexplained = [float(np.isinf(cell.chi_squared)) for _, cell in cells], 0.0
    total = sum(parts) + unexplained
    causes = [_Cause(stage, cell, part / total) for (stage, cell), part in zip(cells, parts, strict=True)]
    return sorted(causes, key=lambda cause: -cause.share)


def _row(experiment: Experiment, units: UnitStates, tables: StageTables, cause: _Cause) -> dict[str, object]:
    cell = cause.cell
    segments = [
        (units.segments[factor], tables.labels[factor][value])
        for factor, value in zip(cell.factors, cell.values, strict=True)
    ]
    (first_segment, first_value), (second_segment, second_value) = [*segments, ("", ""), ("", "")][:2]
    from_date, to_date = (tables.first_day + timedelta(days=day) for day in cell.days)
    return {
        "stage": cause.stage.stage,
        "source_id": cause.stage.source_id,
        "variant_id": experiment.variants[cell.arm].id,
        "first_segment": first_segment,
        "first_value": first_value,
        "second_segment": second_segment,
        "second_value": second_value,
        "from_date": from_date,
        "to_date": to_date,
        "n_observed": cell.observed,
        "n_expected": cell.expected,
        "n_missing": cell.expected - cell.observed,
        "chi_squared": cell.chi_squared,
        "p_value": min(1.0, float(np.exp(cell.log_p))),
        "share_explained": cause.share,
        "message": _message(experiment.variants[cell.arm].id, cause, segments, (from_date, to_date)),
    }


_WORDS = {
    "exposed": ("exposed units", "would keep pace with the other arms", "missing from the exposure log"),
    "assigned": ("units", "is what its hash gives", "logged in another variant"),
    "refused": ("accepted units", "would keep pace with the other arms", "refused at ingest, in quarantine"),
    "mixed": ("units in one variant only", "would keep pace with the other arms", "left out as mixed"),
    "joined": ("units with an event of {}", "would keep pace with the other arms", "without the others' events"),
}
"""Of each stage: what is counted, what the expected number is, and what became of the missing."""


def _message(variant_id: str, cause: _Cause, segments: list[tuple[str, str]], days: tuple[date, date]) -> str:
    cell = cause.cell
    units, expectation, outcome = _WORDS[cause.stage.stage]
    missing = cell.expected - cell.observed
    where = " and ".join(f"{name} = {value}" for name, value in segments)
    when = {
        DayKind.ALL: "on all days",
        DayKind.FROM: f"from {days[0]} on",
        DayKind.UNTIL: f"until {days[1]}",
        DayKind.BETWEEN: f"from {days[0]} to {days[1]}",
    }[cell.day_kind]
    return (
        f"{cause.share:.0%} of the {'loss of events' if cause.stage.source_id else 'mismatch'} arises in {variant_id}"
        f"{f' where {where}' if where else ''} {when}, which has {cell.observed:,.0f}"
        f" {units.format(cause.stage.source_id)} where {cell.expected:,.0f} {expectation}: "
        + (f"{missing:,.0f} are {outcome}" if missing >= 0 else f"{-missing:,.0f} are too many")
    )
