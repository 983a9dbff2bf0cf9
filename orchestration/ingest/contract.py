"""What of a source's definition its stored rows depend on."""

import hashlib
import json

from configs.schema import EventSource, ExposureSource


def source_contract(source: ExposureSource | EventSource) -> str:
    """A digest of the columns, attributes, measures and properties that a partition was written with.

    A partition with another digest lacks columns that are asked for today, or holds measures of other decimals.
    """
    definition = source.model_dump(mode="json", exclude={"id", "path", "allow_empty_days"})
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:16]
