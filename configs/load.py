"""Read a folder of configuration: validate each file, cross-check, report every error at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from configs.alert_load import alert_problems
from configs.covariate_checks import check_listed_covariates
from configs.cross_checks import check_experiment, check_metric, check_metrics_exist, check_sources
from configs.holdout_checks import check_holdouts
from configs.problems import ConfigError, Problem
from configs.schema import Config, Experiment, Metric, Project, Sources
from configs.suite_load import suite_problems
from configs.supported import Finding, unsupported_in_experiment, unsupported_in_sources
from configs.validation import validate
from configs.yaml_document import Document, Location, read_document

__all__ = ["ConfigError", "Problem", "load_config", "load_config_tolerant", "load_static"]


def load_config(root: Path) -> Config:
    """The configuration in folder `root`; raises ConfigError with all errors of all files."""
    reading = _read(root)
    suites = suite_problems(root, reading.sources) if reading.sources is not None else []
    if problems := [*reading.problems, *alert_problems(root), *suites]:
        raise ConfigError(problems)
    return reading.config()


def load_config_tolerant(root: Path) -> tuple[Config, list[Problem], dict[str, str]]:
    """What is valid in folder `root`, so that one broken experiment or metric doesn't stop the others.

    Returns the valid part; every problem; and for each experiment left out, by its file's stem, the
    reason. An experiment that uses a broken metric is left out. Raises ConfigError when `project.yaml`,
    `sources.yaml` or the folder itself is broken.
    """
    reading = _read(root)
    if reading.project is None or reading.sources is None:
        raise ConfigError(reading.problems)
    return reading.config(), sorted(set(reading.problems)), reading.broken_experiments


def load_static(root: Path) -> tuple[Project, Sources]:
    """`project.yaml` and `sources.yaml` alone: what is fixed before a run starts.

    Raises ConfigError when one of the two is broken.
    """
    reading = _Reading(root)
    reading.read_static()
    if reading.project is None or reading.sources is None:
        raise ConfigError(reading.problems)
    return reading.project, reading.sources


def _read(root: Path) -> "_Reading":
    reading = _Reading(root)
    reading.read_static()
    if root.is_dir():
        reading.read_metrics()
        reading.read_experiments()
    return reading


@dataclass
class _Reading:
    """One pass over the folder: what is valid, what is broken, and why."""

    root: Path
    problems: list[Problem] = field(default_factory=list)
    project: Project | None = None
    sources: Sources | None = None
    metrics: dict[str, Metric] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    metric_lines: dict[str, str] = field(default_factory=dict)
    metric_places: dict[str, tuple[Document, Location]] = field(default_factory=dict)
    broken_metrics: dict[str, str] = field(default_factory=dict)
    nameless_metrics: list[Problem] = field(default_factory=list)
    broken_experiments: dict[str, str] = field(default_factory=dict)

    def config(self) -> Config:
        """The valid part as a Config; needs a valid project and sources."""
        assert self.project is not None and self.sources is not None
        return Config(
            project=self.project,
            sources=self.sources,
            metrics=dict(sorted(self.metrics.items())),
            experiments=self.experiments,
        )

    @property
    def known_metrics(self) -> set[str]:
        """Ids of the metrics read so far, valid or broken."""
        return {*self.metrics, *self.broken_metrics}

    def read_static(self) -> None:
        """`project.yaml` and `sources.yaml`."""
        if not self.root.is_dir():
            message = "no such folder; give the folder that holds project.yaml and sources.yaml"
            self.problems.append(Problem(str(self.root), 1, message))
            return
        document = read_document(self.root, "project.yaml")
        project, problems = _validated(document, Project)
        self.project = None if problems else project
        self.problems += problems

        document = read_document(self.root, "sources.yaml")
        sources, problems = _validated(document, Sources)
        if sources is not None:
            problems += _located(document, (*check_sources(sources), *unsupported_in_sources(sources)))
        self.sources = None if problems else sources
        self.problems += problems

    def read_metrics(self) -> None:
        """Every entry of `metrics/*.yaml`, each judged alone."""
        for file in self._yaml_files("metrics"):
            document = read_document(self.root, file)
            if not isinstance(document.data, list):
                problems = document.problems or [document.problem((), "expected a list of metrics: - id: …")]
                self.problems += problems
                self.nameless_metrics += problems
                continue
            for index in range(len(document.data)):
                self._read_metric(document, index)
        self._check_listed_covariates()

    def _check_listed_covariates(self) -> None:
        """Metrics listed as covariates are known once every file is read; a metric needs all that it lists."""
        for id_, metric in list(self.metrics.items()):
            document, at = self.metric_places[id_]
            found = check_listed_covariates(metric, self.metrics, self.known_metrics)
            problems = _located(document, found, at, f"metric {id_!r}")
            self.problems += problems
            if problems:
                self._break_metric(id_, _joined(problems))
        while broken := [
            (metric.id, listed)
            for metric in self.metrics.values()
            for listed in (metric.covariate.also if metric.covariate else ())
            if listed not in self.metrics
        ]:
            for id_, listed in broken:
                self._break_metric(id_, f"its covariate {listed!r} is broken: {self.broken_metrics[listed]}")

    def _break_metric(self, id_: str, reason: str) -> None:
        self.broken_metrics.setdefault(id_, reason)
        self.metrics.pop(id_, None)

    def _read_metric(self, document: Document, index: int) -> None:
        at: Location = (index,)
        id_ = _text(document.data[index], "id")
        subject = f"metric {id_!r}" if id_ else ""
        metric, problems = validate(Metric, document, at, subject)
        problems += _yaml_problems_of_entry(document, index)
        if metric is not None:
            found = list(check_metric(metric, self.sources)) if self.sources is not None else []
            problems += _located(document, found, at, subject)
        if id_ in self.metric_lines:
            message = f"duplicate metric id {id_!r}; first defined at {self.metric_lines[id_]}"
            problems.append(document.problem((*at, "id"), message))
        self.problems += problems
        if id_ is None:
            self.nameless_metrics += problems
            return
        self.metric_lines.setdefault(id_, f"{document.file}:{document.line((*at, 'id'))}")
        if problems:
            self._break_metric(id_, _joined(problems))
        elif metric is not None:
            self.metrics[id_] = metric
            self.metric_places[id_] = (document, at)

    def read_experiments(self) -> None:
        """Every `experiments/<id>.yaml`, against the metrics read before."""
        documents: dict[str, Document] = {}
        for file in self._yaml_files("experiments"):
            stem = Path(file).stem
            document = read_document(self.root, file)
            experiment, problems = _validated(document, Experiment)
            reasons: list[str] = []
            if experiment is not None:
                problems += _located(document, self._experiment_findings(experiment, stem))
                unknown, reasons = self._metric_problems(experiment, document)
                problems += unknown
            self.problems += problems
            if problems or reasons or experiment is None:
                self.broken_experiments[stem] = "; ".join([*map(str, sorted(set(problems))), *reasons])
            else:
                self.experiments[stem] = experiment

            if experiment is not None and experiment.holdouts:
                documents[stem] = document
        self._check_holdouts(documents)

    def _check_holdouts(self, documents: Mapping[str, Document]) -> None:
        """Holdouts are known once every file is read; an experiment whose holdout is broken cannot be analysed."""
        for stem, document in documents.items():
            experiment = self.experiments.get(stem)
            if experiment is None:
                continue
            problems = _located(document, check_holdouts(experiment, self.experiments, self.broken_experiments))
            reasons = [
                f"holdout {id_!r} is broken: {self.broken_experiments[id_]}"
                for id_ in experiment.holdouts
                if id_ in self.broken_experiments
            ]
            self.problems += problems
            if problems or reasons:
                self.broken_experiments[stem] = "; ".join([*map(str, sorted(set(problems))), *reasons])
                del self.experiments[stem]

    def _experiment_findings(self, experiment: Experiment, stem: str) -> Iterable[Finding]:
        if experiment.id != stem:
            yield ("id",), f"id {experiment.id!r} isn't the file's name; call the file {experiment.id}.yaml"
        yield from unsupported_in_experiment(experiment)
        yield from check_experiment(
            experiment,
            project=self.project,
            sources=self.sources,
            metrics=self.metrics,
            known_metrics=self.known_metrics,
        )

    def _metric_problems(self, experiment: Experiment, document: Document) -> tuple[list[Problem], list[str]]:
        """Problems of this file, and reasons that are reported as problems of a metrics file already."""
        reasons = [
            f"metric {id_!r} is broken: {self.broken_metrics[id_]}"
            for id_ in experiment.metric_ids
            if id_ in self.broken_metrics
        ]
        unknown = check_metrics_exist(experiment, self.known_metrics)
        if not self.nameless_metrics:
            return _located(document, (finding for _, finding in unknown)), reasons
        # Whether these metrics are missing or merely unreadable shows once the unreadable part is mended.
        where = _joined(self.nameless_metrics)
        return [], reasons + [f"metric {id_!r} was not found; unreadable: {where}" for id_, _ in unknown]

    def _yaml_files(self, folder: str) -> list[str]:
        """The folder's `*.yaml`, sorted; a YAML file that would go unread is a problem."""
        path = self.root / folder
        if not path.is_dir():
            message = f"no such folder in {self.root}; {folder} are read from {folder}/*.yaml"
            self.problems.append(Problem(folder, 1, message))
            return []
        files = []
        for found in sorted(path.rglob("*")):
            if found.suffix not in (".yaml", ".yml") or found.name.startswith("."):
                continue
            file = found.relative_to(self.root).as_posix()
            if found.parent == path and found.suffix == ".yaml":
                files.append(file)
            else:
                message = f"isn't read: only {folder}/<name>.yaml is; move or rename it"
                self.problems.append(Problem(file, 1, message))
        return files


def _validated(document: Document, model: Any) -> tuple[Any, list[Problem]]:
    """The whole document as a model, with the problems of its YAML and of its values."""
    if document.data is None:
        return None, list(document.problems)
    entity, problems = validate(model, document)
    return entity, [*document.problems, *problems]


def _located(document: Document, found: Iterable[Finding], at: Location = (), subject: str = "") -> list[Problem]:
    prefix = f"{subject}: " if subject else ""
    return [document.problem((*at, *location), prefix + message) for location, message in found]


def _yaml_problems_of_entry(document: Document, index: int) -> list[Problem]:
    """The YAML problems between the start of an entry of a list and the next one."""
    first = document.line((index,)) if index else 1
    after = document.lines.get((index + 1,))
    return [
        problem for problem in document.problems if first <= problem.line and (after is None or problem.line < after)
    ]


def _text(data: Any, key: str) -> str | None:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, str) else None


def _joined(problems: Iterable[Problem]) -> str:
    return "; ".join(map(str, sorted(set(problems))))
