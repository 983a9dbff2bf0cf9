"""Compile the dbt models with two of the example metrics and lint the SQL that comes out."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # this checkout's packages and dbt project, whichever one is installed

from configs.load import load_config  # noqa: E402
from configs.render import render  # noqa: E402
from configs.schema import Bandit, Experiment, ExperimentMetrics  # noqa: E402
from orchestration.dbt_models import invoke_dbt  # noqa: E402
from orchestration.workspace import Workspace  # noqa: E402

SAMPLE_METRICS = ("revenue_per_user", "revenue_per_order")
"""A mean with a quantile cap and a covariate, and a ratio; with those added below, every branch of the macros."""

SAMPLE_EXPERIMENT = "free_shipping_threshold"
"""With strata and batches, which models do without if no experiment asks for them."""


def main() -> int:
    """Exit status of sqlfluff, or of reading the SQL as other engines would."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(ROOT / "configs", Path(folder) / "data", Path(folder) / "state")
        workspace.activate()
        config = load_config(workspace.configs)
        metrics = {metric_id: config.metrics[metric_id] for metric_id in SAMPLE_METRICS}
        mean = metrics[SAMPLE_METRICS[0]]
        median = {"id": "median", "type": "quantile", "quantile": 0.5, "cap": None, "covariate": None}
        of_events = median | {"id": "median_of_events", "of": "events", "aggregate": None}
        for quantile in (median, of_events):
            metrics[str(quantile["id"])] = type(mean).model_validate(mean.model_dump() | quantile)
        for metric_id in SAMPLE_METRICS:
            resampled = {"id": f"resampled_{metric_id}", "covariate": None, "bootstrap": {}}
            metrics[resampled["id"]] = type(mean).model_validate(
                metrics[metric_id].model_dump(exclude_none=True) | resampled
            )
            further = {"name": "visits", "source": "shop_events", "event": "visit"}
            adjusted = {"id": f"adjusted_{metric_id}", "covariate": {"lookback_days": 7, "further": [further]}}
            metrics[adjusted["id"]] = type(mean).model_validate(
                metrics[metric_id].model_dump(exclude_none=True) | adjusted
            )
        counted = {"id": "channels", "aggregate": "count_distinct", "measure": None, "property": "channel"}
        metrics["channels"] = type(mean).model_validate(mean.model_dump() | counted)
        channel = {"id": "channel", "type": "categorical", "source": "shop_events", "event": "purchase"}
        metrics["channel"] = type(mean).model_validate(channel | {"property": "channel", "categories": ["web", "app"]})
        stratified = _stratified(config.experiments[SAMPLE_EXPERIMENT])
        plain = {"id": "plain", "cap": None, "covariate": None, "window": None}
        metrics["plain"] = type(mean).model_validate(mean.model_dump() | plain)
        grouped = _grouped(stratified)
        switched = _switched(stratified)
        experiments = {one.id: one for one in (stratified, grouped, switched)}
        render(config.model_copy(update={"metrics": metrics, "experiments": experiments}), workspace.generated)
        invoke_dbt(["compile", "--select", "resource_type:model", "test_type:singular"])
        compiled = workspace.dbt_target / "compiled"
        dialects = [sys.executable, str(ROOT / ".ci" / "read_dialects.py"), str(compiled)]
        readable = subprocess.run(dialects, check=False).returncode
        command = [str(Path(sys.executable).with_name("sqlfluff")), "lint", "--config", str(ROOT / ".sqlfluff")]
        return subprocess.run([*command, "--disable-progress-bar", str(compiled)], check=False).returncode or readable


def _stratified(experiment: Experiment) -> Experiment:
    listed = ExperimentMetrics(primary=SAMPLE_METRICS)
    analysis = experiment.analysis.model_copy(update={"adjustment": "post_stratification"})
    bandit = Bandit(reward=SAMPLE_METRICS[0], propensity=experiment.segments[0])
    return experiment.model_copy(
        update={"metrics": listed, "analysis": analysis, "status": "running", "bandit": bandit}
    )


def _grouped(experiment: Experiment) -> Experiment:
    """A quasi-experiment, without which the models of groups are empty."""
    block = {"group": "channel", "adoption": {"web": experiment.end}}
    kept = experiment.model_dump(include={"start", "end", "exposure_source"})
    named = {"id": "grouped", "type": "difference_in_differences", "difference_in_differences": block}
    return Experiment.model_validate(kept | named | {"metrics": {"primary": ("plain",)}})


def _switched(experiment: Experiment) -> Experiment:
    """A switchback, without which the model of periods is empty."""
    block = {"attribute": experiment.segments[0], "period_minutes": 60, "block_periods": 6, "carryover_periods": 1}
    kept = experiment.model_dump(include={"start", "end", "exposure_source", "variants"})
    named = {"id": "switched", "type": "switchback", "switchback": block}
    return Experiment.model_validate(kept | named | {"metrics": {"primary": ("plain",)}})


if __name__ == "__main__":
    sys.exit(main())
