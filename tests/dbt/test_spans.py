"""However the as-of dates are cut into spans and the units into slices, the marts are the same to the last bit."""

from collections.abc import Sequence
from datetime import date, timedelta

import duckdb
import pytest

from orchestration import dbt_models
from orchestration.assets import models
from orchestration.dbt_models import DbtError, NodeResult
from orchestration.faults import StateError, faults_explained
from tests.end_to_end.small_shop import HISTORY_DAYS, LAST_DAY, LATE_ARRIVAL_DAYS, SmallShop, assert_same_marts

pytestmark = [pytest.mark.xdist_group("dbt"), pytest.mark.usefixtures("warehouse")]


def dates_of(shop: SmallShop, query: str) -> Sequence[date]:
    with duckdb.connect(str(shop.workspace.warehouse), read_only=True) as connection:
        return [row[0] for row in connection.execute(query).fetchall()]


def snapshots_of_checkout(shop: SmallShop) -> Sequence[date]:
    return dates_of(
        shop,
        "select distinct as_of_date from intermediate.int_exposed_units where experiment_id = 'checkout' order by 1",
    )


def test_a_span_leaves_the_snapshot_of_its_last_date(built_shop: SmallShop) -> None:
    assert snapshots_of_checkout(built_shop) == [built_shop.day(LAST_DAY)]


@pytest.mark.slow
def test_days_built_one_by_one_leave_the_last_snapshots(built_shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
    marts = built_shop.marts()
    built_shop.forget_results()
    monkeypatch.setattr(models, "DAYS_PER_BUILD", 1)
    built_shop.build(built_shop.day(-HISTORY_DAYS), built_shop.day(LAST_DAY))
    assert_same_marts(built_shop.marts(), marts)
    last = built_shop.day(LAST_DAY)
    kept = [last - timedelta(days=age) for age in reversed(range(LATE_ARRIVAL_DAYS + 2))]
    assert snapshots_of_checkout(built_shop) == kept


def test_a_snapshot_some_days_old_is_built_upon(built_shop: SmallShop) -> None:
    marts = built_shop.marts()
    built_shop.forget_results()
    built_shop.build(built_shop.day(-HISTORY_DAYS), built_shop.day(3))
    built_shop.build(built_shop.day(4), built_shop.day(LAST_DAY))
    built_shop.build(built_shop.day(5), built_shop.day(LAST_DAY))
    bases = dates_of(built_shop, "select base_date from inputs.build_plan where experiment_id = 'checkout'")
    assert bases == [built_shop.day(3)]
    assert_same_marts(built_shop.marts(), marts)


def test_marts_do_not_depend_on_the_number_of_slices(built_shop: SmallShop, monkeypatch: pytest.MonkeyPatch) -> None:
    marts = built_shop.marts()
    built_shop.forget_results()
    monkeypatch.setattr(models, "ROWS_PER_SLICE", 50)
    built_shop.build(built_shop.day(-HISTORY_DAYS), built_shop.day(LAST_DAY))
    with duckdb.connect(str(built_shop.workspace.warehouse), read_only=True) as connection:
        assert connection.execute("select slices >= 3 from inputs.build_slices").fetchone() == (True,)
    assert_same_marts(built_shop.marts(), marts)


def test_a_build_goes_on_with_the_span_that_it_died_in_or_that_failed_a_test(
    built_shop: SmallShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were a span that fails a test taken as built, the next run would publish what the test holds back."""
    marts = built_shop.marts()
    built_shop.forget_results()
    monkeypatch.setattr(models, "DAYS_PER_BUILD", 3)
    build, spans = models.build_models, []

    def has_bad_luck(*arguments: Sequence[str]) -> list[NodeResult]:
        spans.append(dates_of(built_shop, "select min(from_date) from inputs.build_plan")[0])
        if len(spans) == 2:
            raise DbtError("killed")
        failed = NodeResult("test.equipoise.assert_no_metric_vanishes", "fail", "Got 2 results", 2, 0.1)
        return [*build(*arguments), *([failed] if len(spans) == 3 else [])]

    monkeypatch.setattr(models, "build_models", has_bad_luck)
    with pytest.raises(DbtError):
        built_shop.build(built_shop.day(-HISTORY_DAYS), built_shop.day(LAST_DAY))
    with pytest.raises(AssertionError, match="assert_no_metric_vanishes: Got 2 results"):
        built_shop.build(built_shop.day(-HISTORY_DAYS), built_shop.day(LAST_DAY))
    built_shop.build(built_shop.day(-HISTORY_DAYS), built_shop.day(LAST_DAY))
    assert spans == [built_shop.day(number) for number in (0, 3, 3, 3, 6)]
    assert_same_marts(built_shop.marts(), marts)


def test_models_skipped_for_a_failed_test_are_no_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    results = [
        NodeResult("test.equipoise.assert_each_unit_has_one_variant", "fail", "Got 1 result", 1, 0.1),
        NodeResult("model.equipoise.fct_metric_moments", "skipped", "", 0, 0.0),
    ]
    monkeypatch.setattr(dbt_models, "invoke_dbt", lambda _: results)
    with pytest.raises(DbtError, match="assert_each_unit_has_one_variant: Got 1 result") as error:
        dbt_models.build_models()
    assert not isinstance(error.value, dbt_models.MemoryLimitError)


def test_models_that_do_not_fit_into_memory_are_built_in_more_slices(
    built_shop: SmallShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    marts, invoke, commands = built_shop.marts(), dbt_models.invoke_dbt, []
    built_shop.forget_results()

    def short_of_memory(arguments: Sequence[str]) -> list[NodeResult]:
        commands.append(arguments)
        if len(commands) > 1:
            return invoke(arguments)
        return [
            *invoke([*arguments, "--exclude", "int_exposed_units+"]),
            NodeResult("model.equipoise.int_exposed_units", "error", "Out of Memory Error: 700.0 MiB used", 0, 1.0),
            NodeResult("model.equipoise.fct_metric_moments", "skipped", "", 0, 0.0),
        ]

    monkeypatch.setattr(dbt_models, "invoke_dbt", short_of_memory)
    built_shop.build(built_shop.day(-HISTORY_DAYS), built_shop.day(LAST_DAY))
    assert [command[-2:] for command in commands[1:]] == [["--select", "int_exposed_units+"]]
    with duckdb.connect(str(built_shop.workspace.warehouse), read_only=True) as connection:
        assert connection.execute("select slices from inputs.build_slices").fetchone() == (2,)
    assert_same_marts(built_shop.marts(), marts)


def test_memory_that_is_never_enough_ends_with_what_to_do(
    built_shop: SmallShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    built_shop.forget_results()
    too_large = NodeResult("model.equipoise.int_exposed_units", "error", "Out of Memory Error: 1.0 MiB used", 0, 1.0)
    monkeypatch.setattr(dbt_models, "invoke_dbt", lambda _: [too_large])
    with (
        pytest.raises(StateError, match=r"int_exposed_units: Out of Memory Error.*\n.*EQUIPOISE_MEMORY_LIMIT"),
        faults_explained(built_shop.workspace),
    ):
        built_shop.build(built_shop.day(-HISTORY_DAYS), built_shop.day(LAST_DAY))
    with duckdb.connect(str(built_shop.workspace.warehouse), read_only=True) as connection:
        assert connection.execute("select slices from inputs.build_slices").fetchone() == (models.FINEST_CUT,)


def test_what_an_earlier_version_of_the_models_built_is_built_anew(built_shop: SmallShop) -> None:
    marts = built_shop.marts()
    with duckdb.connect(str(built_shop.workspace.warehouse)) as connection:
        connection.execute("update runs.models_format set models_format = 1")
        connection.execute("alter table intermediate.int_exposed_units drop column exposure_known_from")
    built_shop.build(built_shop.day(LAST_DAY), built_shop.day(LAST_DAY))
    assert_same_marts(built_shop.marts(), marts)
