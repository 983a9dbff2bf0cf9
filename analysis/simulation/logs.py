"""The rows that a day's visits bring, before anything goes wrong on their way to the log."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.simulation.adoption import adoption_multiplier
from analysis.simulation.allocation import measure_multiplier, rate_multiplier
from analysis.simulation.behaviour import EventProcess
from analysis.simulation.population import text_column
from analysis.simulation.randomness import pick, stream, unit_mean_lognormal
from analysis.simulation.types import SECOND, BoolArray, FloatArray, IntArray
from analysis.simulation.world import World
from configs.schema import EventSource, ExposureSource

MEAN_DELAY = 180 * SECOND
"""From a visit to its events, and from these to those that follow them."""


@dataclass(frozen=True)
class FaultCount:
    """How many rows of a log date and source a fault met."""

    source_id: str
    fault: str
    rows: int
    experiment_id: str = ""


@dataclass(frozen=True)
class _Events:
    """Rows of one event; `visit` is the number of the visit within the day."""

    process: EventProcess
    visit: IntArray
    unit: IntArray
    instant: IntArray


def exposure_rows(world: World, source: ExposureSource, day: int) -> tuple[pd.DataFrame, list[FaultCount]]:
    """Exposures of one source on one day, columns named as in the source, and what arm faults did to them."""
    visits = world.visits.of_day(day)
    unit, at = world.visits.unit[visits], world.visits.instant[visits]
    frames, counts = [], []
    for allocation in world.allocations:
        experiment = allocation.experiment
        if (experiment.exposure_source or world.config.sources.exposures[0].id) != source.id:
            continue
        begins, stops = allocation.exposure_period
        exposed = (at >= begins) & (at < stops) & (allocation.first_exposed_at[unit] <= at)
        lost = exposed & allocation.is_lost[unit]
        seen = exposed & ~lost
        units, times = unit[seen], at[seen]
        arm = allocation.arm_at(units, times)
        frames.append(
            pd.DataFrame(
                {
                    source.columns.unit_id: world.population.id_column(units),
                    source.columns.experiment_id: experiment.id,
                    source.columns.variant_id: text_column([v.id for v in experiment.variants], arm),
                    source.columns.exposed_at: times,
                }
                | {name: world.population.attribute_column(name, units) for name in source.attributes}
            )
        )
        counts.append(FaultCount(source.id, "lost_exposure", int(lost.sum()), experiment.id))
        counts.append(FaultCount(source.id, "mixed_exposure", allocation.mixed(units, arm), experiment.id))
    columns = source.columns
    texts = [columns.unit_id, columns.experiment_id, columns.variant_id, *source.attributes]
    return _typed(frames, columns.exposed_at, texts), counts


def event_rows(world: World, source: EventSource, day: int) -> tuple[pd.DataFrame, list[FaultCount]]:
    """Events of one source on one day, columns named as in the source, and how many came from bots or were lost."""
    events = _draw_events(world, source.id, day)
    losses = [_lost_events(world, rows) for rows in events]
    frames = []
    for rows, lost in zip(events, losses, strict=True):
        is_logged = np.ones(len(rows.unit), dtype=bool)
        for of_experiment in lost.values():
            is_logged &= ~of_experiment
        frames.append(_event_frame(world, source, rows, day)[is_logged])
    columns = source.columns
    texts = [columns.unit_id, columns.event_name, *source.properties]
    frame = _typed(frames, columns.occurred_at, texts, [m.column for m in source.measures.values()])
    if columns.event_id is not None:
        prefix = f"{source.id}-{world.calendar.date_of(day):%Y%m%d}-"
        frame.insert(0, columns.event_id, prefix + pd.Series(np.arange(len(frame))).astype("str"))
    from_bots = sum(int(world.population.is_bot[rows.unit].sum()) for rows in events)
    counts = [FaultCount(source.id, "bot_event", from_bots)]
    for experiment_id in sorted({id_ for lost in losses for id_ in lost}):
        n_lost = sum(int(lost[experiment_id].sum()) for lost in losses)
        counts.append(FaultCount(source.id, "lost_event", n_lost, experiment_id))
    return frame, counts


def _lost_events(world: World, rows: _Events) -> dict[str, BoolArray]:
    """Which rows each experiment with silent units loses."""
    return {
        allocation.experiment.id: allocation.is_silent[rows.unit]
        & (rows.instant >= allocation.first_exposed_at[rows.unit])
        for allocation in world.allocations
        if allocation.is_silent.any()
    }


def _draw_events(world: World, source_id: str, day: int) -> list[_Events]:
    visits = world.visits.of_day(day)
    unit, at = world.visits.unit[visits], world.visits.instant[visits]
    ends = world.calendar.instant(world.calendar.date_of(day + 1))
    drawn: dict[str, _Events] = {}
    for process in world.behaviour.processes:
        if process.source_id != source_id:
            continue
        rng = stream(world.population.seed, "events", day, source_id, process.name)
        if process.parent is None:
            origin = _Events(process, np.arange(len(unit)), unit, at)
        else:
            origin = drawn[process.parent.name]
        multiplier = rate_multiplier(world.allocations, process, unit, at)[origin.visit]
        mean = world.population.mean_count(process, origin.unit, multiplier)
        if process.parent is None:
            mean = np.where(world.population.is_bot[unit] & ~_bots_do(world, process), 0.0, mean)
        if process.model.probability is None:
            count = rng.poisson(mean)
        else:
            count = (rng.random(len(mean)) < mean).astype(np.int64)
        chosen = np.repeat(np.arange(len(count)), count)
        times = _after(rng, origin.instant[chosen], ends)
        drawn[process.name] = _Events(process, origin.visit[chosen], origin.unit[chosen], times)
    return list(drawn.values())


def _bots_do(world: World, process: EventProcess) -> bool:
    events = world.scenario.bots.events
    return not process.measures if events is None else process.name in events


def _after(rng: np.random.Generator, at: IntArray, ends: int) -> IntArray:
    """Some minutes later, always later and always the same local day."""
    remaining = np.maximum(ends - at - 2, 0) * rng.random(len(at))
    return at + 1 + np.minimum(rng.exponential(MEAN_DELAY, len(at)), remaining).astype(np.int64)


def _event_frame(world: World, source: EventSource, rows: _Events, day: int) -> pd.DataFrame:
    process = rows.process
    rng = stream(world.population.seed, "event values", day, source.id, process.name)
    data: dict[str, pd.Series | np.ndarray | str] = {
        source.columns.unit_id: world.population.id_column(rows.unit),
        source.columns.event_name: process.name,
        source.columns.occurred_at: rows.instant,
    }
    amounts = {
        name: _measure_values(world, rows, name, day, rng.standard_normal(len(rows.unit))) for name in process.measures
    }
    groups = {}
    for name, shares in process.properties.items():
        codes = pick(np.array(list(shares.values())), rng.random(len(rows.unit)))
        data[name] = text_column(list(shares), codes)
        groups[name] = np.array(list(shares))[codes]
    for name, values in amounts.items():
        changed = values * adoption_multiplier(world, process, name, day, groups, rows.unit)
        data[source.measures[name].column] = np.round(changed, source.measures[name].decimals)
    return pd.DataFrame(data)


def _measure_values(world: World, rows: _Events, measure: str, day: int, normals: FloatArray) -> FloatArray:
    visited_at = world.visits.instant[world.visits.of_day(day)][rows.visit]
    level = world.population.measure_level(rows.process, measure)[rows.unit]
    multiplier = measure_multiplier(world.allocations, rows.process, measure, rows.unit, visited_at)
    return level * multiplier * unit_mean_lognormal(normals, rows.process.measures[measure].sigma)


def _typed(frames: list[pd.DataFrame], time: str, texts: Sequence[str], numbers: Sequence[str] = ()) -> pd.DataFrame:
    """All frames' rows by time, every column present and typed even without rows; times are UTC, zoneless."""
    types = dict.fromkeys(texts, "str") | {time: "int64"} | dict.fromkeys(numbers, "float64")
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    frame = frame.reindex(columns=list(types)).astype(types)
    frame = frame.sort_values(time, kind="stable", ignore_index=True)
    frame[time] = frame[time].astype("datetime64[us]")
    return frame
