"""Which comparisons are corrected together, and their adjusted p-values and intervals."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.bootstraps import ComparedBootstraps
from analysis.scorecard.inference import Arrays, Compared
from analysis.scorecard.plan import DUNNETT
from analysis.scorecard.quantiles import ComparedQuantiles
from analysis.statistics.alternative import Alternative
from analysis.statistics.dunnett import dunnett, dunnett_interval_alpha
from analysis.statistics.multiplicity import CORRECTIONS
from analysis.statistics.status import Floats, Status
from analysis.statistics.student_t import upper_quantile

# Below this a normal quantile is infinite.
SMALLEST_P = 1e-300
ADJUSTED = ("p_value_adjusted", "ci_low_adjusted", "ci_high_adjusted", "confidence_level_adjusted")


def families(rows: pd.DataFrame) -> NDArray[np.int64]:
    """A number for each family: primaries, secondaries, each guardrail alone; each segment dimension."""
    is_segment = rows["segment_name"] != "all"
    is_guardrail = (rows["role"] == "guardrail") & ~is_segment
    member = rows["role"].mask(is_segment, "segment").mask(is_guardrail, "guardrail " + rows.index.astype(str))
    keys = rows[["as_of_date", "experiment_id", "segment_name"]].assign(member=member)
    return keys.groupby(list(keys), sort=False).ngroup().to_numpy(dtype=np.int64)


def adjust(
    rows: pd.DataFrame, results: Arrays, compared: list[Compared | ComparedQuantiles | ComparedBootstraps]
) -> Arrays:
    """Adjusted p-values and intervals (`ADJUSTED`) over the families numbered in `rows["family"]`.

    A family lies within one experiment, so it has one correction, alternative and method. One-sided, the
    p-value is of improvement and the interval is two-sided at twice alpha: its end towards harm is the bound.
    """
    is_one_sided = (rows["alternative"] == "improvement").to_numpy()
    p = np.where(is_one_sided, results["p_value_improvement"], results["p_value"])
    alpha = rows["alpha"].to_numpy()
    adjusted = np.full(len(rows), np.nan)
    interval_alpha = alpha.copy()
    for correction, index in rows.groupby("family_correction").indices.items():
        if correction in CORRECTIONS:
            family = rows["family"].to_numpy()[index]
            adjusted[index] = CORRECTIONS[correction].adjust(p[index], family)
            interval_alpha[index] = CORRECTIONS[correction].interval_alpha(p[index], family, alpha[index])
    many = np.flatnonzero(rows["family_correction"] == DUNNETT)
    if many.size:
        adjusted[many], interval_alpha[many] = _dunnett(rows.iloc[many], results, many)
    level = np.where(is_one_sided, 2 * interval_alpha, interval_alpha)
    low, high, confidence = (np.full(len(rows), np.nan) for _ in range(3))
    for one in compared:
        ci = one.interval(level[one.index])
        low[one.index], high[one.index], confidence[one.index] = ci.low, ci.high, 1 - level[one.index]
    is_tested = ~np.isnan(p) & (results["withheld"] == Status.OK)
    return {
        "p_value_adjusted": adjusted,
        "ci_low_adjusted": np.where(is_tested, low, np.nan),
        "ci_high_adjusted": np.where(is_tested, high, np.nan),
        "confidence_level_adjusted": confidence,
    }


def _dunnett(rows: pd.DataFrame, results: Arrays, index: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Adjusted p-values and interval alphas: a metric's treatments are one set of arms, a family has several."""
    family = rows["family"].to_numpy()
    arms = rows.groupby(["family", "metric_id"], sort=False).ngroup().to_numpy(dtype=np.int64)
    effect, se, df, load, p = (results[name][index] for name in ("effect", "effect_se", "df", "loading", "p_value"))
    # A score test's own p-value, as the t that has it, so that it is adjusted like its interval.
    of_score = upper_quantile(np.maximum(p, SMALLEST_P) / 2, df)
    t = np.where(rows["inference"] == "newcombe", of_score, effect / se)
    two_sided = Alternative.TWO_SIDED
    adjusted = dunnett(t, df, load, arms, family, two_sided)
    interval_alpha = dunnett_interval_alpha(df, load, arms, family, rows["alpha"].to_numpy(), two_sided)
    # Quadrature may end some 1e-9 below a p-value of 1.
    return np.maximum(adjusted, p), interval_alpha
