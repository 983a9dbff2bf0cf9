"""What is published of factorial experiments: effects by term and level, and the table of whole terms."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.factorial.anova import Squares, anova, welch_james
from analysis.factorial.cells import Cells, cells_of
from analysis.factorial.columns import EFFECT_COLUMNS, TERM_COLUMNS
from analysis.factorial.design import Design, Term
from analysis.factorial.effects import Effect, effects_of, estimate
from analysis.factorial.reasons import reason
from analysis.scorecard.plan import correction_of
from analysis.scorecard.statuses import SKEWED_EFFECT
from analysis.statistics.multiplicity import CORRECTIONS
from analysis.statistics.skewness import is_skewed, tail_shift_of
from analysis.statistics.status import Codes, Floats, Status
from analysis.statistics.student_t import interval, two_sided_p
from configs.schema import Experiment, Metric

KEYS = ("as_of_date", "metric_id", "role")
ALIASED = "aliased"
_NO_TERMS = "a fraction has no analysis of variance: its effects are aliased, see factorial_effects"


def factorial_effects(
    scorecard: pd.DataFrame, moments: pd.DataFrame, experiments: Mapping[str, Experiment], metrics: Mapping[str, Metric]
) -> pd.DataFrame:
    """A row per as-of date × experiment with factors × metric × effect, with `EFFECT_COLUMNS`.

    Which dates and metrics, and what forbids a metric (its logs are incomplete, …), is what the `scorecard` says;
    `moments` is fct_metric_moments. Main effects of primaries are one family, their interactions another; so of
    secondaries; each guardrail is alone.
    """
    frames = [_effects(one, scorecard, moments, metrics) for one in experiments.values() if one.factors]
    return _typed(frames, EFFECT_COLUMNS, ["as_of_date", "experiment_id", "metric_id"])


def factorial_terms(
    scorecard: pd.DataFrame, moments: pd.DataFrame, experiments: Mapping[str, Experiment], metrics: Mapping[str, Metric]
) -> pd.DataFrame:
    """The analysis of variance of the same slices, a row for each term, with `TERM_COLUMNS`.

    `f` and `p_value` are Welch and James's, at the cells' own variances; the classical table stands beside.
    """
    frames = [_terms(one, scorecard, moments, metrics) for one in experiments.values() if one.factors]
    return _typed(frames, TERM_COLUMNS, ["as_of_date", "experiment_id", "metric_id"])


def reported_effects(experiment: Experiment, design: Design) -> list[Effect]:
    """Main effects, and the interactions that the experiment names: of two factors unless it names others.

    Of a fraction those whose alias set has one of these.
    """
    ids = list(experiment.factors)
    named = {tuple(sorted(ids.index(factor) for factor in factors)) for factors in experiment.interactions}
    order = max((len(term) for term in named), default=2)
    return [
        effect
        for effect in effects_of(design, order)
        if len(effect.term) == 1 or (not named and len(effect.term) == 2) or named & _alias_set(design, effect.term)
    ]


def _alias_set(design: Design, term: Term) -> set[Term]:
    return {term} if design.fraction is None else {term, *design.fraction.aliases(term)}


def _effects(
    experiment: Experiment, scorecard: pd.DataFrame, moments: pd.DataFrame, metrics: Mapping[str, Metric]
) -> pd.DataFrame:
    design, alpha = Design.of(experiment), experiment.analysis.alpha
    cells, effects = cells_of(experiment, design, scorecard, moments, metrics), reported_effects(experiment, design)
    found = estimate(cells.moments, effects)
    status, why = _statuses(cells, design, found.status[:, 0] if len(cells.slices) else np.zeros(0, dtype=np.int8))
    ok = np.array([one == "ok" for one in status], dtype=bool)[:, None] & (found.status == Status.OK)
    plain = interval(found, alpha)
    shape = found.value.shape
    frame = _slices(cells, shape[1], experiment)
    for name, labels in (
        ("term", [effect.name for effect in effects]),
        ("n_factors", [len(effect.term) for effect in effects]),
        ("levels", [effect.levels for effect in effects]),
        ("baseline_levels", [":".join(design.factors[f].levels[0] for f in effect.term) for effect in effects]),
        ("aliases", [", ".join(effect.aliases) for effect in effects]),
    ):
        frame[name] = list(labels) * shape[0]
    low_mean, high_mean = _level_means(cells, effects)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(low_mean != 0, found.value / np.abs(low_mean), np.nan)
    numbers = {
        "baseline_mean": low_mean,
        "treatment_mean": high_mean,
        "effect": found.value,
        "effect_se": found.se,
        "df": found.df,
        "ci_low": plain.low,
        "ci_high": plain.high,
        "effect_relative": relative,
        "p_value": two_sided_p(found),
    }
    for name, values in numbers.items():
        frame[name] = np.where(ok, values, np.nan).ravel()
    p, level = _adjusted(frame, experiment)
    adjusted = interval(found, level.reshape(shape))
    frame["p_value_adjusted"] = p
    frame["ci_low_adjusted"] = np.where(ok, adjusted.low, np.nan).ravel()
    frame["ci_high_adjusted"] = np.where(ok, adjusted.high, np.nan).ravel()
    frame["confidence_level"] = 1 - alpha
    frame["significant"] = pd.arrays.BooleanArray(p <= alpha, np.isnan(p))
    frame["method"] = np.repeat(np.where(cells.is_ratio, "delta_contrast", "contrast"), shape[1])
    skewed = ok & is_skewed(tail_shift_of(_third_cumulant(cells, effects, found.se), alpha))
    words = np.repeat(np.array(status, dtype=object), shape[1])
    frame["status"] = np.where(skewed.ravel(), "skewed", words)
    reasons = np.repeat(np.array(why, dtype=object), shape[1])
    of_sum = np.array([f"with {a}: the estimate is of their sum" if a else "" for a in frame["aliases"]], dtype=object)
    notes = np.where(skewed.ravel() & (of_sum != ""), of_sum + "; " + SKEWED_EFFECT, of_sum)
    notes = np.where(skewed.ravel() & (of_sum == ""), SKEWED_EFFECT, notes)
    frame["reason"] = np.where(ok.ravel(), notes, reasons)
    return frame


def _terms(
    experiment: Experiment, scorecard: pd.DataFrame, moments: pd.DataFrame, metrics: Mapping[str, Metric]
) -> pd.DataFrame:
    design = Design.of(experiment)
    cells, terms = cells_of(experiment, design, scorecard, moments, metrics), design.terms()
    frame = _slices(cells, len(terms), experiment)
    frame["term"] = [design.name(term) for term in terms] * len(cells.slices)
    frame["n_factors"] = [len(term) for term in terms] * len(cells.slices)
    if design.fraction is not None or cells.slices.empty:
        frame["method"], frame["status"], frame["reason"] = "", ALIASED, _NO_TERMS
        return frame
    robust = welch_james(cells.moments, design)
    classical = {squares: anova(cells.moments, design, squares) for squares in Squares}
    one = classical[Squares.TYPE_III]
    status, why = _statuses(cells, design, np.maximum(robust.status, one.status))
    ok = np.array([each == "ok" for each in status], dtype=bool)[:, None]
    wide = (len(cells.slices), len(terms))
    for name, values in {
        "df": robust.df,
        "f": robust.f,
        "df_denominator": robust.residual_df,
        "p_value": robust.p_value,
        "sum_of_squares_ii": classical[Squares.TYPE_II].sum_of_squares,
        "p_value_ii": classical[Squares.TYPE_II].p_value,
        "sum_of_squares_iii": one.sum_of_squares,
        "p_value_iii": one.p_value,
        "residual_sum_of_squares": one.residual_sum_of_squares[:, None],
        "residual_df": one.residual_df[:, None],
    }.items():
        frame[name] = np.where(ok, np.broadcast_to(values, wide), np.nan).ravel()
    frame["method"] = "welch_james"
    frame["status"], frame["reason"] = np.repeat(status, wide[1]), np.repeat(why, wide[1])
    return frame


def _slices(cells: Cells, rows: int, experiment: Experiment) -> pd.DataFrame:
    """The keys of every slice, `rows` times each, with the units of all cells."""
    repeated = cells.slices.loc[np.repeat(cells.slices.index.to_numpy(), rows), list(KEYS)].reset_index(drop=True)
    n_units = np.repeat(cells.moments.n.sum(axis=1), rows).astype("int64")
    unknown = np.repeat([status not in ("", "failed") for status in cells.status], rows)
    return repeated.assign(
        experiment_id=experiment.id, n_units=pd.array(np.where(unknown, np.nan, n_units), dtype="Float64")
    )


def _statuses(cells: Cells, design: Design, codes: Codes) -> tuple[list[str], list[str]]:
    """Of every slice: what the scorecard forbids, else what the cells do."""
    words, reasons = [], []
    for index, (status, why) in enumerate(zip(cells.status, cells.reason, strict=True)):
        code = Status(int(codes[index]))
        words.append(status or code.name.lower())
        reasons.append(why if status else reason(design, code, cells.moments.n[index]))
    return words, reasons


def _level_means(cells: Cells, effects: list[Effect]) -> tuple[Floats, Floats]:
    """Of main effects: the mean at the baseline level, and at the level compared; NaN of interactions."""
    coefficients = np.stack([effect.coefficients for effect in effects])
    is_main = np.array([len(effect.term) == 1 for effect in effects])
    low, high = np.maximum(-coefficients, 0), np.maximum(coefficients, 0)
    found = (np.sum(side * cells.moments.mean[:, None, :], axis=-1) for side in (low, high))
    baseline, treatment = (np.where(is_main, each, np.nan) for each in found)
    return baseline, treatment


def _third_cumulant(cells: Cells, effects: list[Effect], se: Floats) -> Floats:
    """Of each effect in units of its standard error; NaN, and so no warning, of ratios."""
    coefficients = np.stack([effect.coefficients for effect in effects])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        of_mean = cells.moments.third_central_moment / cells.moments.n**2
        return np.sum(coefficients**3 * of_mean[:, None, :], axis=-1) / se / se / se


def _adjusted(frame: pd.DataFrame, experiment: Experiment) -> tuple[Floats, Floats]:
    """Adjusted p-values, and the alpha of each interval, over the families of main effects and of interactions."""
    p, alpha = frame["p_value"].to_numpy(dtype=float), experiment.analysis.alpha
    own = frame["role"].where(frame["role"] != "guardrail", "guardrail " + frame["metric_id"])
    family = frame.assign(family=own, is_main=frame["n_factors"] == 1)
    number = family.groupby(["as_of_date", "family", "is_main"], sort=False).ngroup().to_numpy(dtype=np.int64)
    adjusted, level = np.full(len(p), np.nan), np.full(len(p), alpha)
    for role, index in frame.groupby("role").indices.items():
        correction = CORRECTIONS[correction_of(experiment.analysis, str(role))]
        adjusted[index] = correction.adjust(p[index], number[index])
        level[index] = correction.interval_alpha(p[index], number[index], level[index])
    return adjusted, level


def _typed(frames: list[pd.DataFrame], columns: Mapping[str, str], order: list[str]) -> pd.DataFrame:
    """One frame with exactly these columns; rows of a slice stay in the design's order."""
    parts = [frame.reindex(columns=list(columns)).astype(dict(columns)) for frame in frames]
    empty = pd.DataFrame(columns=list(columns)).astype(dict(columns))
    return pd.concat([empty, *parts], ignore_index=True).sort_values(order, kind="stable", ignore_index=True)
