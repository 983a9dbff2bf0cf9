"""The heterogeneity benchmark at a small size."""

from benchmarks.heterogeneity import time_heterogeneity


def test_every_segment_and_dimension_comes_out() -> None:
    figures = time_heterogeneity(n_experiments=2, n_metrics=5, segments=4, runs=1)
    assert (figures["segments"], figures["tests"]) == (2 * 5 * 4, 2 * 5)
    # Two terms of five metrics in two experiments; one pair with five metrics.
    assert (figures["trends"], figures["overlaps"]) == (20, 5)
    assert figures["heterogeneity, s"] > 0
