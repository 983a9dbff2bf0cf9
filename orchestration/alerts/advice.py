"""What goes with an incident: the SQL that shows it, what it gated, and its section of the runbook."""

from datetime import date

from orchestration.alerts.incidents import Incident

_SPLITS = (
    "select as_of_date, variant_id, n_units, n_mixed_excluded, expected_share, "
    "(n_units + n_mixed_excluded) / sum(n_units + n_mixed_excluded) over () as share from exposure_counts"
)
_QUERIES = {
    "sample_ratio_mismatch": _SPLITS,
    "sample_ratio_mismatch_segment": _SPLITS,
    "mixed_exposures": _SPLITS,
    "sample_ratio_mismatch_matured": "select as_of_date, metric_id, variant_id, n_units from metric_moments",
}
"""Of the checks whose figures stand in a published table of their own; the others' are in their row itself."""

_ROW = "select as_of_date, severity, passed, statistic, p_value, threshold, message from health_checks"


def health_query(check: str, experiment_id: str, segment: tuple[str, str], as_of: date) -> str:
    """SQL over `results.duckdb` that shows the figures of a failed health check."""
    name, value = segment
    conditions = [f"experiment_id = {quoted(experiment_id)}", f"as_of_date = date {quoted(as_of.isoformat())}"]
    if check not in _QUERIES:
        conditions.append(f"check_name = {quoted(check)}")
    conditions += [f"segment_name = {quoted(name)}", f"segment_value = {quoted(value)}"]
    return f"{_QUERIES.get(check, _ROW)} where {' and '.join(conditions)} order by all"


def rollback_query(experiment_id: str, as_of: date) -> str:
    """SQL that shows the harm behind a rollback."""
    return (
        "select as_of_date, metric_id, variant_id, effect, least_harm, p_value, level from rollback_monitor "
        f"where experiment_id = {quoted(experiment_id)} and as_of_date <= date {quoted(as_of.isoformat())} "
        "and is_harmful order by all"
    )


def source_query(source_id: str, first: date, last: date) -> str:
    """SQL that shows days of a source which did not reach the lake, and their rows."""
    return (
        "select log_date, status, reason, rows_read, rows_accepted from source_days "
        f"left join row_ledger using (source_id, log_date) where source_id = {quoted(source_id)} "
        f"and log_date between date {quoted(first.isoformat())} and date {quoted(last.isoformat())} order by all"
    )


def ledger_query(source_id: str) -> str:
    """SQL that shows days of a source whose rows do not add up."""
    return (
        f"select * from row_ledger where source_id = {quoted(source_id)} "
        "and rows_read <> rows_accepted + rows_duplicate + rows_quarantined order by all"
    )


def quoted(text: str) -> str:
    """A text literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def gated_by_health(check: str, severity: str, experiment_id: str) -> str:
    """What a failed health check holds back."""
    if check == "missing_data":
        return f"metrics of {experiment_id} whose windows cover these days are incomplete; it cannot ship on them"
    if check == "amount_units":
        return f"a metric of {experiment_id} with too many such amounts is incomplete; it cannot ship on that"
    if severity == "error":
        return f"the decision of {experiment_id} is invalid; every other experiment goes on"
    return "nothing"


def link_to_runbook(incident: Incident, runbook_url: str) -> str:
    """The incident's section of the runbook."""
    return f"{runbook_url}#{incident.runbook}"
