"""The linter of compiled SQL looks at the checkout that it lies in."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WHOSE = (
    "import runpy, sys; runpy.run_path(sys.argv[1], run_name='lint_sql'); "
    "from orchestration.workspace import DBT_PROJECT_DIR; print(DBT_PROJECT_DIR)"
)


def test_it_lints_this_checkout_whichever_one_is_installed(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    printed = subprocess.run(
        [sys.executable, "-c", WHOSE, str(ROOT / ".ci" / "lint_sql.py")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(printed.stdout.strip()) == ROOT / "dbt_project"
