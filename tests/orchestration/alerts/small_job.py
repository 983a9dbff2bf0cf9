"""A job of one asset and one check, which really runs."""

import dagster as dg

ORDERS = dg.AssetKey(["ingest", "orders"])


def job_of(passed: bool, *, severity=dg.AssetCheckSeverity.WARN, error: str = "") -> dg.JobDefinition:
    @dg.asset(key=ORDERS, check_specs=[dg.AssetCheckSpec("adds_up", asset=ORDERS)])
    def orders():
        if error:
            raise ValueError(error)
        yield dg.MaterializeResult(asset_key=ORDERS)
        yield dg.AssetCheckResult(
            asset_key=ORDERS,
            check_name="adds_up",
            passed=passed,
            severity=severity,
            description="3 rows too many",
            metadata={"failing_rows": 3},
        )

    definitions = dg.Definitions([orders], jobs=[dg.define_asset_job("small")], executor=dg.in_process_executor)
    return definitions.resolve_job_def("small")


def executed(job: dg.JobDefinition, instance: dg.DagsterInstance) -> dg.DagsterRun:
    return instance.get_run_by_id(job.execute_in_process(instance=instance, raise_on_error=False).run_id)
