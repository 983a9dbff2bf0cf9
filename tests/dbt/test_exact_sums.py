"""NIST's one-way ANOVA data through logs, lake and dbt: the published moments keep the digits that doubles lose.

Every observation is a unit with one event, every treatment a variant, every data set an experiment. Data and certified
values: NIST StRD, Analysis of Variance (public domain), as shipped with scipy. SmLs04 to SmLs09 are the same numbers
plus a million, and plus 10^12. Digits are log relative errors, 15 at most.
"""

import math
from collections import defaultdict
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import scipy
import yaml

from configs.load import load_config
from orchestration.workspace import Workspace
from tests.end_to_end.pipeline import run, table

DAY = date(2026, 10, 1)
FOLDER = Path(scipy.__file__).parent / "stats" / "tests" / "data" / "nist_anova"
DECIMALS = {"SmLs": 1, "SiRstv": 4, "AtmWtAg": 7}
DATA_SETS = ["SiRstv", "AtmWtAg", *(f"SmLs0{number}" for number in range(1, 10))]
CERTIFIED = {
    "SiRstv": ("1.08318280000000E-02", "1.18046237440255E+00"),
    "AtmWtAg": ("2.28155932971014E-10", "1.59467335677930E+01"),
    **dict.fromkeys(["SmLs01", "SmLs04", "SmLs07"], ("1.00000000000000E-02", "2.10000000000000E+01")),
    **dict.fromkeys(["SmLs02", "SmLs05", "SmLs08"], ("1.00000000000000E-02", "2.01000000000000E+02")),
    **dict.fromkeys(["SmLs03", "SmLs06", "SmLs09"], ("1.00000000000000E-02", "2.00100000000000E+03")),
}
"""Mean square within treatments, and F."""

PARTS = 4
"""Published totals are doubles: of a quarter of SmLs09's units they are below 2^53 units of the last decimal."""


def decimals_of(name: str) -> int:
    return DECIMALS[name.rstrip("0123456789")]


def observations(name: str) -> list[tuple[str, str]]:
    """(treatment, response) as printed."""
    lines = (FOLDER / f"{name}.dat").read_text().splitlines()[60:]
    return [(treatment, response) for treatment, response in (line.split() for line in lines if line.strip())]


def digits(found: Fraction | float, certified: Fraction | str) -> float:
    error = abs(Fraction(found) - Fraction(certified)) / abs(Fraction(certified))
    return 15.0 if error == 0 else min(15.0, -math.log10(error))


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory) -> Workspace:
    root = tmp_path_factory.mktemp("nist")
    workspace = Workspace(root / "configs", root / "data", root / "state")
    write_configs(workspace.configs)
    load_config(workspace.configs)  # a wrong file here fails with its errors
    write_logs(workspace.data)
    run(workspace, DAY, DAY)
    return workspace


def write_configs(folder: Path) -> None:
    measures = {f"value_{n}": {"column": f"value_{n}", "decimals": n} for n in DECIMALS.values()}
    log = {"format": "parquet", "path": "{date}/exposures.parquet"}
    columns = {"unit_id": "unit", "experiment_id": "experiment", "variant_id": "treatment", "exposed_at": "at"}
    exposures = {"id": "exposures", **log, "columns": columns, "attributes": ["part"]}
    columns = {"event_id": "unit", "unit_id": "unit", "event_name": "experiment", "occurred_at": "at"}
    events = {"id": "responses", "format": "parquet", "path": "{date}/responses.parquet", "columns": columns}
    files = {
        "project": {"name": "laboratory", "history_start": f"{DAY}"},
        "sources": {"exposures": [exposures], "events": [events | {"measures": measures}]},
        "metrics/responses": [
            {"id": name.lower(), "type": "mean", "source": "responses", "event": name.lower(), "aggregate": "sum",
             "measure": f"value_{decimals_of(name)}"} for name in DATA_SETS
        ],
    }  # fmt: skip
    for name in DATA_SETS:
        treatments = sorted({treatment for treatment, _ in observations(name)})
        weights = [1 / len(treatments)] * len(treatments)
        files[f"experiments/{name.lower()}"] = {
            "id": name.lower(), "start": f"{DAY}", "end": f"{DAY}", "segments": ["part"],
            "variants": [{"id": id_, "weight": weight, "baseline": id_ == "1"}
                         for id_, weight in zip(treatments, weights, strict=True)],
            "metrics": {"primary": [name.lower()]}, "analysis": {"minimum_days": 1},
        }  # fmt: skip
    for name, content in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, default_flow_style=None))


def write_logs(folder: Path) -> None:
    rows = [
        (f"{name}-{number}", name.lower(), treatment, str(number % PARTS), response)
        for name in DATA_SETS
        for number, (treatment, response) in enumerate(observations(name))
    ]
    frame = pd.DataFrame(rows, columns=["unit", "experiment", "treatment", "part", "value"])
    decimals = frame["unit"].str.split("-").str[0].map(decimals_of)
    for value in DECIMALS.values():  # a value is refused where it has too many digits, so each has a column of its own
        frame[f"value_{value}"] = frame["value"].where(decimals == value, None)
    (folder / f"{DAY}").mkdir(parents=True)
    for name, minute in (("exposures", 0), ("responses", 1)):
        at = datetime(DAY.year, DAY.month, DAY.day, 12) + timedelta(minutes=minute)
        frame.assign(at=at).to_parquet(folder / f"{DAY}" / f"{name}.parquet")


@pytest.fixture(scope="module")
def moments(laboratory) -> pd.DataFrame:
    return table(laboratory.state, "metric_moments")


def of_everyone(moments: pd.DataFrame, name: str) -> dict[str, dict]:
    """Each treatment's published row."""
    rows = moments[(moments["metric_id"] == name.lower()) & (moments["segment_name"] == "all")]
    return {row["variant_id"]: row for row in rows.to_dict("records")}


def exact_totals(moments: pd.DataFrame, name: str) -> dict[str, Fraction]:
    """Each treatment's total: that of its parts, whose doubles name the exact decimals."""
    rows = moments[(moments["metric_id"] == name.lower()) & (moments["segment_name"] == "part")]
    unit, totals = 10 ** decimals_of(name), defaultdict(Fraction)
    for variant, total in zip(rows["variant_id"], rows["total"], strict=True):
        quantised = round(total * unit)
        assert abs(quantised) < 2**53
        totals[variant] += Fraction(quantised, unit)
    return totals


@pytest.mark.parametrize("name", DATA_SETS)
def test_every_data_set_keeps_its_digits(moments, name):
    """Within treatments from the published variances; between them, for F, from exact totals."""
    arms, totals = of_everyone(moments, name), exact_totals(moments, name)
    n_units, total = sum(arm["n_units"] for arm in arms.values()), sum(totals.values())
    assert n_units == len(observations(name))
    between = sum(totals[id_] ** 2 / arm["n_units"] for id_, arm in arms.items()) - total**2 / n_units
    within = sum((arm["n_units"] - 1) * Fraction(arm["variance"]) for arm in arms.values()) / (n_units - len(arms))
    f = between / (len(arms) - 1) / within

    certified_within, certified_f = CERTIFIED[name]
    assert digits(within, certified_within) >= 14
    assert digits(f, certified_f) >= 14
    for id_, arm in arms.items():
        assert digits(arm["mean"], totals[id_] / arm["n_units"]) == 15


@pytest.mark.parametrize("name", ["SmLs07", "SmLs08", "SmLs09"])
def test_raw_double_sums_of_squares_have_no_digit_of_them(name):
    frame = pd.DataFrame(observations(name), columns=["treatment", "response"])
    ((within,),) = (
        duckdb.connect()
        .execute(
            "select sum(squares - total * total / n) / (sum(n) - count(*)) from (select treatment, count(*) as n, "
            "sum(response::double) as total, sum(response::double * response::double) as squares from frame group by 1)"
        )
        .fetchall()
    )
    assert digits(within, CERTIFIED[name][0]) <= 0
    assert len(frame) > 100
