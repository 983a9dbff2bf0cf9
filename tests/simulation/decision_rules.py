"""Whole decisions: how often a rule ships or rolls back wrongly, and whether it ships what the plan promised.

Estimates of the metrics are normal and correlate, as do those of treatments with a shared baseline. True effects are
in standard errors of the final estimate.
"""

from collections.abc import Iterator, Mapping, Sequence

from scipy.special import ndtri

from analysis.decisions import RULES
from configs.schema import Experiment
from tests.analysis.decisions.examples import make_experiment
from tests.simulation.deciding import MARGIN, N_END, recommendations
from tests.simulation.processes import Generator
from tests.simulation.study import Study
from tests.simulation.table import Figure, Kind, figure

TOPIC = "Decisions"
CORRELATIONS = (0.0, 0.5, 0.9)
ALPHA, POWER, DETERIORATION = 0.05, 0.8, 0.025
LOOKS = 14
SURE = 8.0
SE = 0.1
# With this standard error harm at the margin is seldom found, so that the margin's own test decides.
WIDE_SE = 0.25


def _study(process: str, correlation: float, figures: Sequence[tuple[str, "_Question"]]) -> Study:
    def asked(rng: Generator, runs: int) -> Iterator[Figure]:
        for name, question in figures:
            yield question.figure(name, rng, runs, correlation)

    return Study(TOPIC, f"{process}; correlation {correlation:g}", f"{N_END:,} / {N_END:,}", asked)


class _Question:
    """How often experiments like `subject` end in `recommendation`, beside the promised rate."""

    def __init__(
        self, subject: Experiment, true_z: Mapping[str, float], promised: float, *, se: float = SE, looks: int = 1,
        recommendation: str = "ship", kind: Kind = Kind.AT_MOST,
    ) -> None:  # fmt: skip
        self._subject, self._true_z, self._promised = subject, true_z, promised
        self._se, self._looks, self._recommendation, self._kind = se, looks, recommendation, kind

    def figure(self, name: str, rng: Generator, runs: int, correlation: float) -> Figure:
        found = recommendations(
            self._subject, self._true_z, self._se, rng, runs=runs, looks=self._looks, correlation=correlation
        )
        verb = {"ship": "ships", "rollback": "rolls back"}[self._recommendation]
        said = f"{verb} ({'at least' if self._kind is Kind.AT_LEAST else 'at most'} {self._promised:g} promised)"
        return figure(name, said, (found == self._recommendation).to_numpy(), self._promised, self._kind)


def without_effect(correlation: float) -> Study:
    """Half of two-sided alpha ships; a Bayesian goal's threshold of .95 errs with .05."""
    subject = {"primary": ["conversion", "revenue"], "treatments": ["b", "c"]}
    nothing = {"conversion": 0.0, "revenue": 0.0}
    return _study(
        "no effect, 2 goals × 2 treatments",
        correlation,
        [
            ("risk_aware, fixed", _Question(make_experiment(**subject), nothing, ALPHA / 2)),
            ("risk_aware, Bayesian", _Question(make_experiment(**subject, method="bayesian"), nothing, ALPHA)),
        ],
    )


def one_goal_unmoved(correlation: float) -> Study:
    """`clear_signals` needs every goal; half of two-sided alpha a treatment, however sure the other goal."""
    figures = []
    for treatments in (["b"], ["b", "c"]):
        subject = make_experiment(primary=["conversion", "revenue"], treatments=treatments, rule="clear_signals")
        question = _Question(subject, {"conversion": SURE, "revenue": 0.0}, ALPHA / 2 * len(treatments))
        figures.append((f"clear_signals, treatments: {len(treatments)}", question))
    return _study("one goal surely better, the other unmoved", correlation, figures)


def goal_at_its_margin(correlation: float) -> Study:
    """`do_no_harm` with one goal as bad as its margin allows."""
    subject = make_experiment(primary=["conversion", "revenue"], rule="do_no_harm")
    at_margin = {"conversion": 0.0, "revenue": -MARGIN / WIDE_SE}
    question = _Question(subject, at_margin, ALPHA, se=WIDE_SE)
    return _study("one goal at its margin, the other unmoved", correlation, [("do_no_harm", question)])


def guardrail_at_its_margin(correlation: float) -> Study:
    """A sure win with a guardrail as bad as its margin allows, under every rule."""
    true = {"conversion": SURE, "visits": -MARGIN / SE, "revenue": 0.0}
    subjects = {rule: make_experiment(guardrail=["visits", "revenue"], rule=rule) for rule in RULES}
    figures = [(rule, _Question(subject, true, ALPHA)) for rule, subject in subjects.items()]
    return _study("a goal surely better, a guardrail at its margin", correlation, figures)


def planned_effect(correlation: float) -> Study:
    """Every test at its planned power, guardrails and deterioration tests at the end, the monitor on 14 days."""
    figures = []
    for rule, planned in RULES.items():
        primary = ["conversion"] if rule == "risk_aware" else ["conversion", "tickets"]
        subject = make_experiment(primary=primary, guardrail=["visits", "revenue"], secondary=["latency"], rule=rule)
        power = planned.power(subject)
        z_margin, z_goal = ndtri(1 - ALPHA) + ndtri(power), ndtri(1 - ALPHA / 2) + ndtri(power)
        goal = 0.0 if rule == "do_no_harm" else float(z_goal)
        true = {"conversion": goal, "tickets": -goal, "visits": 0.0, "revenue": 0.0, "latency": 0.0}
        question = _Question(subject, true, POWER, se=float(MARGIN / z_margin), looks=LOOKS, kind=Kind.AT_LEAST)
        figures.append((rule, question))
    return _study("the planned effect, 2 guardrails, 1 secondary, 14 looks", correlation, figures)


def harmless(correlation: float) -> Study:
    """Deterioration at the end and the monitor on 14 days may each err."""
    subject = make_experiment(secondary=["visits", "latency"], guardrail=["revenue"], treatments=["b", "c"])
    question = _Question(
        subject, dict.fromkeys(subject.metrics.roles, 0.0), 2 * DETERIORATION, looks=LOOKS, recommendation="rollback"
    )
    return _study("no effect, 4 metrics × 2 treatments, 14 looks", correlation, [("risk_aware", question)])


STUDIES = tuple(
    scenario(correlation)
    for scenario in (
        without_effect, one_goal_unmoved, goal_at_its_margin, guardrail_at_its_margin, planned_effect, harmless,
    )
    for correlation in CORRELATIONS
)  # fmt: skip
