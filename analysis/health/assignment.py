"""Whether units are logged in the variant that the declared hashing gives them."""

import numpy as np
import pandas as pd

from analysis.health.inputs import HealthInputs, sums_so_far


def assignment_integrity(inputs: HealthInputs) -> pd.DataFrame:
    """`assignment_integrity`: units whose first logged variant is not that of their hash; warns, from more on fails."""
    units = inputs.data.assignments.astype({"n_units": "float64"})
    units = units.assign(n_wrong=units["n_units"].where(units["variant_id"] != units["hashed_variant_id"], 0.0))
    found = sums_so_far(inputs, units, "known_from", ["n_units", "n_wrong"])
    share = found["n_wrong"] / found["n_units"].where(found["n_units"] > 0)
    warns, fails = (
        inputs.limit(f"assignment_mismatch_{kind}", found["experiment_id"]) for kind in ("warning", "error")
    )
    severe = share > fails
    messages = [
        f"{n_wrong:,.0f} of {n:,.0f} units were first logged in another variant than their hash gives"
        f" ({n_wrong / n:.2%}, warns above {least:.2%}, fails above {most:.2%})"
        if n
        else "no unit yet"
        if inputs.experiments[id_].hashing
        else "not tested: the experiment declares no hashing"
        for id_, n, n_wrong, least, most in zip(
            found["experiment_id"], found["n_units"], found["n_wrong"], warns, fails, strict=True
        )
    ]
    return found.assign(
        severity=np.where((share > warns) & ~severe, "warning", "error"),
        passed=~((share > warns) | severe),
        statistic=share,
        threshold=np.where(severe, fails, warns),
        message=messages,
    )
