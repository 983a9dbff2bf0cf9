"""Whether the effects of two experiments that share units depend on each other."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.heterogeneity.blocks import blocks
from analysis.heterogeneity.columns import OVERLAP_COLUMNS, TOO_FEW_SEGMENTS, typed
from analysis.heterogeneity.tables import Tables, tables
from analysis.heterogeneity.two_way import two_way
from analysis.statistics import student_t
from analysis.statistics.estimate import contrast
from analysis.statistics.multiplicity import benjamini_hochberg
from analysis.statistics.skewness import TOLERANCE, tail_shift_of
from analysis.statistics.srm import chi_squared_tail
from analysis.statistics.status import Floats, Status
from configs.schema import Experiment

PAIR_KEYS = ["as_of_date", "experiment_id", "other_experiment_id", "metric_id"]
CELL_COLUMNS = [
    *PAIR_KEYS,
    "variant_id",
    "other_variant_id",
    "n_units",
    "mean",
    "variance",
    "third_central_moment",
    "denominator_mean",
    "denominator_variance",
    "denominator_covariance",
]
"""Of fct_overlap_moments: units that are in both experiments, by the variants of both; denominators of ratios alone."""
DEPENDENT = "assignments of the two depend on each other (p < .001): their effects are confounded"
NOTHING_SHARED = "fewer than two variants of either experiment have shared units: there is nothing to compare"
SKEWED = f"skewed: a tail's probability may be off by over {TOLERANCE}"
_DEPENDENT_ALPHA = 0.001
# Of the cells whose means make a difference of differences: both treatments, either, none.
_TREATED, _NOT = slice(1, None), slice(0, 1)
_CORNERS = ((_TREATED, _TREATED), (_NOT, _TREATED), (_TREATED, _NOT), (_NOT, _NOT))
_INTERACTIONS = ("interaction", "interaction_se", "ci_low", "ci_high")


def overlaps(cells: pd.DataFrame, experiments: Mapping[str, Experiment], blocked: pd.DataFrame) -> pd.DataFrame:
    """A row per as-of date × pair of experiments × metric found in `cells`: a test with (a - 1)(b - 1) df.

    The arms' means in the cells of both experiments are tested for being the sum of what each does alone, as
    `two_way` tests effects; adjusted p-values are Benjamini & Hochberg's over all pairs and metrics of a date. Of two
    variants each, `interaction` is the difference of differences; of more, the one largest in its own standard errors,
    with an unadjusted interval. `p_value_assignment` tests that the two assignments are independent. `blocked` is the
    scorecard's; either experiment's block holds. Raises ValueError for missing columns and cells that occur twice.
    """
    cells = _checked(cells, experiments)
    group = cells.groupby(PAIR_KEYS, sort=False).ngroup().to_numpy(dtype=np.int64)
    heads = cells.loc[~cells.duplicated(PAIR_KEYS), PAIR_KEYS].reset_index(drop=True)
    # The baseline's name is made the first of all.
    first, second = (
        np.where(cells[variant] == _baselines(cells[id_], experiments), "", cells[variant])
        for variant, id_ in (("variant_id", "experiment_id"), ("other_variant_id", "other_experiment_id"))
    )
    refusals = _refusals(heads, blocked)
    is_refused = refusals[0] != ""
    mean, se, third = (np.where(is_refused[group], np.nan, values) for values in _cell_means(cells))
    n = cells["n_units"].to_numpy()
    numbers = ("n_units", "statistic", "df", "df_denominator", "p_value", "p_value_assignment", *_INTERACTIONS)
    results = {name: np.full(len(heads), np.nan) for name in numbers}
    names = {name: np.full(len(heads), "", dtype=object) for name in ("variant_id", "other_variant_id")}
    alpha = heads["experiment_id"].map({id_: one.analysis.alpha for id_, one in experiments.items()}).to_numpy(float)
    is_skewed = np.zeros(len(heads), dtype=bool)
    for shape in tables(group, first, second):
        mine = shape.groups
        counts = np.nan_to_num(shape.filled(n))
        filled = shape.filled(mean), shape.filled(se), shape.filled(n - 1)
        tested = two_way(*filled).interaction
        is_skewed[mine] = _is_skewed(filled[1], shape.filled(third), alpha[mine])
        for name in ("statistic", "df", "df_denominator", "p_value"):
            results[name][mine] = getattr(tested, name)
        results["n_units"][mine] = counts.sum(axis=(1, 2))
        results["p_value_assignment"][mine] = _independence_p(counts)
        if min(shape.shape) >= 2:
            largest, place = _largest(*filled, alpha[mine], _starts_with_baselines(shape, first, second))
            for name, values in largest.items():
                results[name][mine] = values
            for name, axis in (("variant_id", 0), ("other_variant_id", 1)):
                names[name][mine] = _named(shape, cells[name].to_numpy(dtype=object), place, axis)
    adjusted = benjamini_hochberg(results["p_value"], heads.groupby("as_of_date").ngroup().to_numpy(dtype=np.int64))
    status, reason = _statuses(results, is_skewed, refusals)
    return typed(
        {name: heads[name] for name in heads}
        | results
        | names
        | {
            "p_value_adjusted": adjusted,
            "confidence_level": 1 - alpha,
            "significant": pd.arrays.BooleanArray(adjusted <= alpha, np.isnan(adjusted)),
            "status": status,
            "reason": reason,
        },
        OVERLAP_COLUMNS,
    ).sort_values(PAIR_KEYS, kind="stable", ignore_index=True)


def _checked(cells: pd.DataFrame, experiments: Mapping[str, Experiment]) -> pd.DataFrame:
    missing = [name for name in CELL_COLUMNS if name not in cells.columns]
    if missing:
        raise ValueError(f"overlap moments lack the columns {', '.join(missing)}; build fct_overlap_moments again")
    known = cells["experiment_id"].isin(list(experiments)) & cells["other_experiment_id"].isin(list(experiments))
    text = [name for name in CELL_COLUMNS if name.endswith("_id")]
    numbers = [name for name in CELL_COLUMNS if name not in (*text, "as_of_date")]
    frame = cells.loc[known, CELL_COLUMNS].astype(dict.fromkeys(text, "str") | dict.fromkeys(numbers, "float64"))
    frame["as_of_date"] = pd.to_datetime(frame["as_of_date"]).astype("datetime64[us]")
    keys = [*PAIR_KEYS, "variant_id", "other_variant_id"]
    twice = frame.duplicated(keys)
    if twice.any():
        raise ValueError(f"overlap moments hold a cell twice: {frame.loc[twice, keys].iloc[0].to_dict()}")
    return frame.reset_index(drop=True)


def _baselines(ids: pd.Series, experiments: Mapping[str, Experiment]) -> pd.Series:
    return ids.map({id_: one.baseline.id for id_, one in experiments.items()})


def _cell_means(cells: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    """Each cell's mean, of ratios its ratio; standard error, NaN below two units; and the mean's third cumulant."""
    n, y, variance, third = (cells[name].to_numpy() for name in ("n_units", "mean", "variance", "third_central_moment"))
    x, of_x, both = (cells[f"denominator_{name}"].to_numpy() for name in ("mean", "variance", "covariance"))
    is_ratio = np.isfinite(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = y / x
        linear = (variance - 2 * ratio * both + ratio**2 * of_x) / x**2
        squared = np.where(is_ratio, linear, variance) / n
        # The table's third moment is that of y - R·x; the linearised ratio divides by x̄.
        cumulant = third / np.where(is_ratio, x, 1.0) ** 3 / n**2
        error = np.where((n >= 2) & (squared > 0), np.sqrt(np.abs(squared)), np.nan)
    return np.where(is_ratio, ratio, y), error, cumulant


def _is_skewed(se: Floats, third: Floats, alpha: Floats) -> NDArray[np.bool_]:
    """Of each table whether skewness puts some difference of differences' tail off; False where it is unknown."""
    variance, cumulant = np.zeros(1), np.zeros(1)
    for rows, columns in _CORNERS:
        variance = variance + se[:, rows, columns] ** 2
        sign = 1.0 if rows == columns else -1.0
        cumulant = cumulant + sign * third[:, rows, columns]
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = tail_shift_of(cumulant / variance**1.5, alpha[:, None, None])
    return np.asarray((shift > TOLERANCE).any(axis=(1, 2)))


def _independence_p(counts: Floats) -> Floats:
    """Pearson's chi-squared test of independence of each table (tables, first, second); NaN without two levels each."""
    rows, columns = counts.sum(axis=2, keepdims=True), counts.sum(axis=1, keepdims=True)
    total = counts.sum(axis=(1, 2), keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = rows * columns / total
        terms = np.where(expected > 0, (counts - expected) ** 2 / expected, 0.0)
    df = ((rows > 0).sum(axis=(1, 2)) - 1.0) * ((columns > 0).sum(axis=(1, 2)) - 1.0)
    return np.where(df > 0, chi_squared_tail(terms.sum(axis=(1, 2)), np.maximum(df, 1.0)), np.nan)


def _starts_with_baselines(shape: Tables, first: NDArray, second: NDArray) -> NDArray[np.bool_]:
    """Of each table whether its first row and column are the two baselines', who may share no unit with anybody."""
    found = np.zeros((2, shape.groups.size), dtype=bool)
    for side, names in enumerate((first, second)):
        found[side, shape.cell[0][names[shape.rows] == ""]] = True
    return found[0] & found[1]


def _largest(
    mean: Floats, se: Floats, freedom: Floats, alpha: Floats, usable: NDArray[np.bool_]
) -> tuple[dict[str, Floats], NDArray[np.intp]]:
    """The treatments' difference of differences that is largest in its errors, and its place; NaN and -1: none."""
    tables_here = np.arange(len(mean))
    value = mean[:, 1:, 1:] - mean[:, :1, 1:] - mean[:, 1:, :1] + mean[:, :1, :1]
    variance, noise = np.zeros_like(value), np.zeros_like(value)
    with np.errstate(invalid="ignore", divide="ignore"):
        for corner in _CORNERS:
            squared = se[:, *corner] ** 2
            variance = variance + squared
            noise = noise + squared**2 / np.maximum(freedom[:, *corner], 1.0)
        distance, df = np.abs(value) / np.sqrt(variance), variance**2 / noise
    flat = np.nan_to_num(distance.reshape(len(mean), -1), nan=-1.0)
    place = flat.argmax(axis=1)
    is_found = usable & (flat[tables_here, place] >= 0)
    effect, error, freedom = (
        each.reshape(len(mean), -1)[tables_here, place] for each in (value, np.sqrt(variance), df)
    )
    found = contrast(effect, error, freedom, np.where(is_found, np.int8(Status.OK), np.int8(Status.NO_UNITS)))
    ci = student_t.interval(found, alpha)
    largest = dict(zip(_INTERACTIONS, (found.value, found.se, ci.low, ci.high), strict=True))
    return largest, np.where(is_found, place, -1)


def _named(shape: Tables, variants: NDArray, place: NDArray[np.intp], axis: int) -> NDArray:
    """The variant at each table's place among its treatments, along one dimension; "" where there is no place."""
    names = np.full((shape.groups.size, shape.shape[axis]), "", dtype=object)
    names[shape.cell[0], shape.cell[1 + axis]] = variants[shape.rows]
    level = np.divmod(np.maximum(place, 0), shape.shape[1] - 1)[axis] + 1
    return np.where(place >= 0, names[np.arange(shape.groups.size), level], "")


def _refusals(heads: pd.DataFrame, blocked: pd.DataFrame) -> tuple[NDArray, NDArray]:
    """Status and reason of pairs that must not be computed: the first experiment's, or else the other's."""
    first, other = (blocks(heads, blocked, id_) for id_ in ("experiment_id", "other_experiment_id"))
    is_other = first[0] == ""
    return np.where(is_other, other[0], first[0]), np.where(is_other, other[1], first[1])


def _statuses(
    results: dict[str, Floats], is_skewed: NDArray[np.bool_], refusals: tuple[NDArray, NDArray]
) -> tuple[NDArray, NDArray]:
    status, reason = (np.full(results["p_value"].size, text, dtype=object) for text in ("ok", ""))
    status[is_skewed], reason[is_skewed] = "skewed", SKEWED
    dependent = results["p_value_assignment"] < _DEPENDENT_ALPHA
    reason[dependent] = np.where(is_skewed, f"{SKEWED}; {DEPENDENT}", DEPENDENT)[dependent]
    status[dependent] = "confounded"
    nothing = np.isnan(results["p_value"])
    status[nothing], reason[nothing] = TOO_FEW_SEGMENTS, NOTHING_SHARED
    is_refused = refusals[0] != ""
    return np.where(is_refused, refusals[0], status), np.where(is_refused, refusals[1], reason)
