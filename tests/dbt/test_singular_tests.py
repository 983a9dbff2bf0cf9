"""Every dbt test of the tables' grain holds on a built warehouse and fails when what it asserts is broken."""

from pathlib import Path

import duckdb
import pytest

from orchestration.dbt_models import NodeResult, invoke_dbt
from orchestration.workspace import DBT_PROJECT_DIR
from tests.end_to_end.small_shop import SmallShop

pytestmark = pytest.mark.xdist_group("dbt")

CORRUPTIONS = {
    "assert_each_unit_has_one_variant": [
        """insert into intermediate.int_exposed_units
        select * replace ('free' as variant_id) from intermediate.int_exposed_units
        where unit_id = 'u1' and as_of_date = $last""",
        """update intermediate.int_exposed_units set variant_id = 'unheard of'
        where unit_id = 'u1' and as_of_date = $last""",
    ],
    "assert_no_event_before_exposure_counts": [
        # The noon of the day before the exposure of u11, the fourth day, as if it came after it.
        """insert into intermediate.int_exposed_unit_days
        select * replace (0 as day, exposure_known_from - 2 as known_from)
        from intermediate.int_exposed_unit_days where unit_id = 'u11' and day = 0""",
        # A covariate that was not known yet, one from before the lookback, one of an exposure that is none.
        """update intermediate.int_exposed_unit_days set known_from = exposure_known_from + 1
        where unit_id = 'u11' and day = -1""",
        "update intermediate.int_exposed_unit_days set day = -4 where unit_id = 'u11' and day = -3",
        """update intermediate.int_exposed_unit_days set exposed_at = exposed_at - interval '1 microsecond'
        where unit_id = 'u11' and day = 0""",
    ],
    "assert_units_mature_before_they_count": [
        """update marts.fct_metric_moments set n_units = n_units + 1
        where metric_id = 'conversion' and segment_name = 'all' and as_of_date = $last""",
        """update marts.fct_metric_moments set n_units = n_units + 1
        where metric_id = 'largest_order' and segment_name = 'all' and as_of_date = $last""",
        # The window of u11 has ended at the end of the last day; had it been exposed a day later, it would not have.
        """update intermediate.int_exposed_units set exposed_at = exposed_at + interval '5 days'
        where unit_id = 'u11' and as_of_date = $last""",
    ],
    "assert_mixed_units_are_excluded_and_counted": [
        # u1 turned out to be mixed and is still among the units; u0 is mixed and nowhere.
        "update intermediate.int_first_exposures set is_mixed = true where unit_id = 'u1'",
        "delete from intermediate.int_first_exposures where unit_id = 'u0'",
        "delete from intermediate.int_exposed_units where unit_id = 'u1' and as_of_date = $last",
        """update marts.fct_exposure_counts set n_mixed_excluded = 0
        where variant_id = 'control' and as_of_date = $last""",
        "delete from marts.fct_exposure_counts where variant_id = 'free' and as_of_date = $last",
    ],
    "assert_no_metric_vanishes": [
        """delete from marts.fct_metric_moments
        where metric_id = 'order_value' and variant_id = 'fast' and segment_value = 'FR'""",
    ],
    "assert_nothing_computed_is_missing": [
        "update marts.fct_metric_moments set n_not_computed = 1 where as_of_date = $last",
    ],
    "assert_segments_add_up_to_everyone": [
        "update marts.fct_metric_moments set total = total + 0.01 where segment_value = 'DE' and metric_id = 'revenue'",
        "delete from marts.fct_metric_moments where segment_value = 'unknown' and variant_id = 'free'",
    ],
    "assert_values_are_of_all_units": [
        "update marts.fct_value_counts set n_units = n_units + 1 where metric_id = 'high_order' and as_of_date = $last",
        """delete from marts.fct_value_counts
        where metric_id = 'median_spend' and segment_value = 'FR' and as_of_date = $last""",
    ],
    "assert_buckets_add_up_to_everyone": [
        """update marts.fct_bucket_sums set value_sum = value_sum + 1
        where metric_id = 'order_size' and as_of_date = $last""",
        "update marts.fct_bucket_sums set denominator_sum = 0 where metric_id = 'order_size' and as_of_date = $last",
        "update marts.fct_bucket_sums set n_units = 2 where metric_id = 'seconds' and as_of_date = $last",
        "delete from marts.fct_bucket_sums where metric_id = 'back_on_day_2' and as_of_date = $last",
    ],
    "one_row_for_each_key_of_fct_bucket_sums": [
        "insert into marts.fct_bucket_sums from marts.fct_bucket_sums where as_of_date = $last",
    ],
    "one_row_for_each_key_of_fct_cap_tails": [
        "insert into marts.fct_cap_tails from marts.fct_cap_tails where as_of_date = $last",
    ],
    "assert_categories_are_of_all_units": [
        "update marts.fct_category_counts set n_units = n_units + 1 where category = 'web' and as_of_date = $last",
        """delete from marts.fct_category_counts
        where metric_id = 'first_channel' and segment_value = 'FR' and as_of_date = $last""",
    ],
    "one_row_for_each_key_of_fct_category_counts": [
        "insert into marts.fct_category_counts from marts.fct_category_counts where as_of_date = $last",
    ],
    "assert_strata_add_up_to_everyone": [
        "update marts.fct_stratum_moments set n_units = n_units + 1 where metric_id = 'revenue' and as_of_date = $last",
        "update marts.fct_stratum_moments set mean = mean + 0.01 where metric_id = 'revenue' and as_of_date = $last",
        "delete from marts.fct_stratum_moments where metric_id = 'order_value' and variant_id = 'fast'",
    ],
    "one_row_for_each_key_of_fct_covariate_moments": [
        "insert into marts.fct_covariate_moments from marts.fct_covariate_moments where as_of_date = $last",
    ],
    "one_row_for_each_key_of_fct_stratum_moments": [
        "insert into marts.fct_stratum_moments from marts.fct_stratum_moments where as_of_date = $last",
    ],
    "assert_batches_add_up_to_everyone": [
        # The shop has no bandit; asked for batches, it lacks them all.
        """insert into inputs.experiment_batches
        select experiment_id, metric_id from inputs.experiment_metrics where metric_id = 'revenue'""",
    ],
    "assert_clusters_add_up_to_everyone": [
        # Nor has it clusters.
        """insert into inputs.experiment_clusters
        select distinct experiment_id, 'country' from inputs.experiment_metrics where metric_id = 'revenue'""",
    ],
    "assert_event_values_are_of_all_events": [
        """update marts.fct_event_value_counts set n_events = n_events + 1
        where segment_name = 'all' and as_of_date = $last""",
        "update marts.fct_event_clusters set n_events = n_events - 1 where segment_value = 'FR' and as_of_date = $last",
        "delete from marts.fct_event_clusters where metric_id = 'median_order' and as_of_date = $last",
    ],
    "one_row_for_each_key_of_fct_event_value_counts": [
        "insert into marts.fct_event_value_counts from marts.fct_event_value_counts where as_of_date = $last",
    ],
    "one_row_for_each_key_of_fct_event_clusters": [
        "insert into marts.fct_event_clusters from marts.fct_event_clusters where as_of_date = $last",
    ],
    "one_row_for_each_key_of_fct_value_counts": [
        "insert into marts.fct_value_counts from marts.fct_value_counts where as_of_date = $last",
    ],
    "one_row_for_each_key_of_int_first_exposures": [
        "insert into intermediate.int_first_exposures from intermediate.int_first_exposures where unit_id = 'u11'",
    ],
    "one_row_for_each_key_of_int_exposed_unit_days": [
        "insert into intermediate.int_exposed_unit_days from intermediate.int_exposed_unit_days where unit_id = 'u11'",
    ],
    "one_row_for_each_key_of_int_exposed_units": [
        """insert into intermediate.int_exposed_units
        from intermediate.int_exposed_units where unit_id = 'u1' and as_of_date = $last""",
    ],
    "one_row_for_each_key_of_fct_metric_moments": [
        "insert into marts.fct_metric_moments from marts.fct_metric_moments where as_of_date = $last",
    ],
    "one_row_for_each_key_of_fct_exposure_counts": [
        "insert into marts.fct_exposure_counts from marts.fct_exposure_counts where as_of_date = $last",
    ],
    "one_row_for_each_key_of_fct_epoch_counts": [
        "insert into marts.fct_epoch_counts from marts.fct_epoch_counts where as_of_date = $last",
    ],
}


def corrupt(warehouse: Path, statement: str, last: object) -> None:
    with duckdb.connect(str(warehouse)) as connection:
        changed = connection.execute(statement, {"last": last} if "$last" in statement else {}).fetchone()
        assert changed is not None
        assert changed[0] > 0, f"changed nothing: {statement}"


def run_test(name: str) -> NodeResult:
    (result,) = [node for node in invoke_dbt(["test", "--select", name]) if node.is_test]
    return result


def test_every_singular_test_is_shown_to_fail() -> None:
    singular = {path.stem for path in (DBT_PROJECT_DIR / "tests").glob("*.sql")}
    assert singular == {name for name in CORRUPTIONS if name.startswith("assert_")}


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        pytest.param(name, statement, id=f"{name}-{number}")
        for name, statements in CORRUPTIONS.items()
        for number, statement in enumerate(statements)
    ],
)
def test_a_broken_rule_fails_its_test(name: str, statement: str, warehouse: Path, built_shop: SmallShop) -> None:
    corrupt(warehouse, statement, built_shop.day(6))
    result = run_test(name)
    assert result.status == ("warn" if name == "assert_nothing_computed_is_missing" else "fail"), result
    assert result.failures > 0


def test_what_an_earlier_run_wrote_is_not_tested_again(warehouse: Path, built_shop: SmallShop) -> None:
    statement = "insert into marts.fct_epoch_counts from marts.fct_epoch_counts where as_of_date = $last"
    corrupt(warehouse, statement, built_shop.day(2))
    assert run_test("one_row_for_each_key_of_fct_epoch_counts").passed
