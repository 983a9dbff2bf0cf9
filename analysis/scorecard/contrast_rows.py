"""Scorecard rows of designs whose effects come as contrasts of their own: bandits, clusters.

Families, adjusted intervals and one-sided tests are as in the scorecard; there is no relative interval, no covariate
and no segment.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.periods import as_days
from analysis.scorecard.columns import SCORECARD_COLUMNS
from analysis.scorecard.plan import correction_of
from analysis.statistics.estimate import Contrast
from analysis.statistics.multiplicity import CORRECTIONS
from analysis.statistics.status import Floats, Status
from analysis.statistics.student_t import interval, two_sided_p, upper_tail_p
from configs.schema import Experiment, Metric

Blocks = Mapping[tuple[pd.Timestamp, str, str], tuple[str, str]]
"""Status and reason of what may not be computed, by as-of date, experiment and metric."""

_WHOLE = ["n_units", "mean", "denominator_mean", "n_overflow", "n_not_computed"]


@dataclass(frozen=True)
class MetricContrasts:
    """A metric's effects (as-of dates, variants) against the baseline, whose own column is not read.

    `warnings` are (status, reason) by position in `found`; `reasons` the words of its codes; `unsupported` says why the
    metric has no effects at all, else is empty.
    """

    experiment: Experiment
    metric: Metric
    role: str
    dates: list[pd.Timestamp]
    found: Contrast
    method: str
    reasons: Mapping[Status, str]
    warnings: Mapping[tuple[int, int], tuple[str, str]]
    unsupported: str = ""

    def rows(self, moments: pd.DataFrame, blocks: Blocks) -> list[dict[str, object]]:
        """A row for each as-of date and treatment; `moments` (fct_metric_moments) have the arms' units and means."""
        variants = [variant.id for variant in self.experiment.variants]
        base = variants.index(self.experiment.baseline.id)
        whole, tests = _whole(moments, self.experiment, self.metric, self.dates, variants), self._tests()
        return [
            self._row(at, arm, base, whole[at], tests, blocks.get((day, self.experiment.id, self.metric.id)))
            for at, day in enumerate(self.dates)
            for arm in range(len(variants))
            if arm != base
        ]

    def _tests(self) -> dict[str, Floats]:
        found, alpha = self.found, self.experiment.analysis.alpha
        sign = 1.0 if self.metric.direction == "increase" else -1.0
        ci = interval(found, alpha)
        tests = {
            "effect": found.value,
            "effect_se": found.se,
            "effect_se_pooled": found.se,
            "df": found.df,
            "ci_low": ci.low,
            "ci_high": ci.high,
            "p_value": two_sided_p(found),
            "p_value_improvement": upper_tail_p(Contrast(sign * found.value, found.se, found.df, found.status)),
            "p_value_deterioration": upper_tail_p(Contrast(-sign * found.value, found.se, found.df, found.status)),
        }
        if (margin := self._margin) is not None:
            within = Contrast(sign * found.value + margin, found.se, found.df, found.status)
            tests["p_value_non_inferiority"] = upper_tail_p(within)
        return tests

    @property
    def _margin(self) -> float | None:
        margin = self.experiment.margins.get(self.metric.id)
        return None if margin is None else margin.absolute_margin

    def _row(
        self, at: int, arm: int, base: int, whole: Floats, tests: Mapping[str, Floats], block: tuple[str, str] | None
    ) -> dict[str, object]:
        variants, code = self.experiment.variants, Status(int(self.found.status[at, arm]))
        status, reason = _forbidden(self.unsupported, block, whole[[base, arm]])
        if not status:
            status, reason = ("ok" if code is Status.OK else code.name.lower()), self.reasons[code]
        ok, margin = status == "ok", self._margin
        if ok:
            status, reason = self.warnings.get((at, arm), (status, reason))
        row: dict[str, object] = {
            "as_of_date": self.dates[at],
            "experiment_id": self.experiment.id,
            "metric_id": self.metric.id,
            "role": self.role,
            "variant_id": variants[arm].id,
            "baseline_id": variants[base].id,
            "segment_name": "all",
            "segment_value": "all",
            "confidence_level": 1 - self.experiment.analysis.alpha,
            "method": self.method,
            "alternative": "two_sided",
            "margin": np.nan if margin is None else margin,
            "margin_type": "" if margin is None else "absolute",
            "status": status,
            "reason": reason,
        }
        if block is None:
            row |= {"n_baseline": int(whole[base, 0]), "n_treatment": int(whole[arm, 0])}
            row |= {"baseline_mean": whole[base, 1], "treatment_mean": whole[arm, 1]}
        if ok:
            mean = float(whole[base, 1])
            row |= {name: values[at, arm] for name, values in tests.items()}
            row |= {"effect_relative": tests["effect"][at, arm] / abs(mean) if mean else np.nan}
        return row


def contrast_frame(parts: list[list[dict[str, object]]], experiment: Experiment) -> pd.DataFrame:
    """The rows of an experiment's metrics as a scorecard, with adjusted p-values and intervals.

    Primaries × treatments are a family, secondaries another, each guardrail's comparison is alone.
    """
    names = ["effect", "effect_se", "df", "p_value", "role", "metric_id", "variant_id", "as_of_date"]
    frame = pd.DataFrame([row for part in parts for row in part])
    frame = frame.reindex(columns=list(dict.fromkeys([*names, *frame.columns])))
    alpha = experiment.analysis.alpha
    alone = "guardrail " + frame["metric_id"].astype("str") + frame["variant_id"].astype("str")
    member = frame["role"].astype("str").where(frame["role"] != "guardrail", alone)
    number = frame.assign(member=member).groupby(["as_of_date", "member"], sort=False).ngroup().to_numpy(np.int64)
    effect, se, df, p = (frame[name].to_numpy(dtype=float) for name in names[:4])
    adjusted, level = np.full(len(frame), np.nan), np.full(len(frame), alpha)
    for role, index in frame.groupby("role").indices.items():
        correction = CORRECTIONS[correction_of(experiment.analysis, str(role))]
        adjusted[index] = correction.adjust(p[index], number[index])
        level[index] = correction.interval_alpha(p[index], number[index], level[index])
    ci = interval(Contrast(effect, se, df, np.zeros(len(frame), dtype=np.int8)), level)
    frame = frame.assign(
        p_value_adjusted=adjusted,
        ci_low_adjusted=ci.low,
        ci_high_adjusted=ci.high,
        confidence_level_adjusted=1 - level,
        significant=pd.arrays.BooleanArray(adjusted <= alpha, np.isnan(adjusted)),
    )
    return frame.reindex(columns=list(SCORECARD_COLUMNS)).astype(SCORECARD_COLUMNS)


def blocks_of(blocked: pd.DataFrame) -> Blocks:
    """`blocked` of the scorecard as a mapping; covariates play no part here."""
    forbidden = blocked[blocked["status"] != "no_covariate"]
    return {
        (day, str(row.experiment_id), str(row.metric_id)): (str(row.status), str(row.reason))
        for day, row in reversed(list(zip(as_days(forbidden["as_of_date"]), forbidden.itertuples(), strict=True)))
    }


def dates_of(as_of_dates: pd.DataFrame, experiment_id: str) -> list[pd.Timestamp]:
    """The as-of dates asked for of an experiment, in order."""
    own = as_of_dates[as_of_dates["experiment_id"] == experiment_id]
    return sorted(set(as_days(own["as_of_date"])))


def _whole(
    moments: pd.DataFrame, experiment: Experiment, metric: Metric, dates: list[pd.Timestamp], variants: list[str]
) -> Floats:
    """Units, mean, units that overflow and units not computed (as-of dates, variants, 4) of the whole population."""
    own = moments[(moments["experiment_id"] == experiment.id) & (moments["metric_id"] == metric.id)]
    own = own[own["segment_name"] == "all"].reindex(columns=["as_of_date", "variant_id", *_WHOLE])
    index = pd.MultiIndex.from_arrays([as_days(own["as_of_date"]), own["variant_id"].astype("str")])
    wanted = pd.MultiIndex.from_product([dates, variants])
    n, mean, below, overflow, lacking = own[_WHOLE].astype("float64").set_axis(index).reindex(wanted).to_numpy().T
    if metric.type == "ratio":
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(below == 0, np.nan, mean / below)
    found = np.stack([np.nan_to_num(n), mean, np.nan_to_num(overflow), np.nan_to_num(lacking)], axis=-1)
    return found.reshape(len(dates), len(variants), 4)


def _forbidden(unsupported: str, block: tuple[str, str] | None, arms: Floats) -> tuple[str, str]:
    """What forbids a row, whatever its contrast says; empty where nothing does."""
    if unsupported:
        return "failed", unsupported
    if block is not None:
        return block
    overflow, lacking = arms[:, 2].sum(), arms[:, 3].sum()
    if overflow > 0:
        return "overflow", f"{overflow:.0f} units have a total beyond 1e14 of the metric's steps"
    if lacking > 0:
        return "not_computed", f"{lacking:.0f} units lack this metric's value; rerun from the experiment's start"
    return "", ""
