"""What is odd about the logs that an experiment reads: the audits' findings of the day, how old the newest log is."""

from datetime import date, timedelta

import pandas as pd

from analysis.completeness import LogSpans, metric_sources
from analysis.health.inputs import LOOK, HealthInputs
from analysis.periods import as_days
from configs.schema import Experiment

FINDINGS_SHOWN = 3
DAY = timedelta(days=1)


def log_anomalies(inputs: HealthInputs) -> pd.DataFrame:
    """`log_anomalies`: the audit of the as-of date's logs found something unusual; warns.

    The audit compares the day with the same weekday of the weeks before: its volume, that of its slices, hours without
    rows, missing values; and how many rows were refused, late ones among them.
    """
    findings = inputs.data.day_findings.rename(columns={"log_date": "as_of_date", "experiment_id": "about"})
    reads = pd.DataFrame(
        [
            (one.id, one.end, source, last)
            for one in inputs.experiments.values()
            for source, last in _needs(one, inputs).items()
        ],
        columns=["experiment_id", "end", "source_id", "last"],
    ).astype({"experiment_id": "str", "source_id": "str"})
    reads = reads.assign(last=as_days(reads["last"]), end=as_days(reads["end"]))
    found = inputs.looks.merge(reads, on="experiment_id").merge(findings, on=["source_id", "as_of_date"])
    # After its end an experiment's slice of the exposure log shrinks, as it should.
    is_about = (found["about"] == found["experiment_id"]) & (found["as_of_date"] <= found["end"])
    found = found[((found["about"] == "") | is_about) & (found["as_of_date"] <= found["last"])]
    found = found.assign(text=found["source_id"] + ": " + found["finding"]).sort_values([*LOOK, "text"])
    listed = found.groupby(LOOK)["text"].agg(list)
    rows = inputs.looks.merge(listed.rename("texts").reset_index(), on=LOOK, how="left")
    texts = [value if isinstance(value, list) else [] for value in rows["texts"]]
    return rows.assign(
        severity="warning",
        passed=[not some for some in texts],
        statistic=[float(len(some)) for some in texts],
        threshold=0.0,
        message=[_listed(some) for some in texts],
    )


def metric_freshness(inputs: HealthInputs) -> pd.DataFrame:
    """`metric_freshness`: the newest usable log of something the experiment needs is days old; warns."""
    rows = []
    for experiment in inputs.experiments.values():
        limit = inputs.thresholds[experiment.id].stale_days
        needs = _needs(experiment, inputs)
        for day in inputs.days[experiment.id]:
            ages = [(_age(inputs, experiment, source, min(day, last)), source) for source, last in needs.items()]
            age, source = max(ages)
            rows.append((experiment.id, day, age < limit, float(age), float(limit), source))
    frame = pd.DataFrame(rows, columns=[*LOOK, "passed", "statistic", "threshold", "source"])
    messages = [
        f"the newest usable log of {row.source} is {row.statistic:.0f} days older than the newest needed (warns from"
        f" {row.threshold:.0f})"
        if row.statistic
        else "every log needed is there up to the newest"
        for row in frame.itertuples()
    ]
    return frame.assign(severity="warning", message=messages)


def _needs(experiment: Experiment, inputs: HealthInputs) -> dict[str, date]:
    """Each source with the last log date that the experiment will ever need of it."""
    spans, last = LogSpans(experiment, inputs.project), experiment.end + 400 * DAY
    needs = {experiment.exposure_source or "": spans.exposures(last)[1]}
    for id_ in experiment.metrics.roles:
        for source in metric_sources(inputs.metrics[id_]):
            needs[source] = max(needs.get(source, experiment.start), spans.events(inputs.metrics[id_], last)[1])
    return needs


def _age(inputs: HealthInputs, experiment: Experiment, source: str, last: date) -> int:
    latest = inputs.source_days.latest_usable(source, last)
    before = experiment.start - DAY
    return (last - (max(latest, before) if latest else before)).days


def _listed(texts: list[str]) -> str:
    if not texts:
        return "the day's logs are as usual"
    more = f"; and {len(texts) - FINDINGS_SHOWN} more" if len(texts) > FINDINGS_SHOWN else ""
    return "; ".join(texts[:FINDINGS_SHOWN]) + more
