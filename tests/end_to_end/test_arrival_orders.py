"""However rows arrive within the allowance, the results in the end are the same, to the last bit.

The same rows are delivered twice: with other delays, in other files and row orders, with other rows repeated. One
delivery is run piece by piece, which equals a rebuild of everything, the other at once; both agree on the final as-of
dates, by which all rows are there. What an as-of date says before may differ: it counts what had arrived.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from analysis.periods import analysis_end
from configs.catalog import bot_limit
from configs.schema import Config
from tests.end_to_end.random_logs import UNITS, life
from tests.end_to_end.reference_moments import local_date
from tests.end_to_end.shop_logs import Event, Exposure, Logs, Row
from tests.end_to_end.small_shop import (
    AUTUMN,
    EXPOSURE_SOURCES,
    HISTORY_DAYS,
    LAST_DAY,
    LATE_ARRIVAL_DAYS,
    MARTS,
    SPRING,
    SmallShop,
    assert_same_marts,
)

pytestmark = pytest.mark.xdist_group("moments")

UNHURRIED = settings(
    deadline=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
SEEDED = st.randoms(note_method_calls=False, use_true_random=True)


@dataclass(frozen=True)
class Said:
    """A row of a source's log, its local date, and the last log date it may arrive on in any delivery."""

    source: str
    row: Row
    day: date
    latest: date


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    return SmallShop(tmp_path_factory.mktemp("shop"))


@settings(UNHURRIED, max_examples=1, derandomize=True)
@given(rng=SEEDED)
def test_results_in_the_end_do_not_depend_on_how_rows_arrived(shop: SmallShop, rng: Random) -> None:
    check(shop, rng, days_per_run=3)


@pytest.mark.slow
@settings(UNHURRIED, max_examples=30)
@given(rng=SEEDED)
def test_results_in_the_end_do_not_depend_on_how_rows_arrived_day_by_day(shop: SmallShop, rng: Random) -> None:
    check(shop, rng, days_per_run=1)


def check(shop: SmallShop, rng: Random, days_per_run: int) -> None:
    config = shop.begin(rng.choice([AUTUMN, SPRING]))
    said = list(everything_said(shop, rng, config))
    shop.deliver(delivery(shop, rng, said))
    for first in range(-HISTORY_DAYS, LAST_DAY + 1, days_per_run):
        shop.run(shop.day(first), shop.day(min(first + days_per_run - 1, LAST_DAY)))
    piecemeal = shop.marts()
    shop.forget_results()
    shop.build(shop.day(-HISTORY_DAYS), shop.day(LAST_DAY))
    assert_same_marts(piecemeal, shop.marts())

    shop.begin(shop.start)
    shop.deliver(delivery(shop, rng, said))
    shop.run(shop.day(-HISTORY_DAYS), shop.day(LAST_DAY))
    at_once = shop.marts()
    assert_same_marts(final_dates(piecemeal, config), final_dates(at_once, config))
    assert not all(piecemeal[name].equals(at_once[name]) for name in MARTS), "nothing arrived on another day"


def final_dates(marts: dict[str, pd.DataFrame], config: Config) -> dict[str, pd.DataFrame]:
    """Each experiment's rows of its last as-of date."""
    last = {id_: pd.Timestamp(analysis_end(config.experiments[id_], config.metrics)) for id_ in config.experiments}
    found = {
        name: frame[frame["as_of_date"] == frame["experiment_id"].map(last)].reset_index(drop=True)
        for name, frame in marts.items()
    }
    only = {
        "fct_stratum_moments": {id_ for id_, experiment in config.experiments.items() if experiment.strata},
        "fct_metric_probes": {id_ for id_, experiment in config.experiments.items() if bot_limit(config, experiment)},
        "fct_day_moments": {id_ for id_, experiment in config.experiments.items() if experiment.trends},
    }
    for name in MARTS:
        assert set(found[name]["experiment_id"]) == only.get(name, set(last)), name
    # What of a unit's day came with another log is counted apart, so that bots may be missed when rows are late.
    found["fct_metric_probes"] = found["fct_metric_probes"].assign(n_found=0, total=0.0)
    return found


def everything_said(shop: SmallShop, rng: Random, config: Config) -> list[Said]:
    """Random lives of units, each event once; and a row a day of each source, so that no day is missing."""
    said = [one for number in range(UNITS) for one in of_unit(shop, rng, f"u{number}", config)]
    for offset in range(-HISTORY_DAYS, LAST_DAY + 1):
        noon, day, name = shop.noon(offset), shop.day(offset), f"filler{offset}"
        for experiment, source in EXPOSURE_SOURCES.items():
            variant = {"checkout": "control", "banner": "off"}[experiment]
            said.append(Said(source, Exposure(name, experiment, variant, noon, None, None), day, day))
        for source, event in (("orders", "purchase"), ("visits", "visit")):
            said.append(Said(source, Event(name, name, event, noon, 0, None), day, day))
    return said


def of_unit(shop: SmallShop, rng: Random, unit: str, config: Config) -> list[Said]:
    """A unit's rows. Nothing arrives after the final as-of date that counts it, nor history after the exposure.

    A covariate is made of what is known by the log date of the first exposure, and stays as it is.
    """
    project = config.project
    rows = {
        (row.id if isinstance(row, Event) else row): (source, row)
        for source, row in life(rng, unit, shop.start, project)
    }
    exposed = [local_date(row.at, project) for _, row in rows.values() if isinstance(row, Exposure)]
    sources = {source for source, _ in rows.values()}
    ends = [
        analysis_end(config.experiments[experiment], config.metrics)
        for experiment, source in EXPOSURE_SOURCES.items()
        if source in sources
    ]
    found = []
    for source, row in rows.values():
        day = local_date(row.at, project)
        if not shop.day(-HISTORY_DAYS) <= day <= shop.day(LAST_DAY):
            continue
        is_history = isinstance(row, Event) and day < max(exposed, default=day)
        latest = [day + timedelta(days=0 if is_history else LATE_ARRIVAL_DAYS), shop.day(LAST_DAY)]
        found.append(Said(source, row, day, min([*latest, *(end for end in ends if end >= day)])))
    return found


def delivery(shop: SmallShop, rng: Random, said: Sequence[Said]) -> Logs:
    """Each row on a random log date of those it may arrive on, some twice, in files and orders of its own."""
    logs: dict[tuple[str, date], list[list[Row]]] = {}
    for one in said:
        for _ in range(rng.choice([1, 1, 1, 2])):
            log_date = one.day + timedelta(days=rng.randint(0, (one.latest - one.day).days))
            files = logs.setdefault((one.source, log_date), [[] for _ in range(rng.randint(1, 3))])
            rng.choice(files).append(one.row)
    for files in logs.values():
        for rows in files:
            rng.shuffle(rows)
    return logs
