"""Incidents that the published results show: failed health checks, rollbacks, days of a source that are not there."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from configs.alert_schema import Severity
from orchestration.alerts.advice import gated_by_health, health_query, rollback_query, source_query
from orchestration.alerts.incidents import UNJUDGED_BY, Incident, figure_class
from orchestration.published import open_results

_FAILING = """
with latest as (select experiment_id, max(as_of_date) as as_of_date from health_checks group by all),
failing as (
    select checks.* from health_checks as checks inner join latest using (experiment_id, as_of_date)
    where not passed and experiment_id not in (select experiment_id from experiments where status = 'archived')
),
history as (
    select experiment_id, check_name, segment_name, segment_value, as_of_date, passed,
        max(case when passed then as_of_date end) over (
            partition by experiment_id, check_name, segment_name, segment_value
        ) as last_passed
    from health_checks semi join failing using (experiment_id, check_name, segment_name, segment_value)
),
began as (
    select experiment_id, check_name, segment_name, segment_value, min(as_of_date) as since from history
    where not passed and (last_passed is null or as_of_date > last_passed) group by all
)
select failing.*, began.since, coalesce(experiments.owner, '') as owner, coalesce(experiments.team, '') as team
from failing left join began using (experiment_id, check_name, segment_name, segment_value)
left join experiments using (experiment_id) order by experiment_id, check_name, segment_name, segment_value
"""

_ROLLBACKS = """
with latest as (
    select * from decisions qualify as_of_date = max(as_of_date) over (partition by experiment_id)
)
select latest.experiment_id, latest.as_of_date, latest.variant_id, latest.summary, monitor.p_value, monitor.level,
    (select min(earlier.as_of_date) from decisions as earlier
     where earlier.experiment_id = latest.experiment_id and earlier.recommendation = 'rollback') as since,
    coalesce(experiments.owner, '') as owner, coalesce(experiments.team, '') as team
from latest left join experiments using (experiment_id)
left join (
    select experiment_id, as_of_date, min(p_value) as p_value, min(level) as level from rollback_monitor
    where is_harmful group by all
) as monitor on latest.experiment_id = monitor.experiment_id and latest.as_of_date = monitor.as_of_date
where recommendation = 'rollback' and coalesce(experiments.status, '') not in ('rolled_back', 'archived')
order by latest.experiment_id
"""

_UNJUDGED = """
with latest as (select experiment_id, max(as_of_date) as as_of_date from health_checks group by all)
select experiment_id from health_checks inner join latest using (experiment_id, as_of_date)
group by experiment_id having bool_and(check_name in $checks)
union
select experiment_id from (
    select * from decisions qualify as_of_date = max(as_of_date) over (partition by experiment_id)
) where rule in $checks
"""

_ABSENT_DAYS = """
select source_id, status, log_date, reason from source_days where status in ('missing', 'failed')
order by source_id, status, log_date
"""


def published_incidents(run: Path, source_owners: Mapping[str, str]) -> list[Incident]:
    """Every incident in the results of a run: of each experiment at its latest as-of date, of every log date."""
    with open_results(run) as connection:
        return [
            *(_health(row) for row in _rows(connection, _FAILING)),
            *(_rollback(row) for row in _rows(connection, _ROLLBACKS)),
            *_absences(_rows(connection, _ABSENT_DAYS), source_owners),
        ]


def unjudged_experiments(run: Path) -> frozenset[str]:
    """Experiments of which the results' latest as-of date has no checks, or no decision: only why there are none."""
    with open_results(run) as connection:
        found = connection.execute(_UNJUDGED, {"checks": list(UNJUDGED_BY)}).fetchall()
    return frozenset(experiment_id for (experiment_id,) in found)


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    result = connection.execute(query)
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _health(row: Mapping[str, Any]) -> Incident:
    experiment_id, check, as_of = row["experiment_id"], row["check_name"], row["as_of_date"]
    segment = row["segment_name"], row["segment_value"]
    p_value, threshold = _number(row["p_value"]), _number(row["threshold"])
    # A check may fail by its statistic and have a p-value that is fine: a share of mixed units that are split evenly.
    is_p_value = p_value is not None and threshold is not None and p_value <= threshold
    figure = p_value if is_p_value else _number(row["statistic"])
    severity: Severity = "error" if row["severity"] == "error" else "warning"
    return Incident(
        kind="health",
        subject=experiment_id,
        check=check,
        segment="all" if segment == ("all", "all") else " ".join(segment),
        severity=severity,
        message=row["message"],
        figure=figure,
        threshold=threshold,
        figure_class=figure_class(figure, threshold, is_p_value=is_p_value),
        as_of=as_of,
        since=row["since"],
        gated=gated_by_health(check, severity, experiment_id),
        query=health_query(check, experiment_id, segment, as_of),
        runbook=check,
        experiment_id=experiment_id,
        owner=row["owner"],
        team=row["team"],
    )


def _rollback(row: Mapping[str, Any]) -> Incident:
    experiment_id, as_of = row["experiment_id"], row["as_of_date"]
    return Incident(
        kind="rollback",
        subject=experiment_id,
        check="rollback",
        segment=row["variant_id"] or "all",
        severity="critical",
        message=row["summary"],
        figure=_number(row["p_value"]),
        threshold=_number(row["level"]),
        as_of=as_of,
        since=row["since"],
        gated=f"{experiment_id} cannot ship: its decision is rollback, and stays so",
        query=rollback_query(experiment_id, as_of),
        runbook="rollback",
        experiment_id=experiment_id,
        owner=row["owner"],
        team=row["team"],
    )


def _absences(rows: list[dict[str, Any]], source_owners: Mapping[str, str]) -> Iterator[Incident]:
    """One incident for each stretch of days; it is the same one as the stretch grows, since its first day names it."""
    stretch: list[dict[str, Any]] = []
    for row in rows:
        if stretch and not _continues(stretch[-1], row):
            yield _absence(stretch, source_owners)
            stretch = []
        stretch.append(row)
    if stretch:
        yield _absence(stretch, source_owners)


def _continues(before: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    same = all(before[name] == row[name] for name in ("source_id", "status"))
    return bool(same and row["log_date"] - before["log_date"] == timedelta(days=1))


def _absence(stretch: list[dict[str, Any]], source_owners: Mapping[str, str]) -> Incident:
    last = stretch[-1]
    source_id, status, first_day, last_day = last["source_id"], last["status"], stretch[0]["log_date"], last["log_date"]
    days = _span(first_day, last_day)
    return Incident(
        kind="source",
        subject=source_id,
        check=f"{status}_day",
        segment=f"from {first_day}",
        severity="error",
        message=f"{days} {status}: {last['reason']}",
        figure=float(len(stretch)),
        threshold=0.0,
        figure_class=figure_class(float(len(stretch)), 0.0),
        as_of=last_day,
        since=first_day,
        gated=f"no row of {source_id} of {days} is in the lake; metrics whose windows cover it are incomplete",
        query=source_query(source_id, first_day, last_day),
        runbook=f"{status}_day",
        source_id=source_id,
        owner=source_owners.get(source_id, ""),
    )


def _span(first: date, last: date) -> str:
    return f"{first}" if first == last else f"{first} … {last}"


def _number(value: Any) -> float | None:
    """A figure; NaN and NULL are none."""
    return None if value is None or value != value else float(value)
