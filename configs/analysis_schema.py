"""The models of an experiment's `analysis`. Import them from `configs.schema`."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.entity import Entity, Identifier, Probability

Spending = Literal["obrien_fleming", "pocock", "hwang_shih_decani"]
Correction = Literal[
    "none",
    "bonferroni",
    "holm",
    "hochberg",
    "hommel",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "dunnett",
]
METHOD_BLOCKS = ("always_valid", "group_sequential", "bayesian")


class AlwaysValid(Entity):
    """Options of method always_valid: an asymptotic confidence sequence."""

    planned_units: Annotated[int, Field(ge=2)] | None = Field(
        None, description="Units over all variants at which intervals are narrowest; default minimum_units × variants."
    )
    burn_in: int = Field(100, ge=2, description="Events and non-events of a share in each arm before it starts.")
    burn_in_units: int = Field(1000, ge=2, description="Units in each arm before any other metric starts.")


class GroupSequential(Entity):
    """Options of method group_sequential: Lan-DeMets error spending."""

    planned_units: int = Field(ge=4, description="Matured units over all variants at the planned end.")
    spending: Spending = "obrien_fleming"
    gamma: float = Field(-4.0, ge=-20, le=20, description="Of hwang_shih_decani alone; lower spends later.")
    looks: tuple[date, ...] = Field((), description="As-of dates; default every one. The end is always a look.")
    futility_spending: Spending | None = Field(None, description="Of 1 - power, on non-binding futility bounds.")
    futility_gamma: float = Field(-2.0, ge=-20, le=20)


class Bayesian(Entity):
    """Options of method bayesian; everything is in the scale that `scale` names."""

    prior: Literal["flat", "weak", "informative"] = "flat"
    prior_mean: float = Field(0.0, description="Of an informative prior on the effect.")
    prior_sd: Annotated[float, Field(gt=0)] | None = Field(None, description="Of an informative prior on the effect.")
    scale: Literal["relative", "absolute"] = Field("relative", description="Shares of |baseline mean|, or units.")
    rope: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Half-width of the practical-equivalence region."
    )
    expected_loss_threshold: float = Field(0.001, gt=0, description="The largest at which a treatment may ship.")

    @model_validator(mode="after")
    def _prior_is_complete(self) -> "Bayesian":
        if (self.prior == "informative") != (self.prior_sd is not None):
            raise ValueError("`prior_sd` goes with prior informative, and only there")
        if self.prior != "informative" and self.prior_mean != 0:
            raise ValueError("`prior_mean` goes with prior informative, and only there")
        return self


class Equivalence(Entity):
    """A metric to be proven alike in both arms: its effect within a margin on both sides (TOST)."""

    metric: Identifier
    relative_margin: Annotated[float, Field(gt=0, lt=1)] | None = None
    absolute_margin: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _exactly_one_margin(self) -> "Equivalence":
        if (self.relative_margin is None) == (self.absolute_margin is None):
            raise ValueError("an equivalence test needs exactly one of relative_margin, absolute_margin")
        return self


class Analysis(Entity):
    """How an experiment is analysed."""

    method: Literal["fixed", "always_valid", "group_sequential", "bayesian"] = "fixed"
    alpha: float = Field(0.05, gt=0, lt=0.5, description="Two-sided; one-sided intervals take twice as much.")
    power: Probability = 0.8
    alternative: Literal["two_sided", "improvement"] = Field(
        "two_sided", description="improvement: adjusted p-values and intervals are one-sided, towards the better."
    )
    correction: Correction = "holm"
    adjustment: Literal["cuped", "lin", "post_stratification", "none"] = Field(
        "cuped", description="How covariates are used; none is covariate_adjustment: false."
    )
    strata: tuple[Identifier, ...] = Field(
        (), description="Of post_stratification: attributes of the exposure source; default the segments."
    )
    covariate_adjustment: bool = Field(
        default_factory=lambda data: data.get("adjustment") != "none",
        description="Default true, but with adjustment none.",
    )
    proportion_interval: Literal["wald", "newcombe"] = Field(
        "wald", description="Test and interval of a difference of shares: Welch's, or by hybrid score."
    )
    relative_interval: Literal["auto", "delta", "fieller"] = Field(
        "auto", description="auto: Fieller's where the baseline is within 5 standard errors of 0, else delta."
    )
    equivalence: tuple[Equivalence, ...] = ()
    always_valid: AlwaysValid | None = Field(
        default_factory=lambda data: AlwaysValid() if data.get("method") == "always_valid" else None
    )
    group_sequential: GroupSequential | None = None
    bayesian: Bayesian | None = Field(
        default_factory=lambda data: Bayesian() if data.get("method") == "bayesian" else None
    )
    minimum_days: int = Field(7, ge=0)
    minimum_units: int = Field(1000, ge=2, description="Matured units per variant.")
    minimum_detectable_effect: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Relative; the planning effect of the power gate. Absent: no gate."
    )

    @model_validator(mode="after")
    def _no_adjustment_means_none_of_covariates(self) -> "Analysis":
        if self.adjustment == "none" and self.covariate_adjustment:
            raise ValueError("covariate_adjustment: true contradicts adjustment: none")
        if self.adjustment == "post_stratification" and not self.covariate_adjustment:
            raise ValueError("covariate_adjustment: false contradicts adjustment: post_stratification; drop one")
        return self

    @property
    def is_sequential(self) -> bool:
        """Whether results hold at every look, so that a decision may come before the end."""
        return self.method in ("always_valid", "group_sequential")
