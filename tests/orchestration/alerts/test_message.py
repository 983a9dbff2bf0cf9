"""Who is told, and in which words."""

from configs.alert_schema import Alerts
from orchestration.alerts.message import digest
from orchestration.alerts.routing import destinations
from orchestration.alerts.store import Due
from tests.orchestration.alerts.examples import MIXED, varied

ALERTS = Alerts.model_validate(
    {
        "destinations": {name: {"url_env": "E"} for name in ("pager", "growth", "ana", "data", "rest")},
        "routes": [
            {"destinations": ["pager"], "severities": ["critical", "error"]},
            {"destinations": ["growth"], "teams": ["growth"], "severities": ["warning"]},
            {"destinations": ["ana", "pager"], "owners": ["ana@example.com"], "experiments": ["checkout"]},
            {"destinations": ["data"], "sources": ["orders"]},
        ],
        "default": ["rest"],
        "dagster_url": "https://dagster.example.com/",
    }
)


def test_every_route_that_fits_is_taken_and_each_destination_once():
    assert destinations(ALERTS, MIXED) == ["growth", "ana", "pager"]
    assert destinations(ALERTS, varied(severity="error")) == ["pager", "ana"]


def test_what_no_route_fits_goes_to_the_default():
    assert destinations(ALERTS, varied(team="search", owner="bo@example.com")) == ["rest"]


def test_a_source_has_its_route():
    lost = varied(severity="warning", source_id="orders", experiment_id="", owner="", team="")
    assert destinations(ALERTS, lost) == ["data"]


def test_a_message_says_what_where_since_when_and_what_to_do():
    title, text = digest([Due(1, "opened", "run-7", "ana", "", MIXED)], ALERTS, "shop")

    assert title == "shop: 1 opened (warning)"
    assert text.splitlines() == [
        "OPENED · warning · checkout: mixed_exposures as of 2026-10-09",
        "2.1 % of units saw several variants",
        "figure: 0.021 against 0.01",
        "since: 2026-10-08",
        "gated: nothing",
        "see it: select 1",
        "runbook: docs/runbook.md#mixed_exposures",
        "run: https://dagster.example.com/runs/run-7",
        f"answer: equipoise alerts acknowledge {MIXED.fingerprint}",
    ]


def test_the_gravest_comes_first_and_a_long_list_is_cut():
    due = [Due(n, "opened", "", "ana", "", varied(segment=f"country {n}")) for n in range(30)]
    due += [
        Due(31, "resolved", "", "ana", "", varied(severity="critical")),
        Due(32, "opened", "", "ana", "", varied(severity="error")),
    ]

    title, text = digest(due, ALERTS, "shop")

    assert title == "shop: 31 opened, 1 resolved (error)"
    assert text.startswith("OPENED · error")
    assert text.endswith("… and 12 more: `equipoise alerts list`")
