"""Whether earlier experiments are still at work in an experiment's units.

Units keep what an earlier experiment did to them. That biases nothing as long as its arms are spread evenly over this
one's. They are not if both were assigned alike (the same salt), or if one decided who got into the other.
"""

from typing import Any

import numpy as np
import pandas as pd

from analysis.health.arm_pairs import arm_pairs
from analysis.health.inputs import HealthInputs, and_others, worst_at_looks
from analysis.statistics.confidence_sequence import best_rho2, running_minimum, two_sided_p
from analysis.statistics.estimate import Contrast
from analysis.statistics.event_loss import anytime_loss_p
from analysis.statistics.status import Status

UNITS_TO_START = 1_000
"""Units of each arm before means of covariates, which may be skewed, are compared."""

EARLIER = ["experiment_id", "earlier_experiment_id", "earlier_variant_id"]
SERIES = [*EARLIER, "variant_id_treatment"]


def carry_over(inputs: HealthInputs) -> pd.DataFrame:
    """`carry_over`: an earlier experiment's arms are unevenly spread over this one's: warns.

    A note where they are spread evenly, but differ in a covariate: the earlier experiment still works.
    """
    spread = worst_at_looks(inputs, _at_looks(inputs, _spread(inputs), SERIES))
    effects = worst_at_looks(inputs, _at_looks(inputs, _lasting_effects(inputs), [*EARLIER, "metric_id"]))
    rows = list(zip(spread.itertuples(), effects.itertuples(), strict=True))
    noted = ~spread["fails"].to_numpy() & effects["fails"].to_numpy()
    return spread.assign(
        severity=np.where(noted, "note", "warning"),
        passed=~spread["fails"],
        statistic=spread["difference"],
        message=[_message(row, effect, inputs) for row, effect in rows],
    )


def _spread(inputs: HealthInputs) -> pd.DataFrame:
    """Whether each arm of an earlier experiment is as frequent in a treatment as in the baseline.

    Of a day's units with an earlier arm, those of one arm are split over two arms here by a hypergeometric distribution
    if neither has to do with the other: tested as lost events are, so that allocation and sample ratio do not matter.
    """
    arms = inputs.data.earlier_arms
    arms = arms[arms["metric_id"] == "all"].astype({"n_units": "float64"})
    day = [*EARLIER[:2], "known_from", "variant_id"]
    units = arms.groupby(day, as_index=False)["n_units"].sum()
    tested = _tested(inputs)
    cells = units.merge(tested, on=EARLIER[:2]).merge(
        arms[[*day, "earlier_variant_id", "n_units"]], how="left", on=[*day, "earlier_variant_id"], suffixes=("", "_in")
    )
    cells = cells.assign(n_units_in=cells["n_units_in"].fillna(0))
    pairs = arm_pairs(cells, inputs.experiments, [*EARLIER, "known_from"])
    pairs = pairs.sort_values([*SERIES, "known_from"], ignore_index=True)
    p = anytime_loss_p(
        (pairs["n_units_in_baseline"], pairs["n_units_in_treatment"]),
        (pairs["n_units_baseline"], pairs["n_units_treatment"]),
        pairs.groupby(SERIES, sort=False).ngroup().to_numpy(),
    )
    columns = [f"n_units{part}_{arm}" for part in ("", "_in") for arm in ("baseline", "treatment")]
    pairs[columns] = pairs.groupby(SERIES, sort=False)[columns].cumsum()
    shares = {arm: pairs[f"n_units_in_{arm}"] / pairs[f"n_units_{arm}"] for arm in ("baseline", "treatment")}
    threshold = inputs.limit("carry_over_p", pairs["experiment_id"]) / _family(inputs, tested, pairs)
    return pairs.assign(
        **{f"share_{arm}": share for arm, share in shares.items()},
        difference=shares["treatment"] - shares["baseline"],
        p_value=p,
        threshold=threshold,
        fails=p < threshold,
        badness=-np.log(np.maximum(p, 1e-300)),
    )


def _tested(inputs: HealthInputs) -> pd.DataFrame:
    """The arms of earlier experiments but their baselines."""
    arms = inputs.data.predecessors
    return arms.loc[~arms["is_baseline"].astype(bool), EARLIER]


def _family(inputs: HealthInputs, tested: pd.DataFrame, pairs: pd.DataFrame) -> Any:
    """All comparisons that the configuration asks for, however many have units yet: so looks may be daily."""
    n_arms = tested.groupby("experiment_id").size()
    sizes = {id_: n_arms.get(id_, 0) * len(one.treatments) for id_, one in inputs.experiments.items()}
    return np.maximum(pairs["experiment_id"].map(sizes).to_numpy(dtype=float), 1)


def _lasting_effects(inputs: HealthInputs) -> pd.DataFrame:
    """Covariates of this experiment's units, by their arm in an earlier one: always-valid p of their difference."""
    sums = ["n_units", "covariate_sum", "covariate_squares"]
    arms = inputs.data.earlier_arms
    arms = arms[arms["metric_id"] != "all"].astype(dict.fromkeys(sums, "float64"))
    series = [*EARLIER, "metric_id"]
    daily = arms.groupby([*series, "known_from"], as_index=False)[sums].sum()
    # An arm without new units on a day stands where it was: both arms at every day of the two.
    days = daily[[*EARLIER[:2], "metric_id", "known_from"]].drop_duplicates()
    grid = days.merge(inputs.data.predecessors, on=EARLIER[:2])
    daily = grid.merge(daily, how="left", on=[*series, "known_from"]).sort_values([*series, "known_from"])
    daily[sums] = daily[sums].fillna(0).groupby([daily[column] for column in series], sort=False).cumsum()
    is_baseline = daily["is_baseline"].astype(bool)
    day = [*EARLIER[:2], "metric_id", "known_from"]
    pairs = daily[~is_baseline].merge(daily[is_baseline], on=day, suffixes=("", "_baseline"))
    means, variances = {}, {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for arm in ("", "_baseline"):
            n, total, squares = (pairs[f"{name}{arm}"].to_numpy(dtype=float) for name in sums)
            means[arm] = total / n
            variances[arm] = np.maximum(squares - total * means[arm], 0) / (n - 1) / n
        se = np.sqrt(variances[""] + variances["_baseline"])
    n_least = np.minimum(pairs["n_units"], pairs["n_units_baseline"]).to_numpy(dtype=float)
    n_both = (pairs["n_units"] + pairs["n_units_baseline"]).to_numpy(dtype=float)
    difference = means[""] - means["_baseline"]
    per_metric = _family(inputs, _tested(inputs), pairs)
    n_metrics = {
        id_: max(1, sum(inputs.metrics[metric].covariate is not None for metric in one.metrics.roles))
        for id_, one in inputs.experiments.items()
    }
    family = per_metric * pairs["experiment_id"].map(n_metrics).to_numpy(dtype=float)
    threshold = inputs.limit("carry_over_p", pairs["experiment_id"]) / family
    contrast = Contrast(
        difference, np.where(se > 0, se, np.nan), np.full(len(pairs), np.inf), np.full(len(pairs), Status.OK)
    )
    p = two_sided_p(contrast, n_both, best_rho2(np.full(len(pairs), 10.0 * UNITS_TO_START), threshold))
    group = pairs.groupby(series, sort=False).ngroup().to_numpy()
    p = running_minimum(np.where(n_least >= UNITS_TO_START, p, np.nan), group, pairs["known_from"].to_numpy())
    return pairs.assign(
        mean=means[""],
        mean_baseline=means["_baseline"],
        p_value=p,
        threshold=threshold,
        fails=p < threshold,
        badness=-np.log(np.maximum(np.nan_to_num(p, nan=1.0), 1e-300)),
    )


def _at_looks(inputs: HealthInputs, found: pd.DataFrame, series: list[str]) -> pd.DataFrame:
    """What was found of each series by each look: as of the last day on which it had units."""
    looks = inputs.looks.merge(found[series].drop_duplicates(), on="experiment_id").sort_values("as_of_date")
    found = found.rename(columns={"known_from": "as_of_date"}).sort_values("as_of_date")
    if found.empty or looks.empty:
        return found
    known = pd.merge_asof(looks, found, on="as_of_date", by=series)
    return known[known["p_value"].notna()].reset_index(drop=True)


def _message(row: Any, effect: Any, inputs: HealthInputs) -> str:
    if inputs.thresholds[row.experiment_id].carry_over_days is None:
        return "not tested: no `health.carry_over_days` says how long before the start earlier experiments count"
    if np.isnan(row.p_value):
        return "none of the units had been in an earlier experiment"
    text = (
        f"{row.share_treatment:.2%} of {row.variant_id_treatment} and {row.share_baseline:.2%} of"
        f" {row.variant_id_baseline} had been in {row.earlier_variant_id} of {row.earlier_experiment_id}, of"
        f" {row.n_units_treatment + row.n_units_baseline:,.0f} units that were in it before: sequential p"
        f" {row.p_value:.4g} (warns below {row.threshold:.2g})" + and_others(row.n_failing, "comparison")
    )
    if effect.fails:
        text += (
            f"; before their exposure units of {effect.earlier_variant_id} of {effect.earlier_experiment_id} had"
            f" {effect.mean:.6g} of {effect.metric_id}, others {effect.mean_baseline:.6g} (always-valid p"
            f" {effect.p_value:.4g}): that experiment still works"
            + (", which biases this one" if row.fails else "; spread evenly, it biases nothing")
        )
    return text
