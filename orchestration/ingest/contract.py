"""What of a source's definition its stored rows depend on."""

import hashlib
import json

from configs.schema import EventSource, ExposureSource, Measure


def source_contract(source: ExposureSource | EventSource) -> str:
    """A digest of which log columns hold the required fields; rows stored under another one mean something else."""
    return hashlib.sha256(json.dumps(source.columns.model_dump(), sort_keys=True).encode()).hexdigest()[:16]


def source_fields(source: ExposureSource | EventSource) -> dict[str, str]:
    """The optional columns a partition stores; of a measure which log column it was, how quantised, in which unit."""
    if isinstance(source, ExposureSource):
        return {f"a_{name}": "" for name in source.attributes}
    measures = {f"m_{name}": _stored(measure) for name, measure in source.measures.items()}
    units = {f"u_{name}": measure.unit_column for name, measure in source.measures.items() if measure.unit_column}
    return measures | units | {f"p_{name}": "" for name in source.properties}


def _stored(measure: Measure) -> str:
    unit = f" in {measure.unit} by {measure.unit_column}" if measure.unit_column else ""
    return f"{measure.column} * 10^{measure.decimals}{unit}"
