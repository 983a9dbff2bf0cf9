"""The methods of inference by name: a new one is an entry here and nothing elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from analysis.statistics import methods, student_t
from analysis.statistics.binomial import share_level_p
from analysis.statistics.design import Design
from analysis.statistics.estimate import Arm, Contrast, Estimate
from analysis.statistics.fieller import FiellerSet, fieller
from analysis.statistics.score import score_interval, score_p
from analysis.statistics.status import Codes, Floats
from analysis.statistics.student_t import Interval


@dataclass(frozen=True)
class Inference:
    """How a contrast becomes p-values and intervals; chosen by an experiment's `analysis.method`.

    The first three agree at every level. The others are None where a method has no such thing: a pair of its
    own for the effect; an interval of the relative effect that weak baselines don't spoil; an exact
    one-sided test of a share against a level; `withheld(estimate, design)`, the status of what may
    not be tested yet; `details(estimate, design, sign)`, further columns of the scorecard; `futility(goal, design)`,
    whether a contrast that should be positive has become implausible.
    `holds_at_every_look`: p-values may be minimised and intervals intersected over as-of dates.
    """

    two_sided_p: Callable[[Contrast, Design], Floats]
    upper_tail_p: Callable[[Contrast, Design], Floats]
    interval: Callable[[Contrast, Design], Interval]
    effect_p: Callable[[Estimate], Floats] | None = None
    effect_interval: Callable[[Estimate, Floats], Interval] | None = None
    relative_interval: Callable[[Estimate, Floats], FiellerSet] | None = None
    share_level_p: Callable[[Arm, Floats, Floats], Floats] | None = None
    withheld: Callable[[Estimate, Design], Codes] | None = None
    details: Callable[[Estimate, Design, Floats], dict[str, Floats]] | None = None
    futility: Callable[[Contrast, Design], Floats] | None = None
    holds_at_every_look: bool = False

    def p_of_effect(self, estimate: Estimate, design: Design) -> Floats:
        """Two-sided p-value of no effect."""
        if self.effect_p is not None:
            return self.effect_p(estimate)
        return self.two_sided_p(estimate.difference, design)

    def tail_p_of_effect(self, estimate: Estimate, design: Design, sign: Floats) -> Floats:
        """One-sided p-value of "sign · effect is not positive"; agrees with the interval at twice its level."""
        if self.effect_p is not None:
            half = self.effect_p(estimate) / 2
            return np.where(sign * estimate.effect > 0, half, 1 - half)
        return self.upper_tail_p(estimate.plus_baseline(0.0, sign), design.about(sign))

    def interval_of_effect(self, estimate: Estimate, design: Design) -> Interval:
        """Interval of the effect that agrees with `p_of_effect`."""
        if self.effect_interval is not None:
            return self.effect_interval(estimate, design.alpha)
        return self.interval(estimate.difference, design)


FIXED = Inference(
    two_sided_p=lambda contrast, _: student_t.two_sided_p(contrast),
    upper_tail_p=lambda contrast, _: student_t.upper_tail_p(contrast),
    interval=lambda contrast, design: student_t.interval(contrast, design.alpha),
    relative_interval=fieller,
    share_level_p=share_level_p,
)

INFERENCES: dict[str, Inference] = {
    "fixed": FIXED,
    # Of shares, under method fixed and `proportion_interval: newcombe`.
    "newcombe": replace(FIXED, effect_p=score_p, effect_interval=score_interval),
    "always_valid": Inference(
        two_sided_p=methods.always_valid_p,
        upper_tail_p=methods.always_valid_tail_p,
        interval=methods.always_valid_interval,
        withheld=methods.burning_in,
        details=methods.always_valid_details,
        holds_at_every_look=True,
    ),
    "group_sequential": Inference(
        two_sided_p=methods.repeated_p,
        upper_tail_p=methods.repeated_tail_p,
        interval=methods.repeated_interval,
        withheld=methods.between_looks,
        details=methods.group_sequential_details,
        futility=methods.is_futile,
        holds_at_every_look=True,
    ),
    "bayesian": Inference(
        two_sided_p=methods.posterior_p,
        upper_tail_p=methods.posterior_tail_p,
        interval=methods.posterior_interval,
        share_level_p=methods.posterior_share_level_p,
        details=methods.bayesian_details,
    ),
}
