"""What a run builds: worked examples on a calendar small enough to follow."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.periods import analysis_end
from configs.schema import Config, Experiment, Metric, Overlaps, Project, Sources
from orchestration.planning import (
    BuiltExperiment,
    PlannedBuild,
    chunked,
    left_after,
    merged_plans,
    plan_builds,
    with_base_dates,
    with_changes_through,
)

START, END = date(2026, 9, 10), date(2026, 9, 14)
LAST = END + timedelta(days=7)


@pytest.fixture(scope="module")
def config() -> Config:
    """One experiment of five days on a metric with a week's window and a three-day covariate."""
    event_columns = {"unit_id": "u", "event_name": "n", "occurred_at": "t"}
    exposure_columns = {"unit_id": "u", "experiment_id": "e", "variant_id": "v", "exposed_at": "t"}
    return Config(
        project=Project(name="shop", history_start=date(2026, 9, 1)),
        sources=Sources(
            exposures=[{"id": "web", "path": "{date}", "format": "csv", "columns": exposure_columns}],
            events=[
                {"id": "orders", "path": "{date}", "format": "csv", "columns": event_columns},
                {"id": "tickets", "path": "{date}", "format": "csv", "columns": event_columns},
            ],
        ),
        metrics={
            "conversion": Metric(
                id="conversion",
                type="proportion",
                source="orders",
                event="purchase",
                window={"end_days": 7},
                covariate={"lookback_days": 3},
            )
        },
        experiments={
            "price": Experiment(
                id="price",
                start=START,
                end=END,
                exposure_source="web",
                variants=[{"id": "a", "weight": 0.5, "baseline": True}, {"id": "b", "weight": 0.5}],
                metrics={"primary": ["conversion"]},
            )
        },
    )


def planned(config, requested, *, built=None, published=None, lake=(), built_from=(), config_hash="h"):
    days = {("web", START): "1"}
    plans = plan_builds(
        config,
        requested,
        config_hashes={"price": config_hash},
        built={"price": built} if built else {},
        published_through={"price": published} if published else {},
        lake_hashes=days | dict(lake),
        built_hashes=days | dict(built_from),
    )
    return [(plan.from_date, plan.to_date, plan.is_rebuild) for plan in plans]


def test_an_experiment_never_built_is_built_from_its_start(config):
    assert planned(config, (date(2026, 9, 12), date(2026, 9, 12))) == [(START, date(2026, 9, 12), True)]


def test_a_warehouse_built_anew_reaches_all_that_was_published(config):
    assert planned(config, (date(2026, 9, 12),) * 2, published=date(2026, 9, 14)) == [(START, date(2026, 9, 14), True)]
    built = BuiltExperiment("h", date(2026, 9, 11))
    assert planned(config, (date(2026, 9, 12),) * 2, built=built, published=date(2026, 9, 14)) == [
        (date(2026, 9, 12), date(2026, 9, 14), False)
    ]


def test_the_next_day_builds_that_day_only(config):
    built = BuiltExperiment("h", date(2026, 9, 12))

    assert planned(config, (date(2026, 9, 13),) * 2, built=built) == [(date(2026, 9, 13), date(2026, 9, 13), False)]


def test_a_skipped_day_is_built_too(config):
    built = BuiltExperiment("h", date(2026, 9, 12))

    assert planned(config, (date(2026, 9, 15),) * 2, built=built) == [(date(2026, 9, 13), date(2026, 9, 15), False)]


def test_a_rerun_reaches_every_later_as_of_date(config):
    built = BuiltExperiment("h", date(2026, 9, 16))

    assert planned(config, (date(2026, 9, 11),) * 2, built=built) == [(date(2026, 9, 11), date(2026, 9, 16), False)]


def test_a_changed_partition_is_built_from_its_day_on(config):
    built = BuiltExperiment("h", date(2026, 9, 16))
    changed = {("orders", date(2026, 9, 13)): "new"}
    before = {("orders", date(2026, 9, 13)): "old"}

    assert planned(config, (date(2026, 9, 17),) * 2, built=built, lake=changed, built_from=before) == [
        (date(2026, 9, 13), date(2026, 9, 17), False)
    ]


@pytest.mark.parametrize(
    ("log_date", "is_reached"), [(START - timedelta(days=4), True), (START - timedelta(days=5), False)]
)
def test_a_changed_partition_of_the_lookback_builds_from_the_start(config, log_date, is_reached):
    """Three whole days before the exposure's date; a log holds up to an hour of the day after it, hence a fourth."""
    built = BuiltExperiment("h", date(2026, 9, 16))
    first = START if is_reached else date(2026, 9, 17)

    assert planned(config, (date(2026, 9, 17),) * 2, built=built, lake={("orders", log_date): "new"}) == [
        (first, date(2026, 9, 17), False)
    ]


def test_a_source_the_experiment_does_not_read_changes_nothing(config):
    built = BuiltExperiment("h", date(2026, 9, 16))

    assert planned(config, (date(2026, 9, 17),) * 2, built=built, lake={("tickets", START): "new"}) == [
        (date(2026, 9, 17), date(2026, 9, 17), False)
    ]


def test_a_changed_configuration_recomputes_the_history(config):
    built = BuiltExperiment("h", date(2026, 9, 16))

    assert planned(config, (date(2026, 9, 17),) * 2, built=built, config_hash="other") == [
        (START, date(2026, 9, 17), True)
    ]


def test_after_its_last_window_an_experiment_stays_as_it_is(config):
    built = BuiltExperiment("h", LAST)

    assert planned(config, (LAST + timedelta(days=1),) * 2, built=built) == []


def test_an_experiment_that_does_not_run_is_not_planned(config):
    draft = config.experiments["price"].model_copy(update={"status": "draft"})

    assert planned(config.model_copy(update={"experiments": {"price": draft}}), (START, END)) == []


def test_pairs_of_the_newest_date_are_whole_though_one_experiment_alone_is_corrected(config):
    """Two ended on the same day, a third before; only `price` is to be built anew."""
    price = config.experiments["price"]
    others = {"badge": price.end, "early": date(2026, 9, 12)}
    experiments = {"price": price} | {
        id_: price.model_copy(update={"id": id_, "end": end, "exposure_source": "web"}) for id_, end in others.items()
    }
    last = {id_: analysis_end(one, config.metrics) for id_, one in experiments.items()}
    for overlaps, expected in ((None, {"price"}), (Overlaps(), {"price", "badge"})):
        asked = config.model_copy(
            update={"experiments": experiments, "project": config.project.model_copy(update={"overlaps": overlaps})}
        )
        plans = plan_builds(
            asked,
            (date(2026, 12, 1),) * 2,
            config_hashes=dict.fromkeys(experiments, "h"),
            built={id_: BuiltExperiment("h" if id_ != "price" else "older", day) for id_, day in last.items()},
            published_through={},
            lake_hashes={},
            built_hashes={},
        )
        assert {plan.experiment_id for plan in plans} == expected
        assert all(plan.from_date == plan.to_date == last["badge"] for plan in plans if plan.experiment_id == "badge")


def span(first: int, last: int, *, rebuild: bool = False) -> PlannedBuild:
    days = [START + timedelta(days=offset) for offset in (first, last)]
    return PlannedBuild("price", days[0], days[1], days[1], rebuild)


@given(first=st.integers(0, 20), length=st.integers(0, 40), days=st.integers(1, 50), rebuild=st.booleans())
def test_chunks_cover_each_day_once_in_order_and_rebuild_only_first(first, length, days, rebuild):
    plan = span(first, first + length, rebuild=rebuild)

    chunks = [piece for (piece,) in chunked([plan], days)]

    covered = [d for piece in chunks for d in range((piece.to_date - piece.from_date).days + 1)]
    assert len(covered) == length + 1
    assert (chunks[0].from_date, chunks[-1].to_date) == (plan.from_date, plan.to_date)
    assert all(a.to_date + timedelta(days=1) == b.from_date for a, b in pairwise(chunks))
    assert all((piece.to_date - piece.from_date).days < days for piece in chunks)
    assert [piece.is_rebuild for piece in chunks] == [rebuild] + [False] * (len(chunks) - 1)
    assert {piece.latest_date for piece in chunks} == {plan.to_date}


def test_a_chunk_of_no_day_is_refused():
    with pytest.raises(ValueError, match="at least one day"):
        list(chunked([span(0, 1)], 0))


def test_a_build_starts_from_the_latest_snapshot_before_it():
    older, yesterday, first = (START + timedelta(days=offset) for offset in (1, 2, 3))
    others = [("price", first), ("other", yesterday)]

    (upon_yesterday,) = with_base_dates([span(3, 4)], [("price", yesterday), ("price", older), *others])
    (upon_older,) = with_base_dates([span(3, 4)], [("price", older), *others])
    (upon_nothing,) = with_base_dates([span(3, 4)], others)
    (rebuilt,) = with_base_dates([span(3, 4, rebuild=True)], [("price", yesterday)])

    bases = [plan.base_date for plan in (upon_yesterday, upon_older, upon_nothing, rebuilt)]
    assert bases == [yesterday, older, None, None]


def test_a_single_day_and_the_latest_day_with_segments_are_summed_anew():
    plans = [span(3, 3), span(1, 4), replace(span(1, 4), latest_date=LAST)]

    with_segments = [plan.changes_through for plan in with_changes_through(plans, {"price"})]
    without = [plan.changes_through for plan in with_changes_through(plans, {"other"})]

    day = {offset: START + timedelta(days=offset) for offset in (2, 3, 4)}
    assert with_segments == [day[2], day[3], day[4]]
    assert without == [day[2], day[4], day[4]]


def test_merged_plans_cover_what_either_list_plans():
    banner = replace(span(0, 1), experiment_id="banner")

    assert merged_plans([span(3, 4)], [span(1, 2, rebuild=True), banner]) == [banner, span(1, 4, rebuild=True)]


def test_what_is_left_of_plans_once_a_chunk_is_built():
    first, last = date(2026, 10, 1), date(2026, 10, 9)
    long, short, later = (
        PlannedBuild("long", first, last, last, is_rebuild=True),
        PlannedBuild("short", first, date(2026, 10, 4), date(2026, 10, 4), is_rebuild=True),
        PlannedBuild("later", date(2026, 10, 6), last, last, is_rebuild=True),
    )
    chunk = [replace(long, to_date=date(2026, 10, 5)), short]
    assert left_after([long, short, later], chunk) == [
        replace(long, from_date=date(2026, 10, 6), is_rebuild=False),
        later,
    ]
