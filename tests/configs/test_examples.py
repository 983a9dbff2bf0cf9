"""The example project: what the demo counts on."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from configs.load import load_config

DEMO_AS_OF = date(2026, 10, 15)


@pytest.fixture(scope="module")
def config():
    return load_config(Path(__file__).parents[2] / "configs")


def test_it_shows_every_kind_that_is_built(config):
    metrics, experiments = config.metrics.values(), config.experiments.values()

    assert {metric.type for metric in metrics} == {"proportion", "mean", "ratio", "retention"}
    assert {c.aggregate for metric in metrics for c in metric.components} == {"sum", "count", "max"}
    assert {source.format for source in (*config.sources.exposures, *config.sources.events)} == {
        "parquet", "csv", "jsonl",
    }  # fmt: skip
    assert {len(experiment.variants) for experiment in experiments} == {2, 4}
    margins = {
        name
        for experiment in experiments
        for guardrail in experiment.metrics.guardrail
        for name in ("non_inferiority_margin", "absolute_margin", "level")
        if getattr(guardrail, name) is not None
    }
    assert margins == {"non_inferiority_margin", "absolute_margin", "level"}


def test_every_metric_and_every_source_is_used(config):
    used = {id_ for experiment in config.experiments.values() for id_ in experiment.metrics.roles}

    assert used == set(config.metrics)
    assert {experiment.exposure_source for experiment in config.experiments.values()} == {
        source.id for source in config.sources.exposures
    }


def test_all_experiments_but_the_running_one_have_matured_by_the_end_of_the_demo(config):
    def last_day(experiment):
        windows = [config.metrics[id_].window for id_ in experiment.metrics.roles]
        return experiment.end + timedelta(days=max(window.end_days for window in windows if window))

    late = [id_ for id_, experiment in config.experiments.items() if last_day(experiment) > DEMO_AS_OF]

    assert late == ["loyalty_badges"]
    assert config.experiments["loyalty_badges"].status == "running"


def test_every_covariate_has_its_lookback_in_the_lake(config):
    for experiment in config.experiments.values():
        for id_ in experiment.metrics.roles:
            covariate = config.metrics[id_].covariate
            if covariate is not None:
                first = experiment.start - timedelta(days=covariate.lookback_days)
                assert first >= config.project.history_start
