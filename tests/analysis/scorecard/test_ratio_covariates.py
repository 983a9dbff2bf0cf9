"""A ratio with a covariate: adjusted from the moments of its numerator, denominator, covariate and history."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis.scorecard import scorecard
from analysis.statistics.moments import JointMoments
from configs.schema import Covariate, Experiment, Metric

OF_DENOMINATOR = ["denominator_covariate_covariance", "denominator_no_history_covariance"]


@pytest.fixture
def arms(units: Callable[..., pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {"control": units(1, 2000), "treatment_1": units(2, 2000, lift=0.05)}


@pytest.fixture
def row_of(
    arms: dict[str, pd.DataFrame],
    metrics: dict[str, Metric],
    experiment: Callable[..., Experiment],
    moments_of: Callable[..., pd.DataFrame],
    not_blocked: pd.DataFrame,
) -> Callable[..., pd.Series]:
    """The row of the ratio, whose moments are as dbt would compute them, but for the columns left out."""
    with_covariate = metrics["basket"].model_copy(update={"covariate": Covariate(lookback_days=14)})
    moments = moments_of(arms)
    for variant, values in arms.items():
        joint = JointMoments.from_values(values["revenue"], values["orders"], values["before"], values["is_new"])
        columns = {
            "covariate_mean": joint.mean[2],
            "covariate_variance": joint.covariance[2, 2],
            "covariate_covariance": joint.covariance[0, 2],
            "no_history_share": joint.mean[3],
            "no_history_covariance": joint.covariance[0, 3],
            "covariate_no_history_covariance": joint.covariance[2, 3],
            "denominator_covariate_covariance": joint.covariance[1, 2],
            "denominator_no_history_covariance": joint.covariance[1, 3],
        }
        is_ratio = (moments["metric_id"] == "basket") & (moments["variant_id"] == variant)
        for name, value in columns.items():
            moments.loc[is_ratio, name] = value

    def row(without: tuple[str, ...] = (), **analysis: object) -> pd.Series:
        card = scorecard(
            moments.drop(columns=list(without)),
            {"checkout": experiment(**analysis)},
            metrics | {"basket": with_covariate},
            not_blocked,
        )
        return card.set_index("metric_id").loc["basket"]

    return row


@pytest.mark.parametrize("adjustment", ["cuped", "lin"])
def test_the_covariate_takes_variance_away(row_of, arms, adjustment):
    adjusted, plain = row_of(adjustment=adjustment), row_of(covariate_adjustment=False)

    assert (adjusted["method"], adjusted["status"]) == (f"delta_ratio_{adjustment}", "ok")
    assert adjusted["baseline_mean"] == plain["baseline_mean"]
    assert adjusted["variance_reduction"] == pytest.approx(1 - (adjusted["effect_se"] / plain["effect_se"]) ** 2)
    # As much as a regression of the linearised ratio on covariate and history explains within the arms.
    assert adjusted["variance_reduction"] == pytest.approx(explained(arms), abs=0.01)


def test_without_the_denominators_covariances_the_row_says_that_it_is_unadjusted(row_of):
    row = row_of(without=tuple(OF_DENOMINATOR))

    assert (row["method"], row["status"]) == ("delta_ratio", "no_covariate")
    assert row["effect_se"] == row_of(covariate_adjustment=False)["effect_se"]


def explained(arms: dict[str, pd.DataFrame]) -> float:
    """The average of the arms' R²."""
    shares = []
    for values in arms.values():
        ratio = values["revenue"].mean() / values["orders"].mean()
        linearised = ((values["revenue"] - ratio * values["orders"]) / values["orders"].mean()).to_numpy()
        design = np.column_stack([np.ones(len(values)), values["before"], values["is_new"]])
        fitted = design @ np.linalg.lstsq(design, linearised, rcond=None)[0]
        shares.append(fitted.var() / linearised.var())
    return float(np.mean(shares))
