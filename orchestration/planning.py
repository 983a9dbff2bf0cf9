"""Which as-of dates a run builds for which experiment: from what the lake holds and what was built before."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from analysis.periods import analysis_end
from configs.schema import Config, Experiment

DAY = timedelta(days=1)

PartitionHashes = Mapping[tuple[str, date], str]


@dataclass(frozen=True)
class BuiltExperiment:
    """What the warehouse holds of an experiment."""

    config_hash: str
    built_through: date


@dataclass(frozen=True)
class PlannedBuild:
    """As-of dates `from_date … to_date` of one experiment.

    `is_rebuild`: nothing of an earlier build is kept. `base_date`: the unit snapshot to start from, if one is there.
    `latest_date`: the last as-of date the experiment will have, the one whose segments are kept.
    `changes_through`: through it sums are those of the date before and what changed; later ones are summed anew.
    """

    experiment_id: str
    from_date: date
    to_date: date
    latest_date: date
    is_rebuild: bool
    base_date: date | None = None
    changes_through: date | None = None


def exposure_source_of(config: Config, experiment: Experiment) -> str:
    """The experiment's exposure source; the only one when it names none."""
    return experiment.exposure_source or config.sources.exposures[0].id


def sources_of(config: Config, experiment: Experiment) -> set[str]:
    """Ids of every source the experiment reads."""
    metrics = (config.metrics[metric_id] for metric_id in experiment.metric_ids)
    events = {component.source for metric in metrics for component in metric.read_components}
    if experiment.is_quasi:
        return events
    own = {exposure_source_of(config, experiment)} | ({experiment.trigger.source} if experiment.trigger else set())
    return events | own


def first_log_date(config: Config, experiment: Experiment) -> date:
    """The first log date that can change one of the experiment's numbers: its covariates and holdouts look back."""
    lookbacks = (config.metrics[metric_id].covariate for metric_id in experiment.metrics.roles)
    longest = max((covariate.lookback_days for covariate in lookbacks if covariate), default=0)
    return min([experiment.start - timedelta(days=longest), *(held.since for held in experiment.held_out)]) - DAY


def plan_builds(
    config: Config,
    requested: tuple[date, date],
    *,
    config_hashes: Mapping[str, str],
    built: Mapping[str, BuiltExperiment],
    published_through: Mapping[str, date],
    lake_hashes: PartitionHashes,
    built_hashes: PartitionHashes,
) -> list[PlannedBuild]:
    """What to build so that every analysed experiment is right through the requested log dates.

    An experiment is built from the earliest of: the first requested day, the day after its last built one, its first
    changed or new partition; from its start when its configuration changed. It is built through the latest of the
    last requested day, its last built one and its last published one: a correction reaches every published as-of date
    after it, and a warehouse that is built anew, for whatever day, has all that was published.
    """
    partitions = {*lake_hashes, *built_hashes}
    changed = [key for key in partitions if lake_hashes.get(key) != built_hashes.get(key)]
    plans, as_they_are = [], {}
    for experiment in config.experiments.values():
        if not experiment.is_analysed:
            continue
        known = built.get(experiment.id)
        shown = [published_through[experiment.id]] if experiment.id in published_through else []
        through = max([requested[1], *shown, *([known.built_through] if known else [])])
        plan = _plan_experiment(
            config, experiment, (requested[0], through), config_hashes[experiment.id], known, changed
        )
        if plan is not None:
            plans.append(plan)
        elif experiment.follows_units:
            as_they_are[experiment.id] = min(analysis_end(experiment, config.metrics), through)
    if plans and config.project.overlaps is not None:
        plans += _of_newest_date(plans, as_they_are)
    return sorted(plans, key=lambda plan: plan.experiment_id)


def _of_newest_date(plans: Collection[PlannedBuild], as_they_are: Mapping[str, date]) -> list[PlannedBuild]:
    """Unchanged experiments whose last results are of the newest date of all: of it once more.

    The table of overlapping pairs is of that date alone and made anew by every run, from what the run builds.
    """
    newest = max([*as_they_are.values(), *(plan.to_date for plan in plans)])
    return [PlannedBuild(id_, newest, newest, newest, False) for id_, day in as_they_are.items() if day == newest]


def _plan_experiment(
    config: Config,
    experiment: Experiment,
    span: tuple[date, date],
    config_hash: str,
    built: BuiltExperiment | None,
    changed: Iterable[tuple[str, date]],
) -> PlannedBuild | None:
    first_requested, through = span
    is_rebuild = built is None or built.config_hash != config_hash
    to_date = min(analysis_end(experiment, config.metrics), through)
    if is_rebuild or built is None:
        from_date = experiment.start
    else:
        sources, first = sources_of(config, experiment), first_log_date(config, experiment)
        starts = [first_requested, built.built_through + DAY]
        starts += [log_date for source, log_date in changed if source in sources and log_date >= first]
        from_date = max(experiment.start, min(starts))
    if from_date > to_date:
        return None
    return PlannedBuild(experiment.id, from_date, to_date, to_date, is_rebuild)


def still_due(config: Config, plans: Iterable[PlannedBuild]) -> list[PlannedBuild]:
    """What a run planned and did not live to finish, cut to what the configuration analyses today."""
    due = []
    for plan in plans:
        experiment = config.experiments.get(plan.experiment_id)
        if experiment is None or not experiment.is_analysed:
            continue
        first = max(plan.from_date, experiment.start)
        last = min(plan.to_date, analysis_end(experiment, config.metrics))
        if first <= last:
            due.append(replace(plan, from_date=first, to_date=last, latest_date=last))
    return due


def merged_plans(plans: Iterable[PlannedBuild], others: Iterable[PlannedBuild]) -> list[PlannedBuild]:
    """One plan for each experiment, over what either list plans for it."""
    merged: dict[str, PlannedBuild] = {}
    for plan in (*plans, *others):
        known = merged.get(plan.experiment_id, plan)
        merged[plan.experiment_id] = PlannedBuild(
            plan.experiment_id,
            from_date=min(known.from_date, plan.from_date),
            to_date=max(known.to_date, plan.to_date),
            latest_date=max(known.latest_date, plan.latest_date),
            is_rebuild=known.is_rebuild or plan.is_rebuild,
        )
    return [merged[experiment_id] for experiment_id in sorted(merged)]


def chunked(plans: list[PlannedBuild], days: int) -> Iterator[list[PlannedBuild]]:
    """Cut plans into consecutive spans of at most `days` as-of dates, oldest first.

    Raises ValueError when `days` is below 1.
    """
    if days < 1:
        raise ValueError(f"a chunk needs at least one day, not {days}")
    if not plans:
        return
    first, last = min(plan.from_date for plan in plans), max(plan.to_date for plan in plans)
    start = first
    while start <= last:
        end = min(last, start + (days - 1) * DAY)
        chunk = [
            replace(
                plan,
                from_date=max(plan.from_date, start),
                to_date=min(plan.to_date, end),
                is_rebuild=plan.is_rebuild and plan.from_date >= start,
            )
            for plan in plans
            if plan.from_date <= end and plan.to_date >= start
        ]
        if chunk:
            yield chunk
        start = end + DAY


def left_after(plans: Iterable[PlannedBuild], chunk: Iterable[PlannedBuild]) -> list[PlannedBuild]:
    """What is left of the plans once a chunk of them has been built; the chunk cleared what a rebuild clears."""
    built_through = {plan.experiment_id: plan.to_date for plan in chunk}
    left = []
    for plan in plans:
        built = built_through.get(plan.experiment_id)
        if built is None:
            left.append(plan)
        elif built < plan.to_date:
            left.append(replace(plan, from_date=built + DAY, is_rebuild=False))
    return left


def with_changes_through(chunk: list[PlannedBuild], read_by_unit: Collection[str]) -> list[PlannedBuild]:
    """Say of each plan through which date its sums follow from changes.

    Not so a single date, for which all units would change, nor the one whose segments or overlaps are kept, which are
    summed from the snapshot, and everyone from the segments.
    """
    return [
        replace(
            plan,
            changes_through=plan.to_date - DAY
            if plan.from_date == plan.to_date
            or (plan.to_date == plan.latest_date and plan.experiment_id in read_by_unit)
            else plan.to_date,
        )
        for plan in chunk
    ]


def with_base_dates(chunk: list[PlannedBuild], snapshots: Iterable[tuple[str, date]]) -> list[PlannedBuild]:
    """Start each plan from the latest snapshot before it that the warehouse has."""
    available = sorted(snapshots, key=lambda snapshot: snapshot[1])
    based = []
    for plan in chunk:
        earlier = [
            day for experiment_id, day in available if experiment_id == plan.experiment_id and day < plan.from_date
        ]
        based.append(plan if plan.is_rebuild or not earlier else replace(plan, base_date=earlier[-1]))
    return based
