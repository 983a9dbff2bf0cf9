"""Post-stratified comparisons: the moments of both arms within strata, and what their rows say of strata."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.epochs import ENOUGH, counted_epochs
from analysis.statistics.post_stratification import SMALLEST, small_strata
from analysis.statistics.registry import BY_EPOCH, STRATIFIED, STRATUM_MOMENTS, Columns
from analysis.statistics.status import Floats

GROUP = ["as_of_date", "experiment_id", "metric_id"]
OF_SEGMENT = "unadjusted: strata are of the whole population"
NO_STRATA = (
    "unadjusted: the moments within strata are missing, or not of the same units; build fct_stratum_moments again"
)
OF_SEGMENT_BY_EPOCH = "the allocation changed, and moments by epoch are kept of the whole population alone"
NO_EPOCHS = (
    "the allocation changed, and the moments by epoch are missing, or not of the same units: run its dates again"
)
OTHER = "other"
NAMED = 3


@dataclass(frozen=True)
class Strata:
    """Moments of arms within strata, and where to find those of each comparison.

    `tables` (arms + 1, strata) by moment, the last without units; `arm` the position of each row's two arms in
    them. `group` is the position of each row's strata in `names` and `cells` (groups + 1, strata): how each is
    called, and how many combinations of values it stands for.
    """

    tables: dict[str, Floats]
    arm: tuple[NDArray[np.intp], NDArray[np.intp]]
    group: NDArray[np.intp]
    names: NDArray
    cells: Floats

    def columns(self, index: NDArray[np.intp]) -> tuple[Columns, Columns]:
        """The `stratum_` columns of some rows' arms."""
        baseline, treatment = (
            {f"stratum_{name}": table[arm[index]] for name, table in self.tables.items()} for arm in self.arm
        )
        return baseline, treatment

    def without(self, unusable: NDArray[np.bool_]) -> "Strata":
        """The same, but nothing of rows that must not be computed."""
        nowhere = len(self.tables["n_units"]) - 1
        baseline, treatment = (np.where(unusable, nowhere, arm) for arm in self.arm)
        return replace(self, arm=(baseline, treatment))

    def are_of(self, n: tuple[Floats, Floats]) -> NDArray[np.bool_]:
        """Whether each row's strata hold so many units in both arms."""
        found = self.tables["n_units"].sum(axis=1)
        return np.asarray(np.logical_and.reduce([found[arm] == units for arm, units in zip(self.arm, n, strict=True)]))


def strata_of(rows: pd.DataFrame, moments: pd.DataFrame | None) -> Strata:
    """The strata of every row that post-stratification is asked for; the others have none.

    `moments` is fct_stratum_moments.
    """
    asked = _is_stratified(rows)
    if moments is None or moments.empty or not asked.any():
        return _no_strata(len(rows))
    wanted = pd.MultiIndex.from_frame(rows.loc[asked, GROUP].drop_duplicates())
    typed = moments.astype(dict.fromkeys((*GROUP[1:], "variant_id", "stratum"), "str"))
    typed["as_of_date"] = pd.to_datetime(typed["as_of_date"]).astype("datetime64[us]")
    group = wanted.get_indexer(pd.MultiIndex.from_frame(typed[GROUP]))
    typed = typed.assign(group=group)[group >= 0].sort_values(["group", "stratum"], kind="stable")
    is_new = typed["stratum"].ne(typed["stratum"].shift()) | typed["group"].ne(typed["group"].shift())
    place = (is_new.groupby(typed["group"]).cumsum() - 1).to_numpy(dtype=np.intp)
    arm, arms = pd.MultiIndex.from_frame(typed[["group", "variant_id"]]).factorize()
    width = int(place.max(initial=0)) + 1
    tables = {}
    for name in STRATUM_MOMENTS:
        table = np.full((len(arms) + 1, width), 0.0 if name == "n_units" else np.nan)
        table[arm, place] = typed[name].to_numpy(dtype=float, na_value=np.nan)
        tables[name] = table
    names, cells = np.full((len(wanted) + 1, width), "", dtype=object), np.zeros((len(wanted) + 1, width))
    names[typed["group"], place], cells[typed["group"], place] = typed["stratum"], typed["n_cells"]
    group_of_row = np.where(asked, wanted.get_indexer(pd.MultiIndex.from_frame(rows[GROUP])), len(wanted))
    positions = []
    for variant in ("baseline_id", "variant_id"):
        keys = pd.MultiIndex.from_arrays([group_of_row, rows[variant]], names=arms.names)
        found = arms.get_indexer(keys)
        positions.append(np.where(found >= 0, found, len(arms)))
    return Strata(tables, (positions[0], positions[1]), group_of_row, names, cells)


def with_strata(rows: pd.DataFrame, strata: Strata, n: tuple[Floats, Floats]) -> pd.DataFrame:
    """The rows with `is_adjusted` off and the reason where strata cannot be used, and `strata_reason` about the others.

    `n` are the units of the baselines and treatments. A metric's covariate plays no part in these rows. Where strata
    are epochs, pooled arms would mislead: `unpooled` says why there is no estimate.
    """
    asked, whole = _is_stratified(rows), (rows["segment_name"] == "all").to_numpy()
    lacking = asked & whole & ~strata.are_of(n) & (np.minimum(*n) >= 1)
    usable = asked & whole & ~lacking
    by_epoch = asked & rows["adjusted_estimator"].isin(BY_EPOCH).to_numpy()
    unpooled = np.select([by_epoch & ~whole, by_epoch & lacking], [OF_SEGMENT_BY_EPOCH, NO_EPOCHS], "")
    about = np.full(len(rows), "", dtype=object)
    about[asked & ~whole] = OF_SEGMENT
    about[usable & ~by_epoch] = _about_strata(strata, np.flatnonzero(usable & ~by_epoch))
    about[usable & by_epoch] = _about_epochs(strata, np.flatnonzero(usable & by_epoch))
    reason = rows["covariate_reason"].mask(asked).mask(lacking, NO_STRATA)
    return rows.assign(
        is_adjusted=rows["is_adjusted"] & (~asked | whole),
        covariate_reason=reason,
        strata_reason=about,
        unpooled=unpooled.astype(object),
    )


def _is_stratified(rows: pd.DataFrame) -> NDArray[np.bool_]:
    return (rows["is_adjusted"] & rows["adjusted_estimator"].isin(STRATIFIED)).to_numpy(dtype=bool)


def _about_strata(strata: Strata, index: NDArray[np.intp]) -> list[str]:
    """Which strata were merged, in words; "" where none was."""
    n_b, n_t = (strata.tables["n_units"][arm[index]] for arm in strata.arm)
    small = small_strata(n_b, n_t)
    present = (n_b + n_t > 0).sum(axis=1)
    found = []
    for number, group in enumerate(strata.group[index]):
        parts = []
        merged = strata.names[group][small[number]]
        if len(merged) > 1:
            more = f" and {len(merged) - NAMED} more" if len(merged) > NAMED else ""
            parts.append(
                f"{len(merged)} of {present[number]} strata merged, for some expect fewer than {SMALLEST} units in an"
                f" arm: {'; '.join(merged[:NAMED])}{more}"
            )
        others = strata.cells[group][strata.names[group] == OTHER]
        if others.any():
            parts.append(f"the {others[0]:.0f} smallest strata count as one, {OTHER}")
        found.append("; ".join(parts))
    return found


def _about_epochs(strata: Strata, index: NDArray[np.intp]) -> list[str]:
    """Which epochs with units are left out, in words; "" where none is."""
    n_b, n_t = (strata.tables["n_units"][arm[index]] for arm in strata.arm)
    left_out = (n_b + n_t > 0) & ~counted_epochs(n_b, n_t)
    return [
        f"{', '.join(strata.names[group][out])} left out, with fewer than {ENOUGH} units in an arm" if out.any() else ""
        for group, out in zip(strata.group[index], left_out, strict=True)
    ]


def _no_strata(n_rows: int) -> Strata:
    nowhere = np.zeros(n_rows, dtype=np.intp)
    tables = {name: np.full((1, 1), 0.0 if name == "n_units" else np.nan) for name in STRATUM_MOMENTS}
    return Strata(tables, (nowhere, nowhere), nowhere, np.array([[""]], dtype=object), np.zeros((1, 1)))
