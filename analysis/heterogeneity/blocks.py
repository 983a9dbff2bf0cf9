"""What must not be computed, since logs are missing or a definition is broken."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.scorecard.columns import NO_COVARIATE

_KEYS = ["as_of_date", "experiment_id", "metric_id"]


def blocks(rows: pd.DataFrame, blocked: pd.DataFrame, experiment: str = "experiment_id") -> tuple[NDArray, NDArray]:
    """Status and reason of each row whose as-of date, experiment (in that column) and metric are blocked, else "".

    `blocked` (`as_of_date, experiment_id, metric_id, status, reason`) is the scorecard's; what lacks a covariate
    alone is not blocked.
    """
    some = blocked.loc[blocked["status"] != NO_COVARIATE, [*_KEYS, "status", "reason"]]
    some = some.astype(dict.fromkeys(("experiment_id", "metric_id", "status", "reason"), "str"))
    some["as_of_date"] = pd.to_datetime(some["as_of_date"]).astype("datetime64[us]")
    some = some.drop_duplicates(_KEYS).rename(columns={"experiment_id": experiment})
    keys = ["as_of_date", experiment, "metric_id"]
    found = rows[keys].merge(some, on=keys, how="left")[["status", "reason"]]
    status, reason = (np.where(found["status"].isna(), "", found[name].to_numpy(object)) for name in found)
    return status.astype(object), reason.astype(object)
