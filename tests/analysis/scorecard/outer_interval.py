"""A quantile of events and its interval straight from the events, without counts or sums."""

from math import ceil

import numpy as np
from scipy import stats

Events = list[np.ndarray]
"""Of each unit of an arm its events' measures."""


def outer_interval(units: Events, q: float, alpha: float) -> tuple[float, float, float]:
    """Quantile and outer interval straight from the events."""
    values = np.sort(np.concatenate(units))
    n, rank = len(values), ceil(q * len(values) - 1e-9)
    quantile = values[rank - 1]
    seen = [events for events in units if len(events)]
    size = np.array([len(events) for events in seen])
    below = np.array([(events <= quantile).sum() for events in seen])
    share = below.sum() / n
    variance = len(seen) * np.var(below - share * size, ddof=1) / n**2
    scaled = variance * (rank / n) * (1 - rank / n) / (share * (1 - share))
    reach = stats.t.ppf(1 - alpha / 2, len(seen) - 1) * np.sqrt(scaled)
    ends = [ceil(n * (rank / n + sign * reach) - 1e-9) for sign in (-1, 1)]
    return quantile, values[ends[0] - 1], values[ends[1] - 1]
