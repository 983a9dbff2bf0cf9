"""A small shop whose logs are written out by rule, built in two runs."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.end_to_end.shop_logs import Event, Exposure, Logs
from tests.end_to_end.small_shop import HISTORY_DAYS, LAST_DAY, VARIANTS, SmallShop


@pytest.fixture(scope="session")
def built_shop(tmp_path_factory: pytest.TempPathFactory) -> SmallShop:
    """Built through its third day, then to the end: `inputs.build_plan` holds the fourth day on."""
    shop = SmallShop(tmp_path_factory.mktemp("shop"))
    shop.begin(shop.start)
    shop.deliver(regular_logs(shop))
    shop.run(shop.day(-HISTORY_DAYS), shop.day(2))
    shop.run(shop.day(3), shop.day(LAST_DAY))
    return shop


@pytest.fixture
def warehouse(built_shop: SmallShop, tmp_path: Path) -> Iterator[Path]:
    """The built warehouse, for this process to use; put back as it was after the test."""
    built_shop.workspace.activate()
    path = built_shop.workspace.warehouse
    shutil.copy(path, tmp_path / path.name)
    yield path
    shutil.copy(tmp_path / path.name, path)


def regular_logs(shop: SmallShop) -> Logs:
    """Twelve units, three a day, of the three variants in turn; u0 and u5 see a second one. All order every day."""
    logs: dict = {}

    def log(source: str, day: int, row: Exposure | Event) -> None:
        logs.setdefault((source, shop.day(day)), [[]])[0].append(row)

    for number in range(12):
        unit, day, country = f"u{number}", number // 3, ("DE", "FR", None)[number // 4]
        at = shop.noon(day) + timedelta(minutes=number)
        usual, other = VARIANTS["checkout"][number % 3], VARIANTS["checkout"][(number + 1) % 3]
        log("web_exposures", day, Exposure(unit, "checkout", usual, at, country, "ios"))
        if number in (0, 5):
            log("web_exposures", day, Exposure(unit, "checkout", other, at + timedelta(hours=1), country, "ios"))
        for later in range(-HISTORY_DAYS, LAST_DAY + 1):
            order = Event(f"{unit}-{later}", unit, "purchase", shop.noon(later), 1000 + 10 * number, "web")
            log("orders", later, order)
    return logs
