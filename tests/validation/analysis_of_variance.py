"""NIST's one-way analyses of variance through logs, lake and dbt: as tests/dbt/test_exact_sums.py does it."""

import tempfile
from fractions import Fraction
from pathlib import Path

from orchestration.workspace import Workspace
from tests.dbt import test_exact_sums as nist
from tests.end_to_end.pipeline import run, table
from tests.validation.figures import Figure, Section, read

_DIGITS = 9


def section() -> Section:
    """Mean square within treatments and F of every data set, from the published moments."""
    certified = read("nist_strd_anova")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        workspace = Workspace(root / "configs", root / "data", root / "state")
        nist.write_configs(workspace.configs)
        nist.write_logs(workspace.data)
        run(workspace, nist.DAY, nist.DAY)
        moments = table(workspace.state, "metric_moments")
    found = []
    for name in nist.DATA_SETS:
        arms, totals = nist.of_everyone(moments, name), nist.exact_totals(moments, name)
        n, total = sum(arm["n_units"] for arm in arms.values()), sum(totals.values())
        within = sum((arm["n_units"] - 1) * Fraction(arm["variance"]) for arm in arms.values()) / (n - len(arms))
        between = sum(totals[id_] ** 2 / arm["n_units"] for id_, arm in arms.items()) - total**2 / n
        ours = {"ms_within": within, "F": between / (len(arms) - 1) / within}
        theirs = certified["certified"][name]
        found += [
            Figure(f"{name}: {key}", float(value), float(theirs[key]), 10.0**-_DIGITS) for key, value in ours.items()
        ]
    return Section(
        "Exact sums: one-way analysis of variance",
        certified["source"],
        "the published moments of a run of the pipeline; variances as published, sums of squares between treatments "
        "from published totals",
        f"{_DIGITS} digits; reached are {min(figure.log_relative_error for figure in found):.0f} or more "
        "(log relative error, 15 at most)",
        tuple(found),
    )
