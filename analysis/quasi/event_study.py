"""The effect by days before and since adoption, by Sun and Abraham's interaction-weighted estimator."""

import numpy as np
import pandas as pd

from analysis.quasi.pyfixest_models import within
from analysis.quasi.staggered import Staggered, smaller_side_df
from analysis.quasi.study import LEVEL, Check, Estimate, tested, two_sided, unjudged

LEADS = "leads"


def event_study(panel: Staggered, days: int) -> tuple[Estimate, ...]:
    """An estimate for every `days` days since adoption, against the last `days` before it.

    Every cohort has its own effect in each; they are averaged by their rows, so that cohorts with different effects
    do not contaminate each other's leads and lags. Reference: Sun & Abraham 2021, Journal of Econometrics 225.
    """
    rows = panel.shown()
    is_adopter = rows["cohort"] > 0
    bins = (rows["since"] // days).where(is_adopter, -1).astype(int)
    cells = [f"c{cohort}b{number}" for cohort, number in zip(rows["cohort"], bins, strict=True)]
    cells = pd.Series(cells, index=rows.index).where(is_adopter & (bins != -1))
    names = {cell: f"cell_{number}" for number, cell in enumerate(sorted(cells.dropna().unique()))}
    if not names:
        return ()
    dummies = pd.DataFrame({name: (cells == cell).astype(float) for cell, name in names.items()})
    fit = within(pd.concat([rows, dummies], axis=1), list(names.values()))
    position = {name: index for index, name in enumerate(fit.names)}
    found = []
    for number in sorted(set(bins[is_adopter]) - {-1}):
        is_here = is_adopter & (bins == number)
        counts = cells[is_here].value_counts().sort_index()
        known = [cell for cell in counts.index if names[cell] in position]  # others are collinear with days or groups
        if not known:
            continue
        weights = np.zeros(len(fit.names))
        weights[[position[names[cell]] for cell in known]] = (counts[known] / counts[known].sum()).to_numpy()
        found.append(
            Estimate(
                kind="event_study",
                days=_span(number, days, rows.loc[is_here, "since"]),
                method="sun_abraham",
                counted="groups",
                n_treatment=rows.loc[is_here, "unit"].nunique(),
                n_baseline=int((~panel.is_adopter).sum()),
                n_observations=int(is_here.sum()),
                effect=float(weights @ fit.effects),
                se=float(np.sqrt(weights @ fit.covariance @ weights)),
                df=smaller_side_df(rows.loc[is_here, "unit"].nunique(), int((~panel.is_adopter).sum())),
                treatment_mean=float(rows.loc[is_here, "y"].mean()),
            )
        )
    return tuple(found)


def _span(number: int, days: int, since: pd.Series) -> str:
    first, last = max(number * days, int(since.min())), min((number + 1) * days - 1, int(since.max()))
    return f"{first} to {last}" if first != last else f"{first}"


def leads_check(estimates: tuple[Estimate, ...]) -> Check:
    """Whether any point of the event study before adoption differs from zero, by Bonferroni over them."""
    leads = [one for one in estimates if one.days.startswith("-")]
    p_values = [two_sided(one.effect, one.se, one.df) for one in leads]
    if not leads or np.isnan(p_values).all():
        return unjudged(LEADS, "the days before adoption are no more than one point of the event study")
    p_value = min(1.0, float(np.nanmin(p_values)) * len(leads))
    worst = leads[int(np.nanargmin(p_values))]
    said = "no" if p_value >= LEVEL else "a"
    return tested(
        LEADS,
        worst.effect,
        p_value,
        f"{said} difference before adoption: of {len(leads)} points the farthest from zero is"
        f" {worst.effect:+.4g} at {worst.days} days (p {p_value:.2g} over all)",
    )
