"""What published results show, on results small enough to check by eye."""

from datetime import date

import duckdb
import pytest

from orchestration.alerts.incidents import Incident
from orchestration.alerts.published_evidence import published_incidents, unjudged_experiments

RESULTS = """
create table experiments as from (values ('checkout', 'ana', 'growth', 'running'), ('old', '', '', 'archived'),
    ('harm', 'bo', 'search', 'running'), ('undone', 'bo', 'search', 'rolled_back'))
    as t(experiment_id, owner, team, status);
create table health_checks as from (values
    (date '2026-10-01', 'checkout', 'mixed_exposures', 'all', 'all', 'error', true, 0.0, null, 0.01, 'fine'),
    (date '2026-10-02', 'checkout', 'mixed_exposures', 'all', 'all', 'warning', false, 0.02, null, 0.01, '2 %'),
    (date '2026-10-03', 'checkout', 'mixed_exposures', 'all', 'all', 'error', false, 0.12, 1.0, 0.1, '12 %'),
    (date '2026-10-02', 'checkout', 'no_exposures', 'all', 'all', 'error', false, 1.0, 1e-9, 0.001, 'none yet'),
    (date '2026-10-03', 'checkout', 'no_exposures', 'all', 'all', 'error', true, 0.0, null, 0.0, 'all there'),
    (date '2026-10-03', 'checkout', 'sample_ratio_mismatch_segment', 'country', 'd''Ivoire', 'warning', false,
     9.0, 1e-5, 5e-4, 'off'),
    (date '2026-10-03', 'old', 'mixed_exposures', 'all', 'all', 'error', false, 0.5, null, 0.1, '50 %')
) as t(as_of_date, experiment_id, check_name, segment_name, segment_value, severity, passed, statistic, p_value,
    threshold, message);
create table decisions as from (values
    (date '2026-10-01', 'harm', 'continue', null, 'on', 'risk_aware'),
    (date '2026-10-02', 'harm', 'rollback', 'new', 'it harms', 'risk_aware'),
    (date '2026-10-03', 'harm', 'rollback', 'new', 'it harms', 'risk_aware'),
    (date '2026-10-03', 'undone', 'rollback', 'b', 'it did', 'risk_aware')
) as t(as_of_date, experiment_id, recommendation, variant_id, summary, rule);
create table rollback_monitor as from (values (date '2026-10-03', 'harm', 'sales', 'new', -1.0, 0.5, 1e-4, 0.01, true))
    as t(as_of_date, experiment_id, metric_id, variant_id, effect, least_harm, p_value, level, is_harmful);
create table source_days as from (values
    (date '2026-10-01', 'orders', 'missing', 'no file'), (date '2026-10-02', 'orders', 'missing', 'no file'),
    (date '2026-10-03', 'orders', 'failed', 'orders.csv: no column amount'), (date '2026-10-04', 'orders', 'ok', ''),
    (date '2026-10-05', 'orders', 'missing', 'no file')
) as t(log_date, source_id, status, reason);
create table row_ledger as select log_date, source_id, 0 as rows_read, 0 as rows_accepted from source_days;
create table exposure_counts as from (values
    (date '2026-10-03', 'checkout', 'a', 'all', 'all', 90, 10, 0.5),
    (date '2026-10-03', 'checkout', 'a', 'country', 'd''Ivoire', 9, 1, 0.5)
) as t(as_of_date, experiment_id, variant_id, segment_name, segment_value, n_units, n_mixed_excluded, expected_share);
"""


@pytest.fixture
def run(tmp_path):
    with duckdb.connect(str(tmp_path / "results.duckdb")) as connection:
        connection.execute(RESULTS)
    return tmp_path


@pytest.fixture
def incidents(run) -> dict[tuple[str, str, str], Incident]:
    found = published_incidents(run, {"orders": "data@example.com"})
    return {(incident.subject, incident.check, incident.segment): incident for incident in found}


def test_what_fails_at_the_latest_date_is_an_incident_and_nothing_else_is(incidents):
    assert list(incidents) == [
        ("checkout", "mixed_exposures", "all"),
        ("checkout", "sample_ratio_mismatch_segment", "country d'Ivoire"),
        ("harm", "rollback", "new"),
        ("orders", "failed_day", "from 2026-10-03"),
        ("orders", "missing_day", "from 2026-10-01"),
        ("orders", "missing_day", "from 2026-10-05"),
    ]


def test_a_health_incident_has_figure_threshold_start_owner_and_gate(incidents):
    mixed = incidents["checkout", "mixed_exposures", "all"]
    assert (mixed.figure, mixed.threshold, mixed.figure_class, mixed.severity) == (0.12, 0.1, 0, "error")
    assert (mixed.as_of, mixed.since) == (date(2026, 10, 3), date(2026, 10, 2))
    assert (mixed.owner, mixed.team) == ("ana", "growth")
    assert mixed.gated == "the decision of checkout is invalid; every other experiment goes on"


def test_a_rollback_is_critical_since_the_day_it_was_decided(incidents):
    harm = incidents["harm", "rollback", "new"]
    assert (harm.severity, harm.figure, harm.threshold, harm.since) == ("critical", 1e-4, 0.01, date(2026, 10, 2))


def test_consecutive_days_are_one_incident_that_its_first_day_names(incidents, run):
    lost = incidents["orders", "missing_day", "from 2026-10-01"]
    assert (lost.figure, lost.as_of, lost.owner) == (2.0, date(2026, 10, 2), "data@example.com")
    assert lost.message == "2026-10-01 … 2026-10-02 missing: no file"
    last = incidents["orders", "missing_day", "from 2026-10-05"]

    with duckdb.connect(str(run / "results.duckdb")) as connection:
        connection.execute("insert into source_days values (date '2026-10-06', 'orders', 'missing', 'no file')")
    again = published_incidents(run, {})[-1]

    assert (again.fingerprint, again.figure) == (last.fingerprint, 2.0)


def test_every_query_shows_what_the_incident_says(incidents, run):
    with duckdb.connect(str(run / "results.duckdb"), read_only=True) as connection:
        assert {key: len(connection.execute(one.query).fetchall()) for key, one in incidents.items()} == {
            key: 2 if key[2] == "from 2026-10-01" else 1 for key in incidents
        }


def test_an_experiment_without_checks_or_without_a_decision_at_the_latest_date_is_not_judged(run):
    assert unjudged_experiments(run) == frozenset()
    with duckdb.connect(str(run / "results.duckdb")) as connection:
        connection.execute(
            "insert into health_checks by name select date '2026-10-04' as as_of_date, 'checkout' as experiment_id, "
            "'configuration' as check_name, 'error' as severity, false as passed"
        )
        connection.execute(
            "insert into decisions by name select date '2026-10-04' as as_of_date, 'harm' as experiment_id, "
            "'invalid' as recommendation, 'computation' as rule"
        )
    assert unjudged_experiments(run) == frozenset({"checkout", "harm"})
