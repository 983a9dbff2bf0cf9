"""The rows of `fct_group_days` as arrays: what was known of each group and day at an as-of date."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from analysis.quasi.study import Floats, Integers
from configs.quasi_schema import DifferenceInDifferences
from configs.schema import Experiment, Metric

MOST_CELLS = 400_000
"""Groups × days that a regression is asked of; more would keep the whole run waiting."""


class PanelTooLargeError(ValueError):
    """More groups and days than a quasi-experiment is computed of."""


@dataclass(frozen=True)
class Totals:
    """Groups × periods at one as-of date: units with any event, and the metric's totals in its unit."""

    groups: tuple[str, ...]
    n_units: Floats
    total: Floats
    denominator: Floats

    def values(self, metric: Metric, *, per_unit: bool) -> Floats:
        """A value of each cell, NaN where it has none: a ratio without denominator, a mean without units."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if metric.type == "ratio":
                return np.where(self.denominator != 0, self.total / self.denominator, np.nan)
            if per_unit:
                return np.where(self.n_units > 0, self.total / self.n_units, np.nan)
        return self.total

    def of_units(self, metric: Metric, periods: slice) -> Floats:
        """Each unit's value over some periods: 0 without events, of a proportion whether there was any."""
        total, denominator = self.total[:, periods].sum(axis=1), self.denominator[:, periods].sum(axis=1)
        if metric.type == "ratio":
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(denominator != 0, total / denominator, np.nan)
        return np.minimum(total, 1.0) if metric.type == "proportion" else total

    def is_seen(self, periods: slice) -> np.ndarray:
        """Groups with any event in some periods."""
        return self.n_units[:, periods].sum(axis=1) > 0


def totals(rows: pd.DataFrame, periods: Mapping[date, int], as_of: date) -> Totals:
    """Sum the rows of one metric that are known at an as-of date; groups in order of their names."""
    known = rows[rows["known_from"] <= pd.Timestamp(as_of)]
    groups, index = np.unique(known["group_value"].to_numpy(dtype=str), return_inverse=True)
    if len(groups) * len(periods) > MOST_CELLS:
        raise PanelTooLargeError(
            f"{len(groups)} groups × {len(periods)} days are more than the {MOST_CELLS} that are computed;"
            " name a property that groups them"
        )
    places = {pd.Timestamp(day): place for day, place in periods.items()}
    place = known["period_date"].map(places)
    is_inside = place.notna().to_numpy()
    cells = index[is_inside], place[is_inside].to_numpy(dtype=np.int64)
    summed = []
    for name, decimals in (("n_units", None), ("value_sum", "decimals"), ("denominator_sum", "denominator_decimals")):
        table = np.zeros((len(groups), len(periods)))
        np.add.at(table, cells, known[name].to_numpy(dtype=float)[is_inside])
        scale = 10.0 ** int(known[decimals].iloc[0]) if decimals and len(known) else 1.0
        summed.append(table / scale)
    return Totals(tuple(groups.tolist()), *summed)


@dataclass(frozen=True)
class GroupPanel:
    """Groups × days of a difference in differences, with each group's day of adoption, and what was left out."""

    value: Floats
    adoption: Integers
    note: str


def group_panel(found: Totals, experiment: Experiment, metric: Metric) -> GroupPanel:
    """The groups that can be compared: with events before the first adoption, and listed where groups are.

    Groups that come later would be there because of the change, or without days to compare.
    """
    design = experiment.design
    assert isinstance(design, DifferenceInDifferences)
    n_days = found.total.shape[1]
    dated = {group: (day - experiment.start).days for group, day in design.adoption.items()}
    is_wanted = np.array([not design.groups or name in design.groups for name in found.groups], dtype=bool)
    keep = is_wanted & found.is_seen(slice(0, min(dated.values())))
    notes = []
    if missing := sorted(set(dated) - {name for name, kept in zip(found.groups, keep, strict=True) if kept}):
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        notes.append(f"adopting groups without events before the first adoption: {shown}")
    if late := int((is_wanted & ~keep).sum()):
        notes.append(f"{late} groups left out that first appear after it")
    is_per_unit = design.outcome == "per_unit" and design.group is not None
    if design.group is None and metric.type == "proportion":
        value = np.minimum(found.total, 1.0)
    else:
        value = found.values(metric, per_unit=is_per_unit)
    adoption = np.array([dated.get(name, n_days) for name in found.groups], dtype=np.int64)
    return GroupPanel(value[keep], adoption[keep], "; ".join(notes))
