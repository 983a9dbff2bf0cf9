"""All pairs of overlapping experiments in one pass, beside the pass that finds each unit's first exposure.

`python -m benchmarks.overlaps` makes 2 M units, each in about 6 of 60 experiments, runs the dbt models themselves in
this process, and prints seconds, rows and the ratio as JSON. Ingest and the units' events are not part of it.
"""

import argparse
import json
import sys
import tempfile
from datetime import date
from pathlib import Path

from configs.catalog import metric_catalog
from configs.load import load_config
from configs.render import render
from orchestration.dbt_models import DbtError, invoke_dbt
from orchestration.planning import PlannedBuild, with_changes_through
from orchestration.warehouse import load_calendar, load_plan, load_rendered, load_slices, open_warehouse
from orchestration.workspace import Workspace

DAY = date(2026, 10, 1)
PROJECT = "{name: benchmark, history_start: 2026-10-01, overlaps: {minimum_shared_units: 20}}"
SOURCES = """\
exposures:
  - {id: exposures, path: "e/{date}.csv", format: csv,
     columns: {unit_id: u, experiment_id: e, variant_id: v, exposed_at: t}}
events:
  - {id: orders, path: "o/{date}.csv", format: csv, columns: {unit_id: u, event_name: n, occurred_at: t}}
"""
METRICS = """\
- {id: orders, type: mean, source: orders, event: order, aggregate: count}
- {id: conversion, type: proportion, source: orders, event: order}
"""
EXPERIMENT = """\
{{id: {id}, start: 2026-10-01, end: 2026-10-01, metrics: {{primary: [orders], secondary: [conversion]}},
  variants: [{{id: a, weight: 0.5, baseline: true}}, {{id: b, weight: 0.5}}], analysis: {{minimum_days: 1}}}}
"""
FIRST, PAIRS = ("int_first_exposures",), ("int_overlap_sums", "fct_overlap_moments")


def time_overlaps(units: int, experiments: int, of_a_unit: int, slices: int) -> dict[str, float]:
    """Seconds of both passes; a unit is in `of_a_unit` experiments on average."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = _workspace(Path(folder), experiments)
        workspace.activate()
        config = load_config(workspace.configs)
        render(config, workspace.generated)
        plans = [PlannedBuild(id_, DAY, DAY, DAY, is_rebuild=True) for id_ in sorted(config.experiments)]
        with open_warehouse(workspace.warehouse) as connection:
            load_rendered(connection, workspace.generated)
            load_plan(connection, with_changes_through(plans, set(config.experiments)))
            load_calendar(connection, DAY, DAY, "UTC")
            load_slices(connection, slices, 1)
            connection.execute(EXPOSURES, {"units": units, "experiments": experiments, "of": of_a_unit, "day": DAY})
        seconds = _run("stg_exposures", *FIRST)
        values = ", ".join(
            f"cast(hash(unit_id, '{value['column']}') % 5 as bigint) as {value['column']}"
            for value in metric_catalog(config)["unit_values"]
        )
        with open_warehouse(workspace.warehouse) as connection:
            connection.execute(
                "create table intermediate.int_exposed_units as select known_from as as_of_date, experiment_id, "
                f"unit_id, unit_hash, variant_id, arm, exposed_at, exposed_date, exposure_known_from, {values} "
                "from intermediate.int_first_exposures"
            )
        seconds |= _run("int_unit_metrics", *PAIRS)
        with open_warehouse(workspace.warehouse) as connection:
            rows = connection.execute(
                "select (select count(*) from lake.exposures), "
                "(select sum(n_shared) from intermediate.int_overlap_sums), "
                "(select count(distinct experiment_id || ' ' || other_experiment_id) from marts.fct_overlap_moments)"
            ).fetchall()[0]
    first, pairs = (sum(seconds[name] for name in names) for names in (FIRST, PAIRS))
    counts = dict(zip(("exposures", "units shared by pairs", "pairs"), map(float, rows), strict=True))
    return counts | {"first exposures, s": first, "overlaps, s": pairs, "ratio": pairs / first}


EXPOSURES = """
create table lake.exposures as
select
    'exposures' as source_id, $day as log_date, $day as known_from, format('e{:02d}', number) as experiment_id,
    'unit' || unit as unit_id, case when hash(unit, number, 'arm') % 2 = 0 then 'a' else 'b' end as variant_id,
    $day + to_seconds(cast(hash(unit, number, 'at') % 86400 as integer)) as exposed_at, $day as exposed_date
from (
    select distinct unit, hash(unit, draw, 'in') // 1024 % $experiments as number
    from range($units) as units (unit), range($of) as draws (draw)
) as drawn
"""


def _workspace(folder: Path, experiments: int) -> Workspace:
    ids = [f"e{number:02d}" for number in range(experiments)]
    files = {"project.yaml": PROJECT, "sources.yaml": SOURCES, "metrics/orders.yaml": METRICS}
    files |= {f"experiments/{id_}.yaml": EXPERIMENT.format(id=id_) for id_ in ids}
    for name, text in files.items():
        path = folder / "configs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Workspace(folder / "configs", folder / "data", folder / "state")


def _run(*models: str) -> dict[str, float]:
    """Seconds of each model. Raises DbtError where one fails."""
    results = [
        node for node in invoke_dbt(["run", "--select", " ".join(models)]) if node.unique_id.startswith("model.")
    ]
    if failed := [node for node in results if not node.passed]:
        raise DbtError(failed[0].message)
    return {node.model: node.seconds for node in results}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overlaps", description=__doc__)
    parser.add_argument("--units", type=int, default=2_000_000)
    parser.add_argument("--experiments", type=int, default=60)
    parser.add_argument("--of-a-unit", type=int, default=6, help="experiments that a unit is in, on average")
    parser.add_argument("--slices", type=int, default=2, help="parts by unit, as the pipeline cuts so many rows")
    options = parser.parse_args()
    json.dump(time_overlaps(options.units, options.experiments, options.of_a_unit, options.slices), sys.stdout)


if __name__ == "__main__":
    main()
