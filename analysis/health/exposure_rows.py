"""What an exposure log holds of an experiment besides units that count: rows of other variants and of other times."""

import pandas as pd

from analysis.health.inputs import HealthInputs, sums_so_far
from analysis.periods import as_days

UNKNOWN_VARIANT = ("unknown_variant", "missing_variant_id")


def unknown_variants(inputs: HealthInputs) -> pd.DataFrame:
    """`unknown_variants`: exposure rows were refused because their variant is missing or not configured; warns."""
    rows = _rows(inputs)
    return _refused(inputs, rows[rows["reason"].isin(["", *UNKNOWN_VARIANT])], "unknown_variant_share")


def refused_exposures(inputs: HealthInputs) -> pd.DataFrame:
    """`refused_exposures`: exposure rows were refused for another reason, most often because they came late; warns."""
    rows = _rows(inputs)
    return _refused(inputs, rows[~rows["reason"].isin(UNKNOWN_VARIANT)], "refused_exposure_share")


def _refused(inputs: HealthInputs, rows: pd.DataFrame, limit: str) -> pd.DataFrame:
    """The share of rows with a reason, and how many there are of each."""
    reasons = sorted(set(rows["reason"]) - {""})
    by_reason = {f"n_{reason}": rows["n_rows"].where(rows["reason"] == reason, 0) for reason in reasons}
    found = sums_so_far(inputs, rows.assign(**by_reason), "log_date", ["n_rows", *by_reason])
    refused = found[list(by_reason)].sum(axis=1)
    share = refused / found["n_rows"].where(found["n_rows"] > 0)
    threshold = inputs.limit(limit, found["experiment_id"])
    fails = share > threshold
    counts = found[list(by_reason)].to_numpy()
    messages = [
        f"{n_refused:,.0f} of {n:,.0f} exposure rows were refused ({_share(n_refused, n)}, warns above {most:.2%})"
        + (": " + ", ".join(f"{k:,.0f} {why}" for k, why in zip(listed, reasons, strict=True) if k)) * bool(n_refused)
        for n_refused, n, most, listed in zip(refused, found["n_rows"], threshold, counts, strict=True)
    ]
    return found.assign(severity="warning", passed=~fails, statistic=share, threshold=threshold, message=messages)


def exposures_outside_period(inputs: HealthInputs) -> pd.DataFrame:
    """`exposures_outside_period`: rows from before the start warn, rows from after the end leave a note.

    Neither counts. Before the start, units have already been treated when their first counted exposure comes; after
    the end the variant only stays on.
    """
    rows = _rows(inputs)
    rows = rows[rows["reason"] == ""]
    starts, ends = (
        as_days(rows["experiment_id"].map({id_: getattr(one, name) for id_, one in inputs.experiments.items()}))
        for name in ("start", "end")
    )
    counts = {
        "n_before": rows["n_rows"].where(rows["exposed_date"] < starts, 0),
        "n_after": rows["n_rows"].where(rows["exposed_date"] > ends, 0),
    }
    found = sums_so_far(inputs, rows.assign(**counts), "log_date", ["n_rows", *counts])
    share = found["n_before"] / found["n_rows"].where(found["n_rows"] > 0)
    threshold = inputs.limit("early_exposure_share", found["experiment_id"])
    fails = share > threshold
    messages = [
        f"{n_before:,.0f} of {n:,.0f} exposure rows are from before the start ({_share(n_before, n)}, warns above"
        f" {limit:.2%}), {n_after:,.0f} from after the end; none of these counts"
        for n, n_before, n_after, limit in zip(
            found["n_rows"], found["n_before"], found["n_after"], threshold, strict=True
        )
    ]
    severity = pd.Series("warning", found.index).mask(~fails & (found["n_before"] + found["n_after"] > 0), "note")
    return found.assign(severity=severity, passed=~fails, statistic=share, threshold=threshold, message=messages)


def _rows(inputs: HealthInputs) -> pd.DataFrame:
    """Rows of each experiment in its own exposure log."""
    rows = inputs.data.exposure_rows
    own = {id_: experiment.exposure_source for id_, experiment in inputs.experiments.items()}
    return rows[rows["source_id"] == rows["experiment_id"].map(own)].astype({"n_rows": "float64"})


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.2%}" if whole else "none"
