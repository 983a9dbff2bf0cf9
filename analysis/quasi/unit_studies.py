"""The designs that look at single units: their phases' totals as arrays, in one order."""

from collections.abc import Mapping

import numpy as np

from analysis.quasi.matching import Units, matched
from analysis.quasi.panels import Totals
from analysis.quasi.regression_discontinuity import regression_discontinuity
from analysis.quasi.study import Floats, Study
from configs.quasi_schema import Matched, RegressionDiscontinuity
from configs.schema import Metric

BEFORE, UPTAKE, OUTCOME = slice(0, 1), slice(1, 2), slice(2, 3)
SCORED, AFTERWARDS = slice(0, 1), slice(1, 2)


def matched_study(design: Matched, found: Mapping[str, Totals], metrics: Mapping[str, Metric], metric_id: str) -> Study:
    """The units that had any event before uptake: only these have covariates, and could have taken it up."""
    units = _seen(found, BEFORE)
    covariates = [_aligned(found[id_], metrics[id_], BEFORE, units) for id_ in design.covariates]
    return matched(
        Units(
            is_treated=_aligned(found[design.treatment], metrics[design.treatment], UPTAKE, units) > 0,
            covariates=np.column_stack(covariates),
            outcome=_aligned(found[metric_id], metrics[metric_id], OUTCOME, units),
            before=_aligned(found[metric_id], metrics[metric_id], BEFORE, units),
        ),
        design.covariates,
        design.neighbours,
        design.caliper,
    )


def discontinuity_study(
    design: RegressionDiscontinuity, found: Mapping[str, Totals], metrics: Mapping[str, Metric], metric_id: str
) -> Study:
    """The units that were scored: those with a value of the running metric before the outcome's days."""
    units = _seen({design.running: found[design.running]}, SCORED)
    covariates = [_aligned(found[id_], metrics[id_], SCORED, units) for id_ in design.covariates]
    return regression_discontinuity(
        _aligned(found[design.running], metrics[design.running], SCORED, units),
        _aligned(found[metric_id], metrics[metric_id], AFTERWARDS, units),
        np.column_stack(covariates) if covariates else np.zeros((len(units), 0)),
        design.covariates,
        design.cutoff,
        is_treated_above=design.treated == "at_or_above",
    )


def _seen(found: Mapping[str, Totals], phase: slice) -> tuple[str, ...]:
    """Units with any event of these metrics' sources in a phase, sorted."""
    names: set[str] = set()
    for totals in found.values():
        seen = totals.is_seen(phase)
        names.update(name for name, is_seen in zip(totals.groups, seen, strict=True) if is_seen)
    return tuple(sorted(names))


def _aligned(totals: Totals, metric: Metric, phase: slice, units: tuple[str, ...]) -> Floats:
    """Each unit's value in a phase; 0, or no ratio, of one without events."""
    values = totals.of_units(metric, phase)
    place = {name: number for number, name in enumerate(totals.groups)}
    nothing = np.nan if metric.type == "ratio" else 0.0
    return np.array([values[place[unit]] if unit in place else nothing for unit in units], dtype=np.float64)
