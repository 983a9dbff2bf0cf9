"""What a status of clusters or a switchback says, in words: a row's `reason`."""

from analysis.clusters.sums import FEWEST_EFFECTIVE
from analysis.statistics.status import REASONS as OF_TWO_ARMS
from analysis.statistics.status import Status

REASONS: dict[Status, str] = OF_TWO_ARMS | {
    Status.NO_UNITS: "an arm has no cluster with units",
    Status.TOO_FEW_UNITS: "an arm has fewer than 2 clusters, or no period left after washout, so it has no variance",
    Status.FAILED: "a cluster's size is negative",
    Status.ZERO_VARIANCE: "all clusters of both arms are alike",
}

THIN = f"an arm is worth fewer than {FEWEST_EFFECTIVE:.0f} clusters of one size: its tests are rough"
