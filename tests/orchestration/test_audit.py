"""The audit: which days are kept out, which are only warned about, and what is said of them."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.lake import DayManifest
from tests.orchestration.ingest_case import EXPOSURE_HEADER, HEADER, LOG_DATE, Shop, event_source, exposure_source


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def write_day(
    shop: Shop,
    n_rows: int,
    day: date = LOG_DATE,
    *,
    n_bad: int = 0,
    names: tuple[str, ...] = ("view",),
    channel: str = "web",
) -> None:
    rows = [
        f"{day}-{i},u{i},{names[i % len(names)]},{day}T10:00:00Z,{'ten' if i < n_bad else i},{channel}\n"
        for i in range(n_rows)
    ]
    shop.write("a.csv", HEADER + "".join(rows), day)


def warnings(manifest: DayManifest) -> dict[str, Any]:
    """Column to what was observed, of the findings that failed."""
    return {finding["column"]: finding["observed"] for finding in manifest.audit if not finding["success"]}


def with_history(shop: Shop, n_rows: int = 200, **day: Any) -> None:
    for weeks in (2, 1):
        write_day(shop, n_rows, LOG_DATE - timedelta(weeks=weeks), **day)
        shop.ingest(event_source(), LOG_DATE - timedelta(weeks=weeks))


def test_a_clean_day_passes_every_expectation(shop: Shop) -> None:
    write_day(shop, 50)
    manifest = shop.ingest(event_source())
    assert warnings(manifest) == {}
    assert {finding["column"] for finding in manifest.audit} == {
        "rows",
        "quarantine_share",
        "duplicate_share",
        "unknown_share",
        "late_share",
        "required_null_share",
        "event_id",
        "occurred_at",
    }


def test_a_day_mostly_refused_is_kept_out_and_says_why(shop: Shop) -> None:
    write_day(shop, 40)
    kept = shop.ingest(event_source())
    write_day(shop, 40, n_bad=21)

    manifest = shop.ingest(event_source())

    assert (kept.status, manifest.status) == ("ok", "failed")
    assert manifest.reason == (
        "audit: quarantine_share is 0.525, expected at most 0.5; rows refused: bad_amount 21;"
        " the first bad_amount is events/2026-10-05/a.csv row 1:"
        ' {"event_id":"2026-10-05-0","user_id":"u0","name":"view","ts":"2026-10-05T10:00:00Z",'
        '"amount":"ten","channel":"web"}'
    )
    assert (manifest.rows_read, manifest.rows_file) == (0, None)
    assert manifest.profile["reasons"] == {"bad_amount": 21}
    assert [path.name for path in shop.lake.folder("shop_events", LOG_DATE).iterdir()] == ["day.json"]


def test_half_refused_is_a_warning(shop: Shop) -> None:
    write_day(shop, 40, n_bad=20)
    manifest = shop.ingest(event_source())
    assert (manifest.status, manifest.rows_accepted) == ("ok", 20)
    assert warnings(manifest) == {"quarantine_share": {"day": 0.5}}


def test_few_rows_are_never_kept_out(shop: Shop) -> None:
    write_day(shop, 19, n_bad=19)
    manifest = shop.ingest(event_source())
    assert (manifest.status, manifest.rows_quarantined) == ("ok", 19)
    assert warnings(manifest) == {"quarantine_share": {"day": 1.0}, "rows": {"day": 0.0}}


def test_yesterday_s_file_again_is_kept_out(shop: Shop) -> None:
    rows = "".join(f"e{i},u{i},view,2026-10-05T10:00:00Z,1,web\n" for i in range(40))
    shop.write("a.csv", HEADER + rows)
    shop.ingest(event_source())
    shop.write("a.csv", HEADER + rows, LOG_DATE + timedelta(days=1))
    manifest = shop.ingest(event_source(), LOG_DATE + timedelta(days=1))
    assert manifest.status == "failed"
    assert manifest.reason == "audit: rows is 0, expected at least 1.0"


@pytest.mark.parametrize(("n_rows", "observed"), [(99, 0.495), (100, None), (400, None), (401, 2.005)])
def test_volume_is_compared_with_the_same_weekday(n_rows: int, observed: float | None, shop: Shop) -> None:
    with_history(shop, 200)
    write_day(shop, n_rows, LOG_DATE, names=tuple(f"event_{i}" for i in range(10)))
    manifest = shop.ingest(event_source())
    assert manifest.status == "ok"
    assert warnings(manifest).get("volume_ratio") == (None if observed is None else {"day": observed})


def test_other_weekdays_are_no_history(shop: Shop) -> None:
    for days in (1, 2, 3, 7):
        day = LOG_DATE - timedelta(days=days)
        write_day(shop, 200, day)
        shop.ingest(event_source(), day)
    write_day(shop, 10)
    manifest = shop.ingest(event_source())
    assert manifest.profile["usual_rows"] is None
    assert warnings(manifest) == {}


def test_an_event_that_vanished_is_named(shop: Shop) -> None:
    with_history(shop, 400, names=("view", "purchase"))
    write_day(shop, 300, names=("view",))
    manifest = shop.ingest(event_source())
    assert manifest.status == "ok"
    assert warnings(manifest) == {"slice_ratio": {"purchase": 0.0}}


def test_a_column_that_emptied_is_named(shop: Shop) -> None:
    with_history(shop)
    write_day(shop, 200, channel="")
    manifest = shop.ingest(event_source())
    assert manifest.status == "ok"
    assert warnings(manifest) == {"null_share_rise": {"p_channel": 1.0}}


def test_many_duplicates_are_a_warning(shop: Shop) -> None:
    rows = "".join(f"e{i % 30},u,view,2026-10-05T10:00:00Z,1,web\n" for i in range(40))
    shop.write("a.csv", HEADER + rows)
    assert warnings(shop.ingest(event_source())) == {"duplicate_share": {"day": 0.25}}


def test_exposures_are_audited_against_the_known_variants(shop: Shop) -> None:
    rows = "".join(f"u{i},checkout,fast,2026-10-05T10:00:00Z,DE\n" for i in range(30))
    shop.write("a.csv", EXPOSURE_HEADER + rows, kind="exposures")
    manifest = shop.ingest(exposure_source())
    found = {(finding["expectation"], finding["column"]): finding for finding in manifest.audit}
    assert found["expect_column_values_to_be_in_set", "experiment_id"]["threshold"] == "one of 2 known values"
    assert found["expect_column_values_to_be_in_set", "variant_id"]["success"]
    assert (
        "expect_compound_columns_to_be_unique",
        "unit_id, experiment_id, variant_id, exposed_at, a_country",
    ) in found


def write_exposures(shop: Shop, day: date, **rows_by_experiment: int) -> None:
    rows = [
        f"u{i},{experiment},{'on' if experiment == 'banner' else 'fast'},{day}T10:00:00Z,DE\n"
        for experiment, n_rows in rows_by_experiment.items()
        for i in range(n_rows)
    ]
    shop.write("a.csv", EXPOSURE_HEADER + "".join(rows), day, kind="exposures")


def test_an_experiment_may_end_but_not_collapse(shop: Shop) -> None:
    for weeks in (2, 1):
        write_exposures(shop, LOG_DATE - timedelta(weeks=weeks), checkout=400, banner=200)
        shop.ingest(exposure_source(), LOG_DATE - timedelta(weeks=weeks))

    write_exposures(shop, LOG_DATE, banner=200)
    assert warnings(shop.ingest(exposure_source())) == {}

    write_exposures(shop, LOG_DATE, checkout=40, banner=200)
    assert warnings(shop.ingest(exposure_source())) == {"slice_ratio": {"checkout/fast": 0.1}}


def test_what_trickles_in_after_an_experiments_end_is_no_collapse(shop: Shop) -> None:
    for weeks in (2, 1):
        write_exposures(shop, LOG_DATE - timedelta(weeks=weeks), checkout=400, banner=400)
        shop.ingest(exposure_source(), LOG_DATE - timedelta(weeks=weeks))
    write_exposures(shop, LOG_DATE, checkout=4, banner=4)
    yesterday = LOG_DATE - timedelta(days=1)

    (manifest,) = shop.ingest_days(exposure_source(), [LOG_DATE], ends={"checkout": yesterday, "banner": LOG_DATE})

    assert warnings(manifest) == {"slice_ratio": {"banner/on": 0.01}}


def test_once_every_experiment_has_ended_rows_that_come_twice_or_late_are_what_is_left(shop: Shop) -> None:
    rows = "".join(f"u{i % 15},checkout,fast,{LOG_DATE}T10:00:00Z,DE\n" for i in range(30))
    shop.write("a.csv", EXPOSURE_HEADER + rows, kind="exposures")
    for ended, warned in ((1, {}), (0, {"duplicate_share": {"day": 0.5}})):
        ends = dict.fromkeys(("checkout", "banner"), LOG_DATE - timedelta(days=ended))
        (manifest,) = shop.ingest_days(exposure_source(), [LOG_DATE], ends=ends)
        assert warnings(manifest) == warned

    shop.write("a.csv", EXPOSURE_HEADER + f"u,checkout,fast,{LOG_DATE - timedelta(9)}T10:00:00Z,DE\n", kind="exposures")
    (manifest,) = shop.ingest_days(
        exposure_source(), [LOG_DATE], ends=dict.fromkeys(("checkout", "banner"), LOG_DATE - timedelta(9))
    )
    assert (manifest.status, warnings(manifest)) == ("ok", {})


def test_one_of_many_variants_that_shrinks_stays_in_sight(tmp_path: Path) -> None:
    experiments = {f"e{number:02}": ("control", "fast") for number in range(60)}
    shop = Shop(tmp_path, known_variants=experiments)
    for weeks in (2, 1, 0):
        day = LOG_DATE - timedelta(weeks=weeks)
        write_exposures(shop, day, **dict.fromkeys(experiments, 150) | ({} if weeks else {"e07": 12}))
        manifest = shop.ingest(exposure_source(), day)
    assert warnings(manifest) == {"slice_ratio": {"e07/fast": 0.08}}


def test_the_profile_describes_the_day(shop: Shop) -> None:
    write_day(shop, 40, n_bad=1, names=("view", "view", "purchase"))
    profile = shop.ingest(event_source()).profile
    assert profile["rows_read"] == 40
    assert profile["quarantine_share"] == pytest.approx(1 / 40)
    assert profile["columns"]["m_amount"] == {
        "null_share": 0.0,
        "usual_null_share": None,
        "minimum": "100",
        "maximum": "3900",
    }
    assert profile["slices"]["purchase"] == {"rows": 13, "usual_rows": None}
