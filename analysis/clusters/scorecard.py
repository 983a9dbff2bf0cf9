"""Scorecard rows of cluster-randomised experiments: CR2 with Satterthwaite's degrees of freedom."""

import zlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.clusters.cr2 import cr2
from analysis.clusters.reasons import REASONS, THIN
from analysis.clusters.sums import ClusterSums
from analysis.clusters.wild_bootstrap import two_sided_p, webb_weights
from analysis.periods import as_days
from analysis.scorecard.columns import SCORECARD_COLUMNS
from analysis.scorecard.contrast_rows import MetricContrasts, blocks_of, contrast_frame, dates_of
from analysis.statistics.estimate import Contrast
from analysis.statistics.status import Status
from configs.schema import Experiment, Metric

METHOD = "cr2"
FEW = "few_clusters"
TYPES = ("proportion", "mean", "retention", "ratio")
# More of the units than these in another arm than their cluster's, and clusters were not randomised as a whole.
MOST_STRAYS = 0.01
_STRAYS = f"over {MOST_STRAYS:.0%} of units are in another arm than their cluster: it was not randomised as a whole"
_NO_SUMS = "a {} has no sums by cluster, without which nothing holds of clusters"


def cluster_scorecard(
    cluster_sums: pd.DataFrame,
    moments: pd.DataFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    blocked: pd.DataFrame,
    as_of_dates: pd.DataFrame,
) -> pd.DataFrame:
    """Rows of every cluster-randomised experiment at the as-of dates asked for; `cluster_sums` is fct_cluster_sums."""
    blocks = blocks_of(blocked)
    frames = [pd.DataFrame(columns=list(SCORECARD_COLUMNS)).astype(SCORECARD_COLUMNS)]
    for experiment in experiments.values():
        dates = dates_of(as_of_dates, experiment.id)
        if experiment.cluster is None or not experiment.is_analysed or not dates:
            continue
        parts = [
            _contrasts(cluster_sums, experiment, metrics[metric_id], role, dates).rows(moments, blocks)
            for metric_id, role in experiment.metrics.roles.items()
        ]
        frames.append(contrast_frame(parts, experiment))
    return pd.concat(frames, ignore_index=True)


def _contrasts(
    cluster_sums: pd.DataFrame, experiment: Experiment, metric: Metric, role: str, dates: list[pd.Timestamp]
) -> MetricContrasts:
    own = cluster_sums[(cluster_sums["experiment_id"] == experiment.id) & (cluster_sums["metric_id"] == metric.id)]
    own = own.assign(as_of_date=as_days(own["as_of_date"]))
    shape = (len(dates), len(experiment.variants))
    value, se, df = (np.full(shape, np.nan) for _ in range(3))
    status, warnings = np.full(shape, np.int8(Status.NO_UNITS)), {}
    for at, day in enumerate(dates):
        whole, strays = whole_clusters(own[own["as_of_date"] == day])
        for arm, variant in enumerate(experiment.variants):
            if variant.baseline:
                continue
            both = whole[whole["variant_id"].isin([experiment.baseline.id, variant.id])]
            sums = _sums(both, metric, variant.id)
            found = cr2(sums)
            value[at, arm], se[at, arm], df[at, arm] = found.value, found.se, found.df
            status[at, arm] = Status.FAILED if strays > MOST_STRAYS else found.status
            if found.status == Status.OK and sums.is_thin:
                warnings[at, arm] = FEW, _few(sums, experiment.id, metric.id)
    reasons = REASONS | {Status.FAILED: _STRAYS}
    unsupported = "" if metric.type in TYPES and metric.bootstrap is None else _NO_SUMS.format(metric.type)
    found = Contrast(value, se, df, status)
    return MetricContrasts(experiment, metric, role, dates, found, METHOD, reasons, warnings, unsupported)


def whole_clusters(rows: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Every cluster in the arm where most of its units are, and the share of units that are in another one's."""
    ranked = rows.sort_values(["cluster", "n_units", "variant_id"], ascending=[True, False, True], kind="stable")
    kept = ranked.drop_duplicates("cluster")
    total = rows["n_units"].sum()
    return kept, float(1 - kept["n_units"].sum() / total) if total else 0.0


def _sums(rows: pd.DataFrame, metric: Metric, treatment: str) -> ClusterSums:
    size = rows["denominator_total"] if metric.type == "ratio" else rows["n_units"]
    total = rows["total"].to_numpy(dtype=float)
    return ClusterSums.of(size.to_numpy(dtype=float), total, (rows["variant_id"] == treatment).to_numpy())


def _few(sums: ClusterSums, *names: str) -> str:
    """What few clusters are to be read with: the wild bootstrap's p-value, by weights that follow from the names."""
    p = two_sided_p(sums, webb_weights(sums.size.shape[-1], zlib.crc32("/".join(names).encode())))
    return f"{THIN}; by a wild bootstrap p is {float(p):.3g}"
