"""What the health checks read: the marts, and what ingest noted of each day."""

import duckdb
import pandas as pd

from analysis.health import HealthData
from configs.predecessors import predecessors
from orchestration.audit import describe_warnings
from orchestration.former_definitions import former_definitions
from orchestration.inputs import RunInputs
from orchestration.warehouse import has_table

MARTS = {
    "epoch_counts": "fct_epoch_counts",
    "moments": "fct_metric_moments",
    "event_coverage": "fct_event_coverage",
    "metric_probes": "fct_metric_probes",
    "earlier_arms": "fct_earlier_arms",
    "assignments": "fct_assignments",
    "excluded_units": "fct_excluded_units",
}


def read_health_data(connection: duckdb.DuckDBPyConnection, inputs: RunInputs) -> HealthData:
    """The marts' rows of the planned experiments at every as-of date, and all days.

    In one order: of items that are equally bad, checks name the one that comes last.
    """
    marts = {
        name: connection.execute(
            f"select mart.* from marts.{mart} as mart inner join runs.plan as plan using (experiment_id) order by all"
        ).df()
        for name, mart in MARTS.items()
        if has_table(connection, "marts", mart)
    }
    return HealthData(
        **marts,
        predecessors=predecessor_arms(inputs),
        former_definitions=former_definitions(connection),
        exposure_rows=exposure_rows(inputs),
        day_findings=day_findings(inputs),
        source_days=inputs.source_days(),
    )


def predecessor_arms(inputs: RunInputs) -> pd.DataFrame:
    """The arms of the earlier experiments that an experiment is to be compared with."""
    config = inputs.config
    rows = [
        (experiment.id, id_, variant.id, variant.baseline)
        for experiment in config.experiments.values()
        for id_ in predecessors(config, experiment)
        for variant in config.experiments[id_].variants
    ]
    columns = ["experiment_id", "earlier_experiment_id", "earlier_variant_id", "is_baseline"]
    return pd.DataFrame(rows, columns=columns).astype({"is_baseline": "bool"})


def exposure_rows(inputs: RunInputs) -> pd.DataFrame:
    """Exposure rows by log date, experiment and exposure date, and refused ones by reason.

    A day that was read before they were counted has none, until it is read again.
    """
    exposures = {source.id for source in inputs.config.sources.exposures}
    rows = [
        (manifest.log_date, manifest.source_id, *counted)
        for manifest in inputs.days.values()
        if manifest.source_id in exposures and manifest.status == "ok"
        for counted in manifest.profile.get("experiment_rows", [])
    ]
    return pd.DataFrame(rows, columns=["log_date", "source_id", "experiment_id", "exposed_date", "reason", "n_rows"])


def day_findings(inputs: RunInputs) -> pd.DataFrame:
    """What the audit of each day warned of.

    Of an exposure log only slices, each about its own experiment: what is wrong with other rows there may come from
    another experiment, and each has its refused rows counted. A day that was kept out is missing, which says it all.
    """
    exposures = {source.id for source in inputs.config.sources.exposures}
    rows = [
        (
            manifest.log_date,
            manifest.source_id,
            subject.partition("/")[0] if manifest.source_id in exposures else "",
            sentence,
        )
        for manifest in inputs.days.values()
        if manifest.status == "ok"
        for subject, sentence in describe_warnings(manifest.audit)
        if subject or manifest.source_id not in exposures
    ]
    return pd.DataFrame(rows, columns=["log_date", "source_id", "experiment_id", "finding"])
