"""What raises is computed apart: the others' rows, and a reason for each culprit."""

from collections.abc import Callable

import pandas as pd

from configs.schema import Experiment
from orchestration.isolation import Experiments, isolated, without_failing_metrics

REASON = "computation failed: ValueError: at first"


def experiments(*ids: str) -> dict[str, Experiment]:
    return {id_: Experiment.model_construct(id=id_) for id_ in ids}


def rows_of(*broken: str) -> Callable[[Experiments], pd.DataFrame]:
    def compute(some: Experiments) -> pd.DataFrame:
        if found := sorted({*broken} & {*some}):
            raise ValueError(f"{found[0]} is odd")
        return pd.DataFrame({"experiment_id": list(some)})

    return compute


def test_the_culprits_are_missing_and_named():
    frame, failures = isolated(experiments("a", "b", "c"), rows_of("b"))
    assert frame["experiment_id"].tolist() == ["a", "c"]
    assert failures == {"b": "computation failed: ValueError: b is odd"}


def test_without_a_culprit_all_are_computed_at_once():
    frame, failures = isolated(experiments("a", "b"), rows_of())
    assert (frame["experiment_id"].tolist(), failures) == (["a", "b"], {})


class TestMetrics:
    METRICS = ("revenue", "visits", "orders")

    def test_one_that_raises_is_left_out(self):
        def compute(left_out: dict[str, str]) -> pd.DataFrame:
            if "visits" not in left_out:
                raise ZeroDivisionError("no visit")
            return pd.DataFrame({"left_out": list(left_out)})

        frame, culprits = without_failing_metrics(self.METRICS, compute, REASON)
        assert culprits == {"visits": "computation failed: ZeroDivisionError: no visit"}
        assert frame is not None and frame["left_out"].tolist() == ["visits"]

    def test_what_only_several_together_provoke_fails_the_experiment(self):
        def compute(left_out: dict[str, str]) -> pd.DataFrame:
            if len(left_out) < 2:
                raise ValueError("together")
            return pd.DataFrame()

        assert without_failing_metrics(self.METRICS, compute, REASON) == (None, dict.fromkeys(self.METRICS, REASON))

    def test_where_each_raises_each_has_its_own_reason(self):
        def compute(left_out: dict[str, str]) -> pd.DataFrame:
            (metric_id,) = {*self.METRICS} - {*left_out}
            raise KeyError(metric_id)

        frame, culprits = without_failing_metrics(self.METRICS, compute, REASON)
        assert frame is None
        assert culprits == {id_: f"computation failed: KeyError: '{id_}'" for id_ in self.METRICS}
