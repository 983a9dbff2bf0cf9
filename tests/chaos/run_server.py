"""Starts runs fast: a process that has imported everything forks one child a run.

A request is a line of JSON on standard input: the workspace's folders and the log dates. The answers are a line with
the child's process id (and group) as soon as it works, and a line with its exit status when it has ended: 0 published,
1 published nothing, -9 killed. No thread lives and no database is open here when it forks.
"""

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import redirect_stdout, suppress
from datetime import date
from pathlib import Path

from configs.load import load_config
from configs.render import render
from orchestration.dbt_models import invoke_dbt
from orchestration.provenance import code_version
from orchestration.runs import run_days
from orchestration.workspace import Workspace


def _run(request: dict[str, str], modules: int) -> None:
    """In the child: run, say by way of `modules` what was imported, and end without a trace of the parent."""
    os.setpgid(0, 0)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    status = 1
    try:
        workspace = Workspace(*(Path(request[name]) for name in ("configs", "data", "state")))
        outcome = run_days(workspace, date.fromisoformat(request["first"]), date.fromisoformat(request["last"]))
        print(*outcome.errors, sep="\n", flush=True)
        os.write(modules, json.dumps(sorted(sys.modules)).encode())
        status = 0 if outcome.published else 1
    except BaseException as error:  # noqa: BLE001  a forked child must never return into the server's loop
        print(f"{type(error).__name__}: {error}", flush=True)
    os._exit(status)


def _import(names: Iterable[str]) -> None:
    for name in names:
        if name not in sys.modules:
            with suppress(Exception):  # what only exists inside a run is left to it
                importlib.import_module(name)


def _learn_to_parse(configs: Path) -> None:
    """Parse the dbt project once: dbt writes half of its code while it first does, which every child would do again.

    Without dbt's static parser: the threads that it starts would be missing in the children.
    """
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        workspace = Workspace(configs, Path(folder) / "data", Path(folder) / "state")
        workspace.activate()
        render(load_config(configs), workspace.generated)
        os.environ["DBT_STATIC_PARSER"] = "false"
        invoke_dbt(["parse"])
        del os.environ["DBT_STATIC_PARSER"]


def serve() -> None:
    """Answer requests until standard input ends."""
    code_version()  # kept from here on: a file edited during the trials must not look like a lost run
    is_ready = False
    for line in sys.stdin:
        if not is_ready:
            _learn_to_parse(Path(json.loads(line)["configs"]))
            is_ready = True
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _run(json.loads(line), writing)
        os.close(writing)
        print(json.dumps({"pid": pid}), flush=True)
        with os.fdopen(reading, "rb") as pipe:
            imported = pipe.read()
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)
        if imported:
            _import(json.loads(imported))


if __name__ == "__main__":
    serve()
