"""A bootstrapped ratio under quantile caps: every replicate has its own caps, over all arms."""

import hashlib
from collections.abc import Callable
from datetime import date
from math import ceil

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.scorecard import scorecard
from configs.schema import Experiment, Metric

REPLICATES = 999
QUANTILE = 0.9
AS_OF = date(2026, 10, 21)
EVENT = {"source": "shop", "event": "purchase"}
BASKET = Metric.model_validate(
    {
        "id": "basket",
        "type": "ratio",
        "numerator": {**EVENT, "aggregate": "sum", "measure": "amount"},
        "denominator": EVENT,
        "cap": {"upper_quantile": QUANTILE},
        "bootstrap": {"replicates": REPLICATES, "interval": "percentile"},
    }
)
NAMES = {"value": "cents", "denominator": "orders"}


@pytest.fixture
def arms() -> dict[str, pd.DataFrame]:
    """Units with heavy amounts; the treatments spend much more, so that the common caps cut them more."""

    def arm(seed: int, n: int, lift: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        orders = rng.poisson(2 * (1 + lift / 2), n).astype(float)
        cents = np.round(orders * rng.lognormal(5, 1.5, n) * (1 + lift))
        return pd.DataFrame({"bucket": rng.integers(0, 1000, n), "orders": orders, "cents": cents})

    return {"control": arm(1, 900, 0), "treatment_1": arm(2, 800, 0.5), "treatment_2": arm(3, 700, 1.5)}


def pooled(arms: dict[str, pd.DataFrame], part: str) -> np.ndarray:
    return np.sort(np.concatenate([units[NAMES[part]] for units in arms.values()]))


def cap_in_force(arms: dict[str, pd.DataFrame], part: str) -> float:
    values = pooled(arms, part)
    return float(values[ceil(QUANTILE * len(values)) - 1])


def keys(variant: str) -> dict[str, object]:
    return {"as_of_date": AS_OF, "experiment_id": "checkout", "variant_id": variant, "metric_id": "basket"}


def moments(arms: dict[str, pd.DataFrame]) -> pd.DataFrame:
    rows = []
    for variant, units in arms.items():
        y = np.minimum(units["cents"], cap_in_force(arms, "value")) / 100
        d = np.minimum(units["orders"], cap_in_force(arms, "denominator"))
        absent = ["covariate_mean", "covariate_variance", "covariate_covariance", "no_history_share"]
        absent += ["no_history_covariance", "covariate_no_history_covariance"]
        linear = y - y.mean() / d.mean() * d
        row = {"n_units": len(y), "mean": y.mean(), "variance": y.var(), "third_central_moment": (linear**3).mean()}
        row |= {"denominator_mean": d.mean(), "denominator_variance": d.var(), "denominator_covariance": y.cov(d)}
        row |= dict.fromkeys(absent, np.nan) | {"n_overflow": 0, "n_not_computed": 0, "metric_hash": "0a1b"}
        rows.append(keys(variant) | {"segment_name": "all", "segment_value": "all", "last_cohort_date": AS_OF} | row)
    return pd.DataFrame(rows)


def bucket_sums(arms: dict[str, pd.DataFrame]) -> pd.DataFrame:
    frames = []
    for variant, units in arms.items():
        capped = pd.DataFrame(
            {
                "bucket": units["bucket"],
                "n_units": 1,
                "value_sum": np.minimum(units["cents"], cap_in_force(arms, "value")),
                "denominator_sum": np.minimum(units["orders"], cap_in_force(arms, "denominator")),
            }
        )
        sums = capped.groupby("bucket", as_index=False).sum()
        frames.append(sums.assign(**keys(variant), decimals=2, denominator_decimals=0))
    return pd.concat(frames, ignore_index=True)


def cap_tails(arms: dict[str, pd.DataFrame], part: str) -> pd.DataFrame:
    """Ranks within 6 standard deviations and 36 of the quantile's, as fct_cap_tails has them."""
    values = pooled(arms, part)
    reach = 6 * np.sqrt(len(values) * QUANTILE * (1 - QUANTILE)) + 36
    least, greatest = (values[min(len(values), ceil(QUANTILE * len(values) + s * reach)) - 1] for s in (-1, 1))
    frames = []
    for variant, units in arms.items():
        above = units[units[NAMES[part]] > least]
        value = above[NAMES[part]].clip(upper=greatest)
        counts = above.assign(value=value).groupby(["bucket", "value"]).size().rename("n_units").reset_index()
        frames.append(counts.assign(**keys(variant), part=part, cap=cap_in_force(arms, part), least_cap=least))
    return pd.concat(frames, ignore_index=True)


def digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def weights_of(variant: str, units: pd.DataFrame) -> np.ndarray:
    """Of each replicate and unit, by the documentation."""
    uniform = np.random.default_rng([digest("checkout basket"), digest(variant)]).random((REPLICATES, 1000))
    return np.searchsorted(stats.poisson.cdf(np.arange(18), 1), uniform, side="right")[:, units["bucket"]]


def replicated_ratios(
    arms: dict[str, pd.DataFrame], caps: dict[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Each arm's ratio in each replicate, unit by unit; `caps` instead of the replicates' own."""
    weights = {variant: weights_of(variant, units) for variant, units in arms.items()}
    of_all = np.concatenate(list(weights.values()), axis=1)
    sums: dict[tuple[str, str], np.ndarray] = {}
    for part, name in NAMES.items():
        values = np.concatenate([units[name] for units in arms.values()])
        order = np.argsort(values)
        up_to = np.cumsum(of_all[:, order], axis=1)
        own = values[order][np.argmax(up_to >= QUANTILE * up_to[:, -1:] - 1e-9, axis=1)]
        cap = own if caps is None else caps[part]
        for variant, units in arms.items():
            capped = np.minimum(units[name].to_numpy()[None, :], np.reshape(cap, (-1, 1)))
            sums[variant, part] = np.sum(weights[variant] * capped, axis=1)
    return {variant: sums[variant, "value"] / sums[variant, "denominator"] / 100 for variant in arms}


def test_every_replicate_is_capped_at_its_own_quantiles(
    arms: dict[str, pd.DataFrame], experiment: Callable[..., Experiment], not_blocked: pd.DataFrame
) -> None:
    tails = pd.concat([cap_tails(arms, part) for part in NAMES], ignore_index=True)
    frame = scorecard(
        moments(arms),
        {"checkout": experiment(2, {"primary": ["basket"]})},
        {"basket": BASKET},
        not_blocked,
        bucket_sums=bucket_sums(arms),
        cap_tails=tails.sample(frac=1, random_state=1),
    ).set_index("variant_id")
    own, fixed = replicated_ratios(arms), replicated_ratios(arms, {part: cap_in_force(arms, part) for part in NAMES})

    for variant, row in frame.iterrows():
        difference = np.sort(own[str(variant)] - own["control"])
        given_the_cap = (fixed[str(variant)] - fixed["control"]).std(ddof=1)
        assert row["effect"] == pytest.approx(row["treatment_mean"] - row["baseline_mean"])
        assert row["effect_se"] == pytest.approx(difference.std(ddof=1))
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((difference[24], difference[-25]))
        assert row["effect_se"] != pytest.approx(given_the_cap, rel=0.002)


def test_tails_without_a_column_are_refused(
    arms: dict[str, pd.DataFrame], experiment: Callable[..., Experiment], not_blocked: pd.DataFrame
) -> None:
    tails = cap_tails(arms, "value").drop(columns="least_cap")
    with pytest.raises(ValueError, match="lack the columns least_cap"):
        scorecard(moments(arms), {"checkout": experiment(2, {"primary": ["basket"]})}, {"basket": BASKET},
                  not_blocked, bucket_sums=bucket_sums(arms), cap_tails=tails)  # fmt: skip
