"""What of a source's definition its stored rows depend on."""

import hashlib
import json

from configs.schema import EventSource, ExposureSource


def source_contract(source: ExposureSource | EventSource) -> str:
    """A digest of which log columns hold the required fields; rows stored under another one mean something else."""
    return hashlib.sha256(json.dumps(source.columns.model_dump(), sort_keys=True).encode()).hexdigest()[:16]


def source_fields(source: ExposureSource | EventSource) -> dict[str, str]:
    """The optional columns a partition stores, and of a measure which log column it was and how it was quantised."""
    if isinstance(source, ExposureSource):
        return {f"a_{name}": "" for name in source.attributes}
    measures = {f"m_{name}": f"{measure.column} * 10^{measure.decimals}" for name, measure in source.measures.items()}
    return measures | {f"p_{name}": "" for name in source.properties}
