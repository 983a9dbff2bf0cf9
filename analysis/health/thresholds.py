"""Every threshold of the health checks, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HealthThresholds:
    """What the checks compare with. `docs/health_checks.md` gives the reason for each figure.

    p-values are probabilities, shares are of exposed units, concentrations are the weight in units of the
    Dirichlet prior around the configured shares: the larger, the smaller the imbalance it is tuned to.
    """

    sample_ratio_anytime_p: float = 0.001
    sample_ratio_final_p: float = 0.0005
    sample_ratio_note_p: float = 0.01
    sample_ratio_concentration: float = 10_000.0
    mixed_share_warning: float = 0.01
    mixed_share_error: float = 0.10
    mixed_difference_p: float = 0.001
    mixed_concentration: float = 100.0
    absent_arm_p: float = 0.001
