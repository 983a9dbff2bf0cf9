"""A project on disk: an experiment for each fault, with logs and recipients of its own."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from configs.schema import Format
from orchestration.workspace import Workspace
from tests.fault_injection.fault import ANYBODY, HISTORY_START, LAST, Fault, day
from tests.fault_injection.population import dealt_logs

END = LAST - 1
"""The last day of exposure; windows close a day later, and then it is decided."""

PROJECT = f"name: faults\nlate_arrival_days: 1\nhistory_start: {HISTORY_START}\n"
EXPOSURE_SOURCE = """\
  - id: {id}
    path: {id}/{{date}}.{format}
    format: {format}
    columns: {{unit_id: unit, experiment_id: experiment, variant_id: variant, exposed_at: at}}
    attributes: [device]
"""
EVENT_SOURCE = """\
  - id: {id}
    path: {id}/{{date}}.{format}
    format: {format}
    columns: {{event_id: id, unit_id: unit, event_name: name, occurred_at: at}}
    measures: {{amount: {{column: amount, decimals: 2{measure}}}}}
    properties: [channel]
"""
METRICS = """\
- {{id: revenue{of}, type: mean, source: {source}, event: purchase, aggregate: sum, measure: amount,
   window: {{end_days: 1}}, covariate: {{lookback_days: 5}}}}
- {{id: errors{of}, type: mean, source: {source}, event: error, aggregate: count, direction: decrease,
   window: {{end_days: 1}}}}
"""
EXPERIMENT = """\
id: {id}
owner: {id}@example.com
start: {start}
end: {end}
exposure_source: {source}
variants:
{variants}
metrics:
  primary: [revenue{of}]
  secondary: [{secondary}]
  guardrail: [{guardrail}]
analysis: {{minimum_days: 1, minimum_units: 50}}
{more}
"""
ALERTS = """\
destinations:
{destinations}
routes:
{routes}
default: [anybody]
attempts: 1
pause_seconds: 0
"""


def source_of(name: str) -> str:
    """The log that only one fault's experiment reads."""
    return f"{name}_log"


def variable_of(name: str) -> str:
    """The environment variable with the URL of a fault's recipient."""
    return f"EQUIPOISE_ALERT_{name.upper()}"


class FaultyProject:
    """The folders of a project, the logs of each fault's units, and what is done to them."""

    def __init__(self, root: Path, faults: Mapping[str, Fault], seed: int) -> None:
        self.workspace = Workspace(root / "configs", root / "data", root / "state")
        self.faults = faults
        self._clean = {name: faults[name].prepares(logs) for name, logs in dealt_logs(faults, seed).items()}
        self._write_configs()

    def write_logs(self, *, is_mended: bool) -> None:
        """Write every log file, as the faults have left it or as it should be."""
        logs = self._clean if is_mended else {name: self.faults[name].breaks(self._clean[name]) for name in self.faults}
        for kind, shared in (("exposures", "web"), ("orders", "orders")):
            own = {name for name, fault in self.faults.items() if fault.source == kind}
            frames = {name: getattr(logs[name], kind) for name in self.faults}
            self._write_source(shared, "parquet", [frame for name, frame in frames.items() if name not in own])
            for name in own:
                self._write_source(source_of(name), self.faults[name].format, [frames[name]])
        if not is_mended:
            for name, fault in self.faults.items():
                for number, damages in fault.damages:
                    damages(self.log_file(source_of(name), fault.format, number))

    def log_file(self, source: str, format_: Format, number: int) -> Path:
        """The file of a source's log date."""
        return self.workspace.data / source / f"{day(number)}.{format_}"

    def edit_configs(self, round_: int) -> None:
        """Break the configuration of those whose fault is there."""
        for fault in self.faults.values():
            if fault.edits is not None and fault.edited_on == round_:
                fault.edits(self.workspace.configs)

    def mend_configs(self) -> None:
        """Take it back, and mend what was configured wrongly from the start."""
        for fault in self.faults.values():
            if fault.mends is not None:
                fault.mends(self.workspace.configs)

    def _write_source(self, source: str, format_: Format, frames: list[pd.DataFrame]) -> None:
        rows = pd.concat(frames, ignore_index=True).sort_values("at", kind="stable")
        by_day = dict(list(rows.groupby("log_date")))
        for number in range(1, LAST + 1):
            frame = by_day.get(day(number), rows.iloc[:0]).drop(columns="log_date")
            write_log(frame, self.log_file(source, format_, number))

    def _write_configs(self) -> None:
        sources = {"exposures": EXPOSURE_SOURCE.format(id="web", format="parquet")}
        sources["events"] = EVENT_SOURCE.format(id="orders", format="parquet", measure="")
        files = {"project.yaml": PROJECT, "metrics/shared.yaml": METRICS.format(of="", source="orders")}
        for name, fault in self.faults.items():
            if fault.source == "exposures":
                sources["exposures"] += EXPOSURE_SOURCE.format(id=source_of(name), format=fault.format)
            if fault.source == "orders":
                sources["events"] += EVENT_SOURCE.format(id=source_of(name), format=fault.format, measure=fault.measure)
                files[f"metrics/{name}.yaml"] = METRICS.format(of=f"_{name}", source=source_of(name))
            if fault.metrics:
                files[f"metrics/{name}.yaml"] = fault.metrics
            files[f"experiments/{name}.yaml"] = _experiment(name, fault)
            if fault.earlier:
                files[f"experiments/{name}_earlier.yaml"] = fault.earlier
        files["sources.yaml"] = "".join(f"{kind}:\n{text}" for kind, text in sources.items())
        files["alerts.yaml"] = _alerts(self.faults)
        for file, text in files.items():
            path = self.workspace.configs / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def write_log(frame: pd.DataFrame, path: Path) -> None:
    """A log in the format that the file's name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ")
    else:
        frame.to_json(path, orient="records", lines=True, date_format="iso", date_unit="us")


def _experiment(name: str, fault: Fault) -> str:
    of = f"_{name}" if fault.source == "orders" else ""
    more = [fault.experiment, f"hashing: {{salt: '{name}:'}}" if fault.is_hashed else ""]
    return EXPERIMENT.format(
        id=name,
        start=day(fault.start),
        end=day(END),
        source=source_of(name) if fault.source == "exposures" else "web",
        variants="\n".join(
            f"  - {{id: {variant}, weight: {weight}, baseline: {str(variant == 'a').lower()}}}"
            for variant, weight in fault.weights
        ),
        of=of,
        secondary=", ".join(fault.secondary),
        guardrail=f"{{metric: errors{of}, non_inferiority_margin: 0.9}}" if fault.is_guarded else "",
        more="\n".join(text for text in more if text),
    )


def _alerts(faults: Mapping[str, Fault]) -> str:
    named = {name: variable_of(name) for name in (*faults, ANYBODY)}
    routes = []
    for name, fault in faults.items():
        routes.append(f"  - {{destinations: [{name}], experiments: [{name}]}}")
        if fault.source:
            routes.append(f"  - {{destinations: [{name}], sources: [{source_of(name)}]}}")
    destinations = [f"  {name}: {{url_env: {variable}}}" for name, variable in named.items()]
    return ALERTS.format(destinations="\n".join(destinations), routes="\n".join(routes))
