"""Whether a switchback's blocks were switched whole, and whether their arms are on record."""

from typing import Any

from analysis.clusters.scorecard import MOST_STRAYS
from analysis.health.inputs import HealthInputs

Row = dict[str, Any]


def block_arms(inputs: HealthInputs) -> list[Row]:
    """`block_arms`: units logged in another arm than their block's fail; blocks without exposures warn."""
    rows: list[Row] = []
    for look in inputs.data.block_arms.itertuples():
        if look.as_of_date.date() not in inputs.days[str(look.experiment_id)]:
            continue
        share = look.n_strays / look.n_units if look.n_units else 0.0
        passed = share <= MOST_STRAYS
        message = (
            f"{look.n_strays:,} of {look.n_units:,} units ({share:.2%}, fails above {MOST_STRAYS:.0%}) are logged in"
            f" another arm than most of their block; {look.n_unseen:,} of {look.n_blocks:,} blocks have no exposure"
        )
        severity = "error"
        if passed and look.n_unseen:
            passed, severity = False, "warning"
            message += ", so that their arms are not on record and Horvitz-Thompson is not computed"
        rows.append(
            {
                "as_of_date": look.as_of_date.date(),
                "experiment_id": str(look.experiment_id),
                "severity": severity,
                "passed": passed,
                "statistic": share,
                "threshold": MOST_STRAYS,
                "message": message,
            }
        )
    return rows
