"""Relative effects of every comparison, by the delta method or Fieller's."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.design import Design
from analysis.statistics.estimate import Estimate
from analysis.statistics.inference import Inference
from analysis.statistics.relative import is_weak, relative_effect, relative_point
from analysis.statistics.status import Status


def relative_results(rows: pd.DataFrame, estimate: Estimate, method: Inference, design: Design) -> dict[str, NDArray]:
    """Point, interval and status of each effect as a share of |baseline mean|.

    Fieller's intervals where asked for, and with `auto` where the baseline is weak; other methods than
    fixed keep the delta method's.
    """
    relative = relative_effect(estimate)
    scale = 1 / np.abs(estimate.baseline.mean)
    ci = method.interval(relative, design.about(scale))
    wanted = rows["relative_interval"].to_numpy()
    is_fieller = (wanted == "fieller") | ((wanted == "auto") & is_weak(estimate))
    is_fieller &= (method.relative_interval is not None) & (relative.status == Status.OK)
    low, high, shape = ci.low.copy(), ci.high.copy(), np.zeros(len(rows), dtype=np.int8)
    if method.relative_interval is not None and is_fieller.any():
        exact = method.relative_interval(estimate.take(is_fieller), design.alpha[is_fieller])
        low[is_fieller], high[is_fieller], shape[is_fieller] = exact.low, exact.high, exact.shape
    return {
        "effect_relative": relative_point(estimate),
        "relative_ci_low": low,
        "relative_ci_high": high,
        "relative_status": relative.status,
        "relative_shape": shape,
        "is_fieller": is_fieller,
    }
