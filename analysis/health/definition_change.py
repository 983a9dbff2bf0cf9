"""Whether a running experiment's definition is another than its results were published under before."""

import pandas as pd

from analysis.health.inputs import LOOK, HealthInputs


def definition_changed(inputs: HealthInputs) -> pd.DataFrame:
    """`definition_changed`: results of this date or an earlier one were published under other definitions; warns.

    All of its history was computed anew, so that no number is wrong. But who changes what is measured once results
    are known may have changed it because of them.
    """
    former = inputs.data.former_definitions.sort_values(["last_date", "config_hash"], kind="stable")
    found = inputs.looks.merge(former, on="experiment_id")
    found = found[found["last_date"] <= found["as_of_date"]]
    counts = found.groupby(LOOK).size().rename("n").reset_index()
    latest = found.drop_duplicates(LOOK, keep="last")
    rows = inputs.looks.merge(latest, on=LOOK, how="left").merge(counts, on=LOOK, how="left")
    n = rows["n"].fillna(0)
    threshold = inputs.limit("definition_changes", rows["experiment_id"])
    messages = [
        "the definition is the one that it began with"
        if not count
        else f"until as-of {row.last_date:%Y-%m-%d} results were published under another definition"
        f" ({row.config_hash}): {row.changes}" + (f"; and under {count - 1:.0f} more before" if count > 1 else "")
        for row, count in zip(rows.itertuples(), n, strict=True)
    ]
    return rows.assign(severity="warning", passed=n <= threshold, statistic=n, threshold=threshold, message=messages)
