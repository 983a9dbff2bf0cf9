"""Which metrics a missing log date blocks, and on which as-of dates."""

from datetime import date, timedelta

import pandas as pd
import pytest

from analysis.completeness import Gap, LogSpans, SourceDays, blocked_metrics, headline, list_gaps
from configs.schema import Experiment, Metric, Project

PROJECT = Project(name="shop", history_start=date(2026, 9, 1), late_arrival_days=2)
METRICS = {
    "conversion": Metric(
        id="conversion", type="proportion", source="shop", event="purchase", window={"end_days": 3}
    ),
    "retention": Metric(
        id="retention", type="retention", source="app", event="visit", window={"start_days": 7, "end_days": 8}
    ),
    "tickets": Metric(id="tickets", type="proportion", source="support", event="opened"),
    "adjusted": Metric(
        id="adjusted", type="mean", aggregate="count", source="shop", event="visit", window={"end_days": 1},
        covariate={"lookback_days": 5},
    ),
    "far_back": Metric(
        id="far_back", type="mean", aggregate="count", source="app", event="visit", window={"end_days": 1},
        covariate={"lookback_days": 20},
    ),
}  # fmt: skip


def experiment(*metrics: str, **changes: object) -> Experiment:
    """10 to 19 September, exposures from the source `web`."""
    return Experiment(
        **{
            "id": "banner",
            "start": date(2026, 9, 10),
            "end": date(2026, 9, 19),
            "exposure_source": "web",
            "variants": [{"id": "a", "weight": 0.5, "baseline": True}, {"id": "b", "weight": 0.5}],
            "metrics": {"primary": metrics},
        }
        | changes
    )


def source_days(**statuses: str) -> pd.DataFrame:
    """September is complete, but for `<source>_<day>=<status>`; "absent" drops the row."""
    rows = {(source, date(2026, 9, day)): "ok" for source in ("web", "shop", "app", "support") for day in range(1, 31)}
    for name, status in statuses.items():
        source, day = name.split("_")
        rows[source, date(2026, 9, int(day))] = status
    return pd.DataFrame(
        [(day, source, status, "no file") for (source, day), status in rows.items() if status != "absent"],
        columns=["log_date", "source_id", "status", "reason"],
    )


def blocked(days: pd.DataFrame, *metrics: str, as_of: int, **changes: object) -> dict[str, str]:
    frame = blocked_metrics(days, {"banner": experiment(*metrics, **changes)}, METRICS, [date(2026, 9, as_of)], PROJECT)
    assert (frame["as_of_date"] == pd.Timestamp(2026, 9, as_of)).all()
    return dict(zip(frame["metric_id"], frame["status"], strict=True))


def test_nothing_is_blocked_when_every_day_is_there() -> None:
    dates = [date(2026, 9, day) for day in range(1, 31)]
    frame = blocked_metrics(source_days(), {"banner": experiment(*METRICS)}, METRICS, dates, PROJECT)
    # Only the covariate that looks back to 21 August, before the lake's first log date.
    assert set(zip(frame["metric_id"], frame["status"], strict=True)) == {("far_back", "no_covariate")}
    assert frame["reason"].iloc[0] == (
        "unadjusted: its covariate looks back to 2026-08-21, but the lake begins on 2026-09-01"
    )


@pytest.mark.parametrize("status", ["missing", "failed", "absent"])
@pytest.mark.parametrize("as_of", [12, 15, 22])
def test_a_missing_exposure_day_blocks_every_metric_from_then_on(status: str, as_of: int) -> None:
    days = source_days(web_12=status)
    assert blocked(days, "conversion", "tickets", as_of=as_of) == {
        "conversion": "incomplete",
        "tickets": "incomplete",
    }
    assert blocked(days, "conversion", "tickets", as_of=11) == {}


def test_an_empty_day_is_fine() -> None:
    assert blocked(source_days(web_12="empty", shop_12="empty"), "conversion", as_of=20) == {}


def test_a_missing_event_day_blocks_only_metrics_that_read_its_source() -> None:
    assert blocked(source_days(shop_15="missing"), "conversion", "tickets", as_of=20) == {"conversion": "incomplete"}


@pytest.mark.parametrize(
    ("metric", "source", "first", "last"),
    [
        # Windows of 10 to 19 September: events to the 22nd, in logs to the 24th.
        ("conversion", "shop", 10, 24),
        # Day-7 retention: events from the 17th to the 27th, in logs to the 29th.
        ("retention", "app", 17, 29),
        # No window: events to the end date's midnight, in logs to the 21st.
        ("tickets", "support", 10, 21),
    ],
)
def test_a_window_needs_exactly_the_log_dates_that_may_hold_its_events(
    metric: str, source: str, first: int, last: int
) -> None:
    spans = LogSpans(experiment(metric), PROJECT)
    assert spans.events(METRICS[metric], date(2026, 12, 31)) == (date(2026, 9, first), date(2026, 9, last))
    final = spans.experiment.end + timedelta(days=METRICS[metric].window.end_days if METRICS[metric].window else 0)
    for day in range(1, 31):
        expected = {metric: "incomplete"} if first <= day <= min(last, final.day) else {}
        assert blocked(source_days(**{f"{source}_{day}": "missing"}), metric, as_of=final.day) == expected


def test_days_after_the_as_of_date_do_not_matter() -> None:
    assert blocked(source_days(shop_16="missing"), "conversion", as_of=15) == {}
    assert blocked(source_days(shop_16="missing"), "conversion", as_of=16) == {"conversion": "incomplete"}


def test_a_gap_in_the_lookback_costs_the_adjustment_and_one_later_the_metric() -> None:
    assert blocked(source_days(shop_5="missing"), "adjusted", as_of=15) == {"adjusted": "no_covariate"}
    assert blocked(source_days(shop_4="missing"), "adjusted", as_of=15) == {}
    assert blocked(source_days(shop_10="missing"), "adjusted", as_of=15) == {"adjusted": "incomplete"}


def test_without_adjustment_the_lookback_is_not_needed() -> None:
    changes = {"analysis": {"covariate_adjustment": False}}
    assert blocked(source_days(shop_5="missing"), "adjusted", "far_back", as_of=15, **changes) == {}


def test_the_reason_names_source_days_and_remedy() -> None:
    frame = blocked_metrics(
        source_days(shop_11="failed", shop_12="absent", shop_13="missing", shop_14="missing"),
        {"banner": experiment("conversion")},
        METRICS,
        [date(2026, 9, 20)],
        PROJECT,
    )
    assert frame["reason"].tolist() == [
        "logs of shop (2026-09-11 and 3 more days) are missing: shop 2026-09-11 (failed: no file),"
        " shop 2026-09-12 (never ingested), shop 2026-09-13 (missing: no file) and 1 more; mend the failed files,"
        " add the missing ones, then `equipoise run --from 2026-09-11 --to 2026-09-14`"
    ]


@pytest.mark.parametrize(
    ("statuses", "step"),
    [
        (["never ingested", "missing"], "once the files are there, `equipoise run --from 2026-09-11 --to 2026-09-12`"),
        (["failed", "failed"], "mend the failed files, then `equipoise run --from 2026-09-11 --to 2026-09-12`"),
        (["failed"], "mend the failed files, then `equipoise run --from 2026-09-11 --to 2026-09-11`"),
    ],
)
def test_the_next_step_is_for_what_happened(statuses: list[str], step: str) -> None:
    gaps = [Gap(date(2026, 9, 11 + n), "shop", status) for n, status in enumerate(statuses)]
    assert list_gaps(gaps).rpartition("; ")[2] == step


def test_the_headline_leaves_out_what_the_file_reader_said() -> None:
    days = source_days(shop_12="missing", web_10="failed", web_13="failed")
    days["reason"] = "/data/web.parquet: Invalid Error: no magic bytes; mend it"
    frame = blocked_metrics(days, {"banner": experiment("conversion")}, METRICS, [date(2026, 9, 20)], PROJECT)
    assert "/data/web.parquet: Invalid Error" in frame["reason"][0]
    assert headline(frame["reason"][0]) == "logs of shop (2026-09-12) and web (2026-09-10 and 1 more day) are missing"


def test_a_change_of_clocks_moves_the_last_window_to_the_next_local_day() -> None:
    """Europe/Berlin springs forward on 2026-03-29: 24 h after 23:30 on the 28th is 00:30 on the 30th."""
    berlin = Project(name="shop", history_start=date(2026, 1, 1), late_arrival_days=0, timezone="Europe/Berlin")
    run = experiment("conversion", start=date(2026, 3, 20), end=date(2026, 3, 28))
    one_day = Metric(id="m", type="proportion", source="shop", event="purchase", window={"end_days": 1})
    assert LogSpans(run, berlin).events(one_day, date(2026, 5, 1))[1] == date(2026, 3, 30)
    assert LogSpans(run, PROJECT).events(one_day, date(2026, 5, 1))[1] == date(2026, 3, 31)  # 29th + 2 days late


def test_gaps_are_found_over_spans_of_any_length() -> None:
    days = SourceDays(source_days(shop_3="missing", shop_30="failed"))
    found = days.gaps("shop", date(2026, 8, 31), date(2026, 10, 1))
    assert [(gap.log_date.isoformat(), gap.status, gap.reason) for gap in found] == [
        ("2026-08-31", "never ingested", ""),
        ("2026-09-03", "missing", "no file"),
        ("2026-09-30", "failed", "no file"),
        ("2026-10-01", "never ingested", ""),
    ]
    assert days.gaps("shop", date(2026, 9, 5), date(2026, 9, 4)) == []
    assert len(days.gaps("unheard_of", date(2026, 9, 1), date(2026, 9, 4))) == 4


def test_an_experiment_outside_a_config_is_refused() -> None:
    with pytest.raises(ValueError, match="names no exposure source"):
        blocked(source_days(), "conversion", as_of=15, exposure_source=None)


def test_an_empty_result_is_typed() -> None:
    frame = blocked_metrics(source_days(), {}, METRICS, [], PROJECT)
    assert list(frame.columns) == ["as_of_date", "experiment_id", "metric_id", "status", "reason"]
    assert str(frame["as_of_date"].dtype) == "datetime64[us]"
    assert str(frame["reason"].dtype) == "str"
