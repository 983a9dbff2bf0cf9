"""What fct_covariate_moments holds, in plain Python."""

from datetime import date
from fractions import Fraction
from typing import Any

from tests.end_to_end.reference_moments import Key, Reference, Value, capped, covariance, mean_of, overflows


def covariate_moments(reference: Reference, through: date) -> dict[Key, dict[str, Any]]:
    """The key of a group's moments, a further covariate and another variable to their covariance.

    `scale` is the product of the two standard deviations.
    """
    found: dict[Key, dict[str, Any]] = {}
    for experiment in reference.config.experiments.values():
        dates = reference.as_of_dates(experiment, through)
        metrics = [reference.config.metrics[id_] for id_ in experiment.metrics.roles]
        for as_of in dates:
            units = reference.units(experiment, as_of)
            for metric in (one for one in metrics if one.further_covariates):
                values = reference.values(metric, experiment, units, as_of)
                caps = reference.caps(metric, values)
                usable = [capped(value, caps) for value in values if not overflows(value)]
                ones = [10 ** reference.decimals(component) for component in metric.components]
                for segment, value_of in reference.groups(experiment, as_of, dates[-1]):
                    groups: dict[Key, list[Value]] = {}
                    for value in usable:
                        groups.setdefault((value.unit.first.variant, value_of(value.unit)), []).append(value)
                    for (variant, segment_value), mine in groups.items():
                        key = (as_of, experiment.id, variant, metric.id, segment, segment_value)
                        variables = _variables(mine, ones)
                        found |= {(*key, *pair): row for pair, row in _pairs(variables).items()}
    return found


def _variables(mine: list[Value], ones: list[int]) -> dict[str, list[Fraction]]:
    own = {
        "own value": [Fraction(value.numerator, ones[0]) for value in mine],
        "own covariate": [Fraction(value.covariate, ones[0]) for value in mine],
        "own no history": [Fraction(value.has_no_history) for value in mine],
    }
    if len(ones) > 1:
        own["own denominator"] = [Fraction(value.denominator, ones[1]) for value in mine]
    names = [name for name, _, _ in mine[0].further]
    return own | {name: [Fraction(*value.further[at][1:]) for value in mine] for at, name in enumerate(names)}


def _pairs(variables: dict[str, list[Fraction]]) -> dict[tuple[str, str], dict[str, Any]]:
    names = list(variables)
    variances = {name: float(covariance(values, values) or 0) for name, values in variables.items()}
    return {
        (name, other): {
            "n_units": len(variables[name]),
            "mean": mean_of(variables[name]),
            "covariance": covariance(variables[name], variables[other]),
            "scale": (variances[name] * variances[other]) ** 0.5,
        }
        for at, name in enumerate(names)
        if not name.startswith("own ")
        for other in names[: at + 1]
    }
