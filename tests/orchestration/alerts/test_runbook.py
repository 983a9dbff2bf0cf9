"""Every alert links to a section that is there."""

import re
from pathlib import Path

import pytest

import orchestration.alerts
from orchestration.assets.results import ALL_CHECKS

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", RUNBOOK.read_text(encoding="utf-8"), re.M | re.S))


@pytest.mark.parametrize("check", ALL_CHECKS)
def test_every_health_check_has_a_section(check):
    assert check in SECTIONS


def test_every_failure_that_the_code_names_has_a_section():
    code = "".join(path.read_text(encoding="utf-8") for path in Path(orchestration.alerts.__path__[0]).glob("*.py"))
    named = set(re.findall(r'"(failed_\w+|dbt_tests|rollback)"', code))
    assert {"failed_step", "failed_run", "failed_start", "dbt_tests", "rollback"} <= named
    own = {"missing_day", "failed_day", "row_accounting", "day_is_complete", "calibrated", "destination_is_current"}
    assert named | own <= set(SECTIONS)


def test_links_within_the_page_lead_somewhere():
    text = RUNBOOK.read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= set(SECTIONS)
