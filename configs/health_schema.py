"""The thresholds of the health checks. Import the model from `configs.schema`."""

from typing import Annotated

from pydantic import Field

from configs.entity import Entity, Probability

Share = Annotated[float, Field(ge=0, le=1)]


class HealthThresholds(Entity):
    """`health` of the project, and of an experiment for those it sets otherwise.

    p-values are probabilities, shares lie between 0 and 1; docs/health_checks.md gives the reason for each figure.
    """

    sample_ratio_anytime_p: Probability = Field(0.001, description="Sequential sample ratio test; fails below.")
    sample_ratio_final_p: Probability = Field(0.0005, description="Chi-squared at the planned end; fails below.")
    sample_ratio_note_p: Probability = Field(0.01, description="Chi-squared at any date; a note below.")
    mixed_share_warning: Share = Field(0.01, description="Of exposed units; warns from here.")
    mixed_share_error: Share = Field(0.10, description="Of exposed units; fails from here.")
    mixed_difference_p: Probability = Field(0.001, description="Sequential p of mixed units' split; fails below.")
    absent_arm_p: Probability = Field(0.001, description="Chance of an empty arm; an error below.")
    unknown_variant_share: Share = Field(0.001, description="Of the experiment's exposure rows; warns above.")
    refused_exposure_share: Share = Field(0.01, description="Exposure rows refused otherwise; warns above.")
    early_exposure_share: Share = Field(0.01, description="Exposure rows before the start; warns above.")
    assignment_mismatch_warning: Share = Field(
        0.001, description="Units not in the variant of their hash; warns above."
    )
    assignment_mismatch_error: Share = Field(0.01, description="The same; fails above.")
    event_share_minimum: Share = Field(0.001, description="Units with any event of a source; warns below. 0: never.")
    event_loss_p: Probability = Field(0.001, description="Sequential p of equal losses of events; fails below.")
    event_loss_difference: Share = Field(0.01, description="Between arms, of units without events; warns from here.")
    event_loss_difference_error: Share = Field(0.10, description="The same; fails from here.")
    imbalance_p: Probability = Field(0.001, description="Always-valid p of equal covariate means; warns below.")
    imbalance_error_p: Probability = Field(1e-6, description="The same; fails below.")
    outlier_share: Share = Field(0.3, description="Of an arm's total, by a single unit; warns above.")
    capped_share: Share = Field(0.5, description="Of an arm's total, cut off by the cap; warns above.")
    level_jump_deviations: float = Field(6.0, gt=0, description="Of a day's cohort from earlier ones; warns above.")
    level_jump_share: Annotated[float, Field(gt=0)] = Field(0.3, description="And by this much, relatively.")
    stale_days: Annotated[int, Field(ge=1)] = Field(3, description="Days without a usable log; warns from here.")
    bot_daily_events: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Events of a source in one day of a unit; more are no person's. Unset: not tested."
    )
    bot_share: Share = Field(0.01, description="Bots among an arm's units; warns above.")
    bot_metric_share: Share = Field(0.1, description="Of an arm's total of a metric, brought by bots; warns above.")
    bot_difference_p: Probability = Field(0.001, description="Sequential p of equal shares of bots; warns below.")
    carry_over_days: Annotated[int, Field(ge=0, le=366)] | None = Field(
        None, description="Earlier experiments are compared if they ended at most so long before. Unset: not tested."
    )
    carry_over_p: Probability = Field(0.001, description="Sequential p of an even spread of earlier arms; warns below.")
    definition_changes: Annotated[int, Field(ge=0)] = Field(
        0, description="Definitions that a running experiment had before; warns above."
    )
    shared_unit_share: Share = Field(0.001, description="In another experiment of the exclusion group; fails above.")
    other_unit_share: Share = Field(0.001, description="Of a metric's amounts, in another unit; warns above.")
    other_unit_share_incomplete: Share = Field(0.01, description="The same; above, the metric is incomplete.")

    def overridden_by(self, other: "HealthThresholds") -> "HealthThresholds":
        """These thresholds, but for those that the other one sets."""
        return self.model_copy(update={name: getattr(other, name) for name in other.model_fields_set})
