"""How many rows a span joins: models are cut into slices by it."""

from datetime import date, timedelta
from pathlib import Path

from configs.load import load_config
from orchestration.inputs import RunInputs
from orchestration.lake import DayManifest, Lake

CONFIGS = Path(__file__).parents[2] / "configs"
LAST = date(2026, 10, 13)
DATES = [LAST - timedelta(days=age) for age in range(13)]


def inputs_of_thirteen_days(tmp_path: Path) -> RunInputs:
    """Each day 200 exposures of 100 units, who are in two experiments each, and 1,000 events."""
    profile = {"columns": {"unit_id": {"distinct": 100}}}
    manifests = [
        manifest
        for day in DATES
        for manifest in (
            DayManifest(source_id="web_exposures", log_date=day, status="ok", rows_accepted=200, profile=profile),
            DayManifest(source_id="shop_events", log_date=day, status="ok", rows_accepted=1000),
        )
    ]
    return RunInputs(
        lake=Lake(tmp_path),
        config=load_config(CONFIGS),
        broken={},
        config_hashes={},
        days={(manifest.source_id, manifest.log_date): manifest for manifest in manifests},
        requested=(LAST, LAST),
    )


def test_a_full_refresh_joins_every_event_to_every_experiment_of_its_unit(tmp_path: Path) -> None:
    assert inputs_of_thirteen_days(tmp_path).joined_rows(DATES) == 13 * 200 + 13 * 1000 * 2
