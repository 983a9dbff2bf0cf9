"""What a calibration says on the scorecard's rows."""

import pandas as pd

from analysis.calibration.calibrate import MISCALIBRATED
from analysis.scorecard import ESTIMATED_STATUSES

POST_STRATIFIED = "_post_stratified"
KEYS = ["experiment_id", "metric_id", "metric_hash", "method"]


def marked(scorecard: pd.DataFrame, calibration: pd.DataFrame) -> pd.DataFrame:
    """The scorecard with the rows of miscalibrated metrics saying so, in `status` and at the end of `reason`.

    It is the gravest warning, since it is of the tests themselves. A row without a result keeps its failure.

    A row is judged by its experiment's latest calibration before its as-of date, so that later ones change no row of
    an earlier date, and only by one of the same definition and method, but for strata. One treatment's failure marks
    the metric in all treatments and segments.
    """
    failed = _judgements(calibration)
    if failed.empty or scorecard.empty:
        return scorecard
    rows = scorecard[[*KEYS, "as_of_date"]].reset_index(drop=True)
    rows = rows.assign(
        # Buckets are re-randomised without their strata: such rows are judged by their unadjusted estimate.
        method=rows["method"].str.replace(POST_STRATIFIED, ""),
        position=rows.index,
        as_of_date=pd.to_datetime(rows["as_of_date"]).astype("datetime64[us]"),
    ).sort_values("as_of_date", kind="stable")
    found = pd.merge_asof(rows, failed, on="as_of_date", by=KEYS, allow_exact_matches=False)
    text = found.set_index("position")["text"].reindex(range(len(rows))).fillna("").to_numpy(dtype=object)
    estimated = scorecard["status"].isin(ESTIMATED_STATUSES).to_numpy()
    marks = estimated & (text != "")
    reason = scorecard["reason"].fillna("").to_numpy(dtype=object).copy()
    reason[marks] = [f"{old}; {new}" if old else new for old, new in zip(reason[marks], text[marks], strict=True)]
    status = scorecard["status"].mask(marks, MISCALIBRATED)
    return scorecard.assign(status=status, reason=reason).astype({"status": "str", "reason": "str"})


def _judgements(calibration: pd.DataFrame) -> pd.DataFrame:
    """For each calibration of a metric its date and, where a treatment fails, the first failing one's reason."""
    text = calibration["reason"].where(calibration["status"] == MISCALIBRATED)
    dated = calibration.assign(text=text, as_of_date=pd.to_datetime(calibration["as_of_date"]).astype("datetime64[us]"))
    if text.isna().all():
        return dated.iloc[:0]
    first = dated.groupby([*KEYS, "as_of_date"], as_index=False)["text"].first()
    return first.astype(dict.fromkeys(KEYS, "str")).sort_values("as_of_date", kind="stable")
