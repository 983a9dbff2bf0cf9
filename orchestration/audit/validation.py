"""Great Expectations, asked: expectations over a frame, and their results in the same order."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation

_NUMBER = "number"


def validate(
    frame: pd.DataFrame, expectations: Sequence["Expectation"], result_format: dict[str, Any]
) -> list["ExpectationValidationResult"]:
    """One validation. Raises RuntimeError for an expectation that cannot be evaluated."""
    from great_expectations.core.expectation_suite import ExpectationSuite

    for number, expectation in enumerate(expectations):
        expectation.meta = {_NUMBER: number}  # results come in an order of Great Expectations' own
    batch = _batch_definition().get_batch({"dataframe": frame})
    suite = ExpectationSuite(name="day", expectations=list(expectations))
    results = batch.validate(suite, result_format=result_format).results
    for result in results:
        if result.expectation_config is None or result.exception_info.get("raised_exception", True):
            raise RuntimeError(f"{result.expectation_config} could not be evaluated: {result.exception_info}")
    return sorted(results, key=_number)


def _number(result: "ExpectationValidationResult") -> int:
    configuration = result.expectation_config
    return int(configuration.meta[_NUMBER]) if configuration is not None and configuration.meta else -1


@cache
def _batch_definition() -> "BatchDefinition":
    """One context for the process, since building it takes longer than using it. It writes no file."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("logs").add_dataframe_asset("day")
    return asset.add_batch_definition_whole_dataframe("day")
