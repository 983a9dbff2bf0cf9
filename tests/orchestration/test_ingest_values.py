"""What a log's values become in the lake: ids, text, measures, instants and days."""

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.ingest.day_bounds import day_bounds, local_midnight
from tests.orchestration.ingest_case import (
    EXPOSURE_HEADER,
    HEADER,
    LOG_DATE,
    Shop,
    event,
    event_source,
    exposure_source,
    one_event_parquet,
)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_event_rows_have_the_lake_s_columns(shop: Shop) -> None:
    shop.write("a.csv", HEADER + event("e1", amount="12.345"))
    manifest = shop.ingest(event_source())
    assert shop.rows(manifest) == [("e1", "u1", "purchase", datetime(2026, 10, 5, 10), LOG_DATE, LOG_DATE, 1235, "web")]


def test_exposure_rows_have_the_lake_s_columns(shop: Shop) -> None:
    shop.write("a.csv", EXPOSURE_HEADER + "u1,checkout,fast,2026-10-04T23:00:00Z,DE\n", kind="exposures")
    manifest = shop.ingest(exposure_source())
    assert shop.rows(manifest) == [
        ("u1", "checkout", "fast", datetime(2026, 10, 4, 23), date(2026, 10, 4), LOG_DATE, "DE")
    ]


def test_a_source_without_event_ids_has_the_column_all_the_same(shop: Shop) -> None:
    columns = {"unit_id": "user_id", "event_name": "name", "occurred_at": "ts"}
    shop.write("a.csv", HEADER + event("ignored"))
    manifest = shop.ingest(event_source(columns=columns))
    assert shop.rows(manifest, "event_id, unit_id") == [(None, "u1")]


def test_unknown_experiments_and_variants_are_quarantined(shop: Shop) -> None:
    rows = ["u1,checkout,fast", "u2,checkout,slow", "u3,search,fast", "u4,banner,fast", "u5,,fast", "u6,banner,"]
    shop.write(
        "a.csv",
        EXPOSURE_HEADER + "".join(f"{row},2026-10-05T10:00:00Z,\n" for row in rows),
        kind="exposures",
    )
    manifest = shop.ingest(exposure_source())
    assert shop.quarantine(manifest, "row_number, reason") == [
        (2, "unknown_variant"),
        (3, "unknown_experiment"),
        (4, "unknown_variant"),
        (5, "missing_experiment_id"),
        (6, "missing_variant_id"),
    ]
    assert shop.rows(manifest, "unit_id, a_country") == [("u1", None)]


def test_any_variant_is_accepted_of_an_experiment_whose_configuration_is_broken(tmp_path: Path) -> None:
    shop = Shop(tmp_path, known_variants={"checkout": None, "banner": ("off",)})
    rows = [
        f"u1,{experiment},{variant},2026-10-05T10:00:00Z,\n"
        for experiment in ("checkout", "banner")
        for variant in ("on", "off")
    ]
    shop.write("a.csv", EXPOSURE_HEADER + "".join(rows), kind="exposures")
    manifest = shop.ingest(exposure_source())
    assert shop.quarantine(manifest) == [("unknown_variant", 3)]
    assert manifest.unjudged_experiments == ("checkout",)


def test_without_any_experiment_every_exposure_is_unknown(tmp_path: Path) -> None:
    shop = Shop(tmp_path, known_variants={})
    shop.write("a.csv", EXPOSURE_HEADER + "u1,checkout,fast,2026-10-05T10:00:00Z,\n", kind="exposures")
    manifest = shop.ingest(exposure_source())
    assert shop.quarantine(manifest) == [("unknown_experiment", 1)]


@pytest.mark.parametrize(
    ("values", "unit_id"),
    [
        (pa.array([5]), "5"),
        (pa.array([5], pa.uint64()), "5"),
        (pa.array([5.0]), "5"),
        (pa.array(["5"]), "5"),
        (pa.array(["5"]).dictionary_encode(), "5"),
        (pa.array([Decimal(5)], pa.decimal128(38, 0)), "5"),
        (pa.array(["Zoë 🛒 'quoted'"]), "Zoë 🛒 'quoted'"),
        (
            pa.ExtensionArray.from_storage(pa.uuid(), pa.array([UUID(int=5).bytes], pa.binary(16))),
            "00000000-0000-0000-0000-000000000005",
        ),
    ],
    ids=str,
)
def test_ids_of_any_type_are_the_same_text(values: pa.Array, unit_id: str, shop: Shop) -> None:
    one_event_parquet(shop, user_id=values)
    manifest = shop.ingest(event_source("parquet"))
    assert shop.rows(manifest, "unit_id") == [(unit_id,)], manifest.reason


@pytest.mark.parametrize(("value", "reason"), [(5.5, "bad_unit_id"), (2.0**53, "bad_unit_id")])
def test_a_float_that_cannot_be_an_id_is_quarantined(value: float, reason: str, shop: Shop) -> None:
    one_event_parquet(shop, user_id=pa.array([value]))
    assert shop.quarantine(shop.ingest(event_source("parquet"))) == [(reason, 1)]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array([True]), "true"),
        (pa.array([3.0]), "3"),
        (pa.array([2.5]), "2.5"),
        (pa.array([""]), None),
        (pa.array([None]), None),
        (pa.array([date(2026, 1, 2)]), "2026-01-02"),
    ],
    ids=str,
)
def test_properties_are_text(values: pa.Array, text: str | None, shop: Shop) -> None:
    one_event_parquet(shop, channel=values)
    assert shop.rows(shop.ingest(event_source("parquet")), "p_channel") == [(text,)]


def test_json_values_are_text(shop: Shop) -> None:
    shop.write(
        "a.jsonl",
        '{"event_id":1,"user_id":5,"name":"x","ts":"2026-10-05 10:00:00","amount":"0.1","channel":true}\n'
        '{"event_id":2,"user_id":"[5]","name":"x","ts":"2026-10-05 10:00:00","channel":{"a":[1]}}\n',
    )
    manifest = shop.ingest(event_source("jsonl"))
    assert shop.rows(manifest, "event_id, unit_id, m_amount, p_channel") == [
        ("1", "5", 10, "true"),
        ("2", "[5]", None, '{"a":[1]}'),
    ]


def test_column_names_may_hold_any_character(shop: Shop) -> None:
    columns = {"event_id": 'the "id"', "unit_id": "user.id", "event_name": "it's", "occurred_at": "ts $\\"}
    source = {"columns": columns, "measures": {}, "properties": ()}
    shop.write("a.csv", '"the ""id""",user.id,it\'s,ts $\\\ne1,u1,x,2026-10-05T10:00:00Z\n')
    shop.write("b.jsonl", '{"the \\"id\\"":"e2","user.id":"u1","it\'s":"x","ts $\\\\":"2026-10-05T10:00:00Z"}\n')
    for file_format, name, event_id in (("csv", "*.csv", "e1"), ("jsonl", "*.jsonl", "e2")):
        manifest = shop.ingest(event_source(file_format, path=f"events/{{date}}/{name}", **source))
        assert shop.rows(manifest, "event_id, unit_id") == [(event_id, "u1")], manifest.reason


@pytest.mark.parametrize(
    ("values", "quantised"),
    [
        (pa.array([1.005]), 101),  # the double is 1.00499…, but it prints as 1.005
        (pa.array([-1.005]), -101),
        (pa.array([2.675]), 268),
        (pa.array([0.1], pa.float32()), 10),
        (pa.array([1.1249999999]), 112),
        (pa.array([7]), 700),
        (pa.array([Decimal("1.005")], pa.decimal128(10, 3)), 101),
        (pa.array(["-0.005"]), -1),
        (pa.array(["-5e-3"]), -1),
        (pa.array(["9.9e-8"]), 0),
        (pa.array(["123456789012e-3"]), 12_345_678_901),
        (pa.array(["1.2345E1"]), 1235),
        (pa.array([999_999_999_999.99]), 99_999_999_999_999),
        (pa.array([None], pa.float64()), None),
    ],
    ids=str,
)
def test_measures_are_rounded_half_away_from_zero(values: pa.Array, quantised: int | None, shop: Shop) -> None:
    one_event_parquet(shop, amount=values)
    assert shop.rows(shop.ingest(event_source("parquet")), "m_amount") == [(quantised,)]


@given(
    values=st.lists(
        st.one_of(
            st.floats(-1e9, 1e9),
            st.floats(-1e-3, 1e-3),
            st.integers(-(10**12), 10**12).map(lambda n: n / 1000),  # ties at two decimals
        ),
        min_size=30,
        max_size=60,
    )
)
@settings(max_examples=15, deadline=None)
def test_a_double_is_rounded_as_it_prints_in_parquet_and_csv(
    values: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    shop = Shop(tmp_path_factory.mktemp("rounding"))
    n = len(values)
    table = {
        "event_id": pa.array([f"p{i:03}" for i in range(n)]),
        "user_id": pa.array(["u1"] * n),
        "name": pa.array(["x"] * n),
        "ts": pa.array([datetime(2026, 10, 5, 10)] * n, pa.timestamp("us")),
        "amount": pa.array(values, pa.float64()),
        "channel": pa.array(["web"] * n),
    }
    pq.write_table(pa.table(table), shop.path("a.parquet"))
    shop.write("a.csv", HEADER + "".join(event(f"p{i:03}", amount=repr(value)) for i, value in enumerate(values)))
    expected = [(int((Decimal(repr(value)) * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP)),) for value in values]
    for file_format in ("parquet", "csv"):
        manifest = shop.ingest(event_source(file_format, path=f"events/{{date}}/*.{file_format}"))
        by_event = [(amount,) for _, amount in shop.rows(manifest, "event_id, m_amount")]
        assert by_event == expected


IN_DOLLARS = {"amount": {"column": "amount", "decimals": 2, "unit": "USD", "unit_column": "currency"}}


@pytest.mark.parametrize("has_ids", [True, False])
def test_amounts_in_another_unit_are_none_of_the_measure_s(shop: Shop, has_ids: bool) -> None:
    """The event stays, with the unit beside it; also when the same rows come again the day after."""
    units = {"usd": ("5.00", "USD"), "eur": ("7.00", "EUR"), "unsaid": ("8.00", ""), "none": ("", "EUR")}
    header = "event_id,user_id,name,ts,amount,currency\n"
    rows = [f"{unit},{unit},buy,2026-10-05T10:00:00Z,{amount},{name}\n" for unit, (amount, name) in units.items()]
    columns = {"unit_id": "user_id", "event_name": "name", "occurred_at": "ts"}
    source = event_source(
        columns=columns | ({"event_id": "event_id"} if has_ids else {}), measures=IN_DOLLARS, properties=[]
    )
    shop.write("a.csv", header + "".join(rows))
    shop.write("a.csv", header + "".join(rows), date(2026, 10, 6))
    first, second = shop.ingest_days(source, [LOG_DATE, date(2026, 10, 6)])
    assert shop.rows(first, "unit_id, m_amount, u_amount") == [
        ("eur", None, "EUR"), ("none", None, None), ("unsaid", None, "(none)"), ("usd", 500, None),
    ]  # fmt: skip
    assert (first.rows_quarantined, second.rows_duplicate) == (0, 4)
    assert first.fields == {"m_amount": "amount * 10^2 in USD by currency", "u_amount": "currency"}


def test_an_amount_that_is_no_number_is_refused_whatever_its_unit(shop: Shop) -> None:
    shop.write("a.csv", "event_id,user_id,name,ts,amount,currency\ne1,u1,buy,2026-10-05T10:00:00Z,many,EUR\n")
    manifest = shop.ingest(event_source(measures=IN_DOLLARS, properties=[]))
    assert shop.quarantine(manifest) == [("bad_amount", 1)]


def test_a_log_without_the_column_of_units_is_refused(shop: Shop) -> None:
    shop.write("a.csv", HEADER + event("e1"))
    manifest = shop.ingest(event_source(measures=IN_DOLLARS))
    assert manifest.status == "failed"
    assert "column 'currency' (amount) is missing" in manifest.reason


def test_twelve_decimals_fit(shop: Shop) -> None:
    measures = {"amount": {"column": "amount", "decimals": 12}}
    shop.write("a.csv", HEADER + event("e1", amount="99.9999999999995") + event("e2", amount="100"))
    manifest = shop.ingest(event_source(measures=measures))
    assert shop.quarantine(manifest) == [("too_large_amount", 1), ("too_large_amount", 2)]
    shop.write("a.csv", HEADER + event("e1", amount="99.999999999999") + event("e2", amount="-1e-12"))
    manifest = shop.ingest(event_source(measures=measures))
    assert shop.rows(manifest, "m_amount") == [(-1,), (99_999_999_999_999,)]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-10-05T10:00:00Z", datetime(2026, 10, 5, 10)),
        ("2026-10-05T10:00:00", datetime(2026, 10, 5, 10)),
        ("2026-10-05 10:00:00 UTC", datetime(2026, 10, 5, 10)),
        ("2026-10-05T10:00:00+02:00", datetime(2026, 10, 5, 8)),
        ("2026-10-05T10:00:00+0530", datetime(2026, 10, 5, 4, 30)),
        ("2026-10-05 10:00:00-03", datetime(2026, 10, 5, 13)),
        ("2026-10-05T10:00:00.123456789Z", datetime(2026, 10, 5, 10, 0, 0, 123456)),
    ],
)
def test_text_instants_become_utc(text: str, instant: datetime, shop: Shop) -> None:
    shop.write("a.csv", HEADER + event("e1", ts=text))
    assert shop.rows(shop.ingest(event_source()), "occurred_at") == [(instant,)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_parquet_instants_become_utc(unit: str, zone: str | None, shop: Shop) -> None:
    instant = datetime(2026, 10, 5, 10, tzinfo=UTC if zone else None)
    one_event_parquet(shop, ts=pa.array([instant], pa.timestamp(unit, zone)))
    manifest = shop.ingest(event_source("parquet"))
    assert shop.rows(manifest, "occurred_at") == [(datetime(2026, 10, 5, 10),)]


def test_nanoseconds_are_cut_not_rounded(shop: Shop) -> None:
    nanoseconds = int(datetime(2026, 10, 5, 10, tzinfo=UTC).timestamp()) * 10**9 + 999
    one_event_parquet(shop, ts=pa.array([nanoseconds], pa.timestamp("ns")))
    assert shop.rows(shop.ingest(event_source("parquet")), "occurred_at") == [(datetime(2026, 10, 5, 10),)]


@pytest.mark.parametrize(
    ("log_date", "text", "fate"),
    [
        # Berlin, log date 25 October: 25 hours long, 24 Oct 22:00 UTC to 25 Oct 23:00 UTC
        (date(2026, 10, 25), "2026-10-25T22:59:59.999999Z", date(2026, 10, 25)),
        (date(2026, 10, 25), "2026-10-25T23:00:00Z", date(2026, 10, 26)),
        (date(2026, 10, 25), "2026-10-26T00:00:00Z", date(2026, 10, 26)),  # an hour past the end, exactly
        (date(2026, 10, 25), "2026-10-26T00:00:00.000001Z", "future"),
        (date(2026, 10, 25), "2026-10-21T22:00:00Z", date(2026, 10, 22)),  # three days old, exactly
        (date(2026, 10, 25), "2026-10-21T21:59:59.999999Z", "late"),
        # Berlin, log date 29 March: 23 hours long, 28 Mar 23:00 UTC to 29 Mar 22:00 UTC
        (date(2026, 3, 29), "2026-03-28T23:00:00Z", date(2026, 3, 29)),
        (date(2026, 3, 29), "2026-03-28T22:59:59.999999Z", date(2026, 3, 28)),
        (date(2026, 3, 29), "2026-03-29T23:00:00Z", date(2026, 3, 30)),
        (date(2026, 3, 29), "2026-03-29T23:00:00.000001Z", "future"),
        (date(2026, 3, 29), "2026-03-25T23:00:00Z", date(2026, 3, 26)),
        (date(2026, 3, 29), "2026-03-25T22:59:59.999999Z", "late"),
    ],
)
def test_days_are_the_project_s_days(log_date: date, text: str, fate: date | str, tmp_path: Path) -> None:
    shop = Shop(tmp_path, timezone="Europe/Berlin")
    shop.write("a.csv", HEADER + event("e1", ts=text), log_date)
    manifest = shop.ingest(event_source(), log_date)
    if isinstance(fate, str):
        assert shop.quarantine(manifest, "reason") == [(fate,)]
    else:
        assert shop.rows(manifest, "occurred_date, known_from") == [(fate, max(fate, log_date))]


@given(
    timezone=st.sampled_from(
        ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo", "America/Havana", "Australia/Lord_Howe"]
    ),
    log_date=st.dates(date(2012, 1, 1), date(2035, 12, 31)),
    offset=st.integers(-4 * 86_400_000_000, 2 * 86_400_000_000),
)
@settings(max_examples=300, deadline=None)
def test_bounds_agree_with_the_local_calendar(timezone: str, log_date: date, offset: int) -> None:
    """Cairo and Havana change clocks at midnight; São Paulo did, so that some days began at 01:00."""
    bounds = day_bounds(log_date, timezone, late_arrival_days=3)
    instant = local_midnight(log_date, timezone) + timedelta(microseconds=offset)
    local_date = instant.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).date()
    found = next((day for day, ends_at in bounds.days if instant < ends_at), bounds.last_date)
    if instant >= bounds.late_before:
        assert found == min(local_date, bounds.last_date)
    assert (instant < bounds.late_before) == ((log_date - local_date).days > 3)
