"""Calibration as an asset of its own job: every metric in use, on the project's own units, once a week."""

import dagster as dg

from analysis.calibration import MISCALIBRATED
from configs.load import load_config_tolerant
from orchestration.calibration import calibrate_project
from orchestration.resources import WAREHOUSE_POOL, run_workspace

CALIBRATION_KEY = dg.AssetKey(["results", "calibration"])
CHECK_NAME = "calibrated"
SHOWN = ["experiment_id", "metric_id", "variant_id", "reason"]


def calibration_asset() -> dg.AssetsDefinition:
    """`calibration`: what is new is published with the next daily run."""

    @dg.asset(
        key=CALIBRATION_KEY,
        deps=[dg.AssetKey(["intermediate", "int_exposed_units"])],
        group_name="calibration",
        kinds={"python"},
        check_specs=[
            dg.AssetCheckSpec(CHECK_NAME, asset=CALIBRATION_KEY, description="Metrics whose tests or intervals fail.")
        ],
        required_resource_keys={"writer_lock"},
        pool=WAREHOUSE_POOL,
    )
    def calibration(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """A row per experiment, metric and treatment: rates of its tests on re-randomised units, and bounds."""
        workspace = run_workspace(context)
        config, _, _ = load_config_tolerant(workspace.configs)
        frame = calibrate_project(workspace, config)
        failing = frame[frame["status"] == MISCALIBRATED]
        records = [dg.TableRecord({name: str(row[name]) for name in SHOWN}) for row in failing.to_dict("records")]
        check = dg.AssetCheckResult(
            check_name=CHECK_NAME,
            passed=failing.empty,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(failing)} of {len(frame)} comparisons are miscalibrated",
            metadata={"failing": dg.MetadataValue.table(records)} if records else {},
        )
        return dg.MaterializeResult(metadata={"dagster/row_count": len(frame)}, check_results=[check])

    return calibration
