"""Logs of a bandit with known truth: each day's units are split as the allocation computed the day before says.

Allocations are computed here from the rewards simulated so far by the pipeline's own function, day by day, so that all
days can be run at once; what the pipeline then publishes has to be these very allocations.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.bandits.tables import bandit_allocations
from configs.schema import Config, Experiment

WEEKEND = 0.05
"""More of everybody buy on Saturdays and Sundays, so that an arm which grew late is not compared on even days."""

NOTHING_BLOCKED = pd.DataFrame(columns=["as_of_date", "experiment_id", "metric_id", "status", "reason"])


@dataclass(frozen=True)
class Truth:
    """What was simulated: shares, units and true means by day and variant (days, variants)."""

    shares: np.ndarray
    units: np.ndarray
    means: np.ndarray


def write_adaptive_logs(
    config: Config, experiment_id: str, true_means: dict[str, float], folder: Path, units: int, seed: int
) -> Truth:
    """Write exposures, a visit of every unit and the purchases that are its reward; `units` enter each day."""
    experiment, rng = config.experiments[experiment_id], np.random.default_rng(seed)
    ids = [variant.id for variant in experiment.variants]
    days = pd.date_range(experiment.start, experiment.end + timedelta(days=1), freq="D")
    shares, counts, means, batches = [], [], [], []
    for number, day in enumerate(days):
        entering = units if day.date() <= experiment.end else 0
        share = _shares(config, experiment, batches, day, ids)
        base = np.array([true_means[id_] for id_ in ids]) + (WEEKEND if day.weekday() >= 5 else 0.0)
        arm = np.searchsorted(np.cumsum(np.rint(share * 10_000)), rng.integers(0, 10_000, entering), side="right")
        bought = rng.random(entering) < base[arm]
        _write_day(folder, experiment_id, day, np.array(ids)[arm], bought, rng, number)
        if entering:
            shares.append(share)
            counts.append(np.bincount(arm, minlength=len(ids)))
            means.append(base)
            batches += _batch_rows(experiment, day, ids, arm, bought)
    return Truth(np.array(shares), np.array(counts), np.array(means))


def _shares(config: Config, experiment: Experiment, batches: list, day: pd.Timestamp, ids: list[str]) -> np.ndarray:
    """By the as-of date before: its own batch has not matured yet, the ones before have."""
    if day.date() == experiment.start or day.date() > experiment.end:
        return np.array([variant.weight for variant in experiment.variants])
    as_of = day - pd.Timedelta(days=1)
    columns = ["experiment_id", "metric_id", "batch_date", "variant_id", "n_units", "mean", "variance"]
    known = pd.DataFrame(batches, columns=columns)
    known = known[known["batch_date"] < as_of].assign(as_of_date=as_of)
    asked = pd.DataFrame({"as_of_date": [as_of], "experiment_id": [experiment.id]})
    found = bandit_allocations(known, {experiment.id: experiment}, config.metrics, NOTHING_BLOCKED, asked)
    return found.set_index("variant_id")["share"].reindex(ids).to_numpy()


def _batch_rows(experiment: Experiment, day: pd.Timestamp, ids: list[str], arm: np.ndarray, bought: np.ndarray) -> list:
    rows = []
    for position, id_ in enumerate(ids):
        own = bought[arm == position].astype(float)
        if own.size:
            variance = own.var(ddof=1) if own.size > 1 else np.nan
            rows.append((experiment.id, "conversion", day, id_, own.size, own.mean(), variance))
    return rows


def _write_day(
    folder: Path,
    experiment_id: str,
    day: pd.Timestamp,
    variants: np.ndarray,
    bought: np.ndarray,
    rng: np.random.Generator,
    number: int,
) -> None:
    users = np.array([f"u{number}_{unit}" for unit in range(len(variants))], dtype=object)
    at = day + pd.to_timedelta(8 * 3600 + np.sort(rng.integers(0, 12 * 3600, len(variants))), unit="s")
    at = pd.Series(at).dt.tz_localize("UTC")
    exposures = pd.DataFrame({"user_id": users, "experiment": experiment_id, "variant": variants, "ts": at})
    exposures = exposures.assign(chance=pd.Series(dtype="str"))
    visits = pd.DataFrame({"user_id": users, "name": "visit", "ts": at + pd.Timedelta(seconds=1)})
    orders = pd.DataFrame({"user_id": users[bought], "name": "purchase", "ts": at[bought] + pd.Timedelta(hours=1)})
    events = pd.concat([visits, orders], ignore_index=True)
    events.insert(0, "order_id", [f"{number}_{row}" for row in range(len(events))])
    for name, frame in (("exposures", exposures), ("orders", events)):
        path = folder / name / f"{day:%Y-%m-%d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path, index=False)


def add_logged_chances(
    folder: Path, experiment: Experiment, chances: dict[str, float], true_means: dict[str, float], units: int, seed: int
) -> pd.DataFrame:
    """Add units that were split by these chances whatever was published, log them, and may buy: all of them.

    The first unit of all logs a chance that cannot be.
    """
    rng, ids = np.random.default_rng(seed), list(chances)
    parts = []
    for day in pd.date_range(experiment.start, experiment.end, freq="D"):
        arm = rng.choice(len(ids), units, p=list(chances.values()))
        own = pd.DataFrame(
            {
                "user_id": [f"{experiment.id}_{day:%d}_{unit}" for unit in range(units)],
                "variant": np.array(ids, dtype=object)[arm],
                "ts": pd.Series(day + pd.to_timedelta(rng.integers(8 * 3600, 20 * 3600, units), unit="s")),
                "bought": rng.random(units) < np.array([true_means[id_] for id_ in ids])[arm],
            }
        )
        own = own.assign(ts=own["ts"].dt.tz_localize("UTC"), chance=own["variant"].map(chances).astype("str"))
        if not parts:
            own.loc[0, "chance"] = "0"
        parts.append(own)
        exposures = own[["user_id", "variant", "ts", "chance"]].assign(experiment=experiment.id)
        visits = own[["user_id", "ts"]].assign(name="visit", ts=own["ts"] + pd.Timedelta(seconds=1))
        bought = own.loc[own["bought"], ["user_id", "ts"]].assign(name="purchase")
        orders = pd.concat([visits, bought.assign(ts=bought["ts"] + pd.Timedelta(minutes=1))])
        orders = orders.assign(order_id=[f"{experiment.id} {day:%d} {row}" for row in range(len(orders))])
        for name, frame in (("exposures", exposures), ("orders", orders)):
            path = folder / name / f"{day:%Y-%m-%d}.parquet"
            pd.concat([pd.read_parquet(path), frame], ignore_index=True).to_parquet(path, index=False)
    return pd.concat(parts, ignore_index=True)
