"""A source's suite in the audit: what it replaces, what it finds, which rows it shows, and which days it keeps out."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from configs.suite_schema import Suite
from orchestration.audit import describe_warnings
from orchestration.lake import DayManifest
from tests.orchestration.ingest_case import EXPOSURE_HEADER, HEADER, LOG_DATE, Shop, event_source, exposure_source


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def write_orders(shop: Shop, n_rows: int = 40, *, day=LOG_DATE, channel: str = "web", amount: float = 30.0) -> None:
    """Every second row is a view, without amount."""
    rows = [
        f"{day}-{i},u{i},{'view' if i % 2 else 'purchase'},{day}T10:00:00Z,{'' if i % 2 else amount},{channel}\n"
        for i in range(n_rows)
    ]
    shop.write("a.csv", HEADER + "".join(rows), day)


def judged(shop: Shop, *, day: tuple[dict[str, Any], ...] = (), rows: tuple[dict[str, Any], ...] = ()) -> DayManifest:
    shop.suite = Suite.model_validate({"day": day, "rows": rows})
    return shop.ingest(event_source())


def not_met(manifest: DayManifest) -> dict[str, Any]:
    return {finding["column"]: finding["observed"] for finding in manifest.audit if not finding["success"]}


def test_figures_of_the_day_of_a_column_a_measure_and_a_slice(shop: Shop) -> None:
    write_orders(shop, channel="")
    manifest = judged(
        shop,
        day=(
            {"figure": "rows_read", "min_value": 41},
            {"figure": "rows_per_unit", "max_value": 0.5},
            {"figure": "null_share", "of": "channel", "max_value": 0.5},
            {"figure": "maximum", "of": "amount", "max_value": 29.99},
            {"figure": "median", "of": "amount", "event": "purchase", "max_value": 29.99},
            {"figure": "median", "of": "amount", "event": "view", "max_value": 1},  # has no values: not judged
            {"figure": "slice_share", "of": "view", "max_value": 0.4},
            {"figure": "slice_share", "of": "signup", "min_value": 0.1},
        ),
    )
    found = not_met(manifest)
    assert manifest.status == "ok"
    assert found.pop("rows_per_unit")["day"] == pytest.approx(1, rel=0.3)  # units are counted approximately
    assert found == {
        "rows_read": {"day": 40.0},
        "null_share of channel": {"day": 1.0},
        "maximum of amount": {"day": 30.0},
        "median of amount (purchase)": {"day": 30.0},
        "slice_share of view": {"view": 0.5},
        "slice_share of signup": {"signup": 0.0},
    }


def test_a_blocking_expectation_keeps_the_day_out(shop: Shop) -> None:
    write_orders(shop, 30)
    manifest = judged(shop, day=({"figure": "rows_read", "min_value": 1000, "severity": "blocking"},))
    assert (manifest.status, manifest.rows_accepted) == ("failed", 0)
    assert manifest.reason == "audit: rows_read is 30, expected at least 1000.0"

    manifest = judged(
        shop,
        rows=(
            {"expect": "column_values_to_be_in_set", "column": "channel", "value_set": ["app"], "severity": "blocking"},
        ),
    )
    assert manifest.reason == "audit: channel is web in 100 % of the sampled rows, expected one of app"


def test_few_rows_block_only_on_what_a_single_row_shows(shop: Shop) -> None:
    write_orders(shop, 19)
    values = {"expect": "column_values_to_be_in_set", "column": "channel", "value_set": ["app"], "severity": "blocking"}
    assert judged(shop, rows=({**values, "mostly": 0.9},)).status == "ok"
    assert (
        judged(shop, day=({"figure": "null_share", "of": "amount", "max_value": 0, "severity": "blocking"},)).status
        == "ok"
    )
    assert judged(shop, rows=(values,)).status == "failed"
    assert (
        judged(shop, day=({"figure": "maximum", "of": "amount", "max_value": 5, "severity": "blocking"},)).status
        == "failed"
    )


@pytest.mark.parametrize(
    ("entry", "observed"),
    [
        ({"expect": "column_values_to_be_in_set", "column": "channel", "value_set": ["app", "no"]}, "web in 100 %"),
        ({"expect": "column_values_to_not_be_in_set", "column": "channel", "value_set": ["web"]}, "web in 100 %"),
        ({"expect": "column_values_to_match_regex", "column": "unit_id", "regex": "^[0-9]+$"}, "u0, u1, u2, u3, u4 in"),
        ({"expect": "column_values_to_not_match_regex", "column": "unit_id", "regex": "^u3"}, "u3, u30, u31"),
        ({"expect": "column_value_lengths_to_be_between", "column": "unit_id", "max_value": 2}, "u10, u11"),
        ({"expect": "column_values_to_be_between", "column": "amount", "max_value": 20}, "30 in 100 %"),
        ({"expect": "column_values_to_not_be_null", "column": "amount"}, "missing in 50 %"),
        ({"expect": "column_values_to_not_be_null", "column": "amount", "event": "view"}, "missing in 100 %"),
        ({"expect": "column_values_to_not_be_null", "column": "amount", "event": "purchase"}, None),
        ({"expect": "column_values_to_not_be_null", "column": "amount", "mostly": 0.5}, None),
        ({"expect": "column_values_to_be_in_set", "column": "event_name", "value_set": ["purchase", "view"]}, None),
        ({"expect": "column_values_to_be_in_set", "column": "channel", "value_set": ["app"], "severity": "off"}, None),
        ({"expect": "column_values_to_be_between", "column": "amount", "event": "signup", "max_value": 1}, None),
    ],
)  # fmt: skip
def test_every_expectation_of_rows(shop: Shop, entry: dict[str, Any], observed: str | None) -> None:
    write_orders(shop)
    found = not_met(judged(shop, rows=(entry,)))
    if observed is None:
        assert found == {}
    else:
        (text,) = found[entry["column"] + (f" ({entry['event']})" if "event" in entry else "")]
        assert text.startswith(observed)


def test_rows_that_were_not_expected_can_be_found_again(shop: Shop) -> None:
    write_orders(shop)
    entry = {"expect": "column_values_to_be_between", "column": "amount", "event": "purchase", "max_value": 20}
    manifest = judged(shop, rows=(entry,))
    (finding,) = [finding for finding in manifest.audit if not finding["success"]]
    assert len(finding["rows"]) == 10
    assert finding["rows"][1] == {
        "amount": 30.0,
        "event_id": "2026-10-05-2",
        "unit_id": "u2",
        "occurred_at": "2026-10-05 10:00:00",
    }
    assert DayManifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert describe_warnings([finding]) == [
        ("", "amount (purchase) is 30 in 100 % of the sampled rows, expected at most 20.0")
    ]


def test_an_entry_replaces_the_built_in_ones_of_its_figure(shop: Shop) -> None:
    rows = "".join(f"e{i % 30},u,view,2026-10-05T10:00:00Z,1,web\n" for i in range(40))
    shop.write("a.csv", HEADER + rows)
    assert not_met(judged(shop)) == {"duplicate_share": {"day": 0.25}}
    assert not_met(judged(shop, day=({"figure": "duplicate_share", "max_value": 0.3},))) == {}
    assert not_met(judged(shop, day=({"figure": "duplicate_share", "severity": "off"},))) == {}
    assert (
        judged(shop, day=({"figure": "duplicate_share", "max_value": 0.1, "severity": "blocking"},)).status == "failed"
    )


def test_a_slice_of_its_own_is_not_among_the_others(shop: Shop) -> None:
    for weeks in (2, 1):
        write_orders(shop, 800, day=LOG_DATE - timedelta(weeks=weeks))
        shop.ingest(event_source(), LOG_DATE - timedelta(weeks=weeks))
    shop.write("a.csv", HEADER + "".join(f"e{i},u{i},view,2026-10-05T10:00:00Z,,web\n" for i in range(400)))
    assert not_met(judged(shop))["slice_ratio"] == {"purchase": 0.0}
    manifest = judged(shop, day=({"figure": "slice_ratio", "of": "purchase", "min_value": 0.5},))
    assert not_met(manifest)["slice_ratio of purchase"] == {"purchase": 0.0}
    assert "slice_ratio" not in not_met(manifest)
    assert ("purchase", "slice_ratio of purchase is 0, expected at least 0.5") in describe_warnings(manifest.audit)
    assert "slice_ratio" not in not_met(
        judged(shop, day=({"figure": "slice_ratio", "of": "purchase", "severity": "off"},))
    )


def test_a_week_of_days_is_judged_as_each_day_alone(shop: Shop) -> None:
    days = [LOG_DATE + timedelta(days=offset) for offset in range(5)]
    for number, day in enumerate(days):
        write_orders(shop, 40, day=day, channel="tv" if number == 2 else "web", amount=3000 if number == 3 else 30)
    shop.suite = Suite.model_validate(
        {
            "day": [{"figure": "median", "of": "amount", "event": "purchase", "max_value": 100}],
            "rows": [
                {"expect": "column_values_to_be_in_set", "column": "channel", "value_set": ["web"], "mostly": 0.99},
                {"expect": "column_values_to_be_between", "column": "amount", "max_value": 100, "mostly": 0.99},
            ],
        }
    )
    together = shop.ingest_days(event_source(), days)
    assert [sorted(not_met(manifest)) for manifest in together] == [
        [],
        [],
        ["channel"],
        ["amount", "median of amount (purchase)"],
        [],
    ]
    assert [shop.ingest(event_source(), day).audit for day in days] == [manifest.audit for manifest in together]


def test_attributes_of_exposures(shop: Shop) -> None:
    rows = "".join(f"u{i},checkout,fast,2026-10-05T10:00:00Z,XX\n" for i in range(30))
    shop.write("a.csv", EXPOSURE_HEADER + rows, kind="exposures")
    entry = {"expect": "column_values_to_be_in_set", "column": "country", "value_set": ["DE", "FR"], "mostly": 0.99}
    shop.suite = Suite.model_validate({"rows": [entry]})
    manifest = shop.ingest(exposure_source())
    assert not_met(manifest) == {"country": ["XX in 100 % of the sampled rows"]}
    (finding,) = [finding for finding in manifest.audit if not finding["success"]]
    assert finding["threshold"] == "one of DE, FR in at least 99 % of the rows"
    assert finding["rows"][0] == {"country": "XX", "unit_id": "u0", "exposed_at": "2026-10-05 10:00:00"}


def test_a_broken_suite_warns_and_leaves_the_built_in_expectations(shop: Shop) -> None:
    shop.suite_problem = "expectations/shop_events.yaml:3: unknown key 'figur'"
    write_orders(shop)
    manifest = shop.ingest(event_source())
    assert (manifest.status, not_met(manifest)) == ("ok", {"suite": shop.suite_problem})
    assert {"rows", "quarantine_share"} <= {finding["column"] for finding in manifest.audit}
    assert describe_warnings(manifest.audit) == []  # it says nothing of the log
