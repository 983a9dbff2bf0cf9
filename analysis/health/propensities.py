"""Whether the propensities that a bandit's exposures log can be, and are those that it was told."""

from typing import Any

from analysis.health.inputs import HealthInputs

Row = dict[str, Any]
MOST_IMPOSSIBLE = 0.001
MOST_APART = 0.01


def logged_propensities(inputs: HealthInputs) -> list[Row]:
    """`logged_propensities`: chances outside (0, 1], or missing, fail; others than the published ones warn."""
    rows: list[Row] = []
    for look in inputs.data.logged_propensities.itertuples():
        if look.as_of_date.date() not in inputs.days[str(look.experiment_id)]:
            continue
        impossible, apart = (n / max(look.n_units, 1) for n in (look.n_impossible, look.n_apart))
        is_wrong = impossible > MOST_IMPOSSIBLE
        rows.append(
            {
                "as_of_date": look.as_of_date.date(),
                "experiment_id": str(look.experiment_id),
                "severity": "error" if is_wrong else "warning",
                "passed": not is_wrong and apart <= MOST_APART,
                "statistic": impossible if is_wrong else apart,
                "threshold": MOST_IMPOSSIBLE if is_wrong else MOST_APART,
                "message": (
                    f"of {look.n_units:,} units {look.n_impossible:,} log no chance above 0 and up to 1 (fails above"
                    f" {MOST_IMPOSSIBLE:.1%}), and {look.n_apart:,} another one than was published (warns above"
                    f" {MOST_APART:.0%}), by up to {look.largest_gap:.3f}; what is logged is what estimates use"
                ),
            }
        )
    return rows
