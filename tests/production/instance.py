"""The processes of a production instance, as `deploy/compose.yaml` starts them: code server, daemon, web servers."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from orchestration.workspace import Workspace
from tests.postgresql import free_port

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "deploy" / "dagster.yaml"

LAUNCH = """
mutation Launch($job: String!, $tags: [ExecutionTag!]!) {
  launchRun(executionParams: {
    selector: {jobName: $job, repositoryName: "__repository__", repositoryLocationName: "equipoise"},
    executionMetadata: {tags: $tags}
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""


def settle(workspace: Workspace, **changes: Mapping[str, Any]) -> None:
    """Put `deploy/dagster.yaml` into the state folder; `changes` update whole sections, to test in seconds."""
    settings = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    for section, values in changes.items():
        settings[section] |= values
    workspace.dagster_home.mkdir(parents=True, exist_ok=True)
    (workspace.dagster_home / "dagster.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")


class Instance:
    """Processes by name, each in a session of its own; what they say goes to `<state>/../<name>.log`."""

    def __init__(self, workspace: Workspace, environment: Mapping[str, str]) -> None:
        self.workspace = workspace
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), **workspace.environment(), **environment}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.code_port, self.port, self.read_only_port = free_port(), free_port(), free_port()
        server = {"host": "127.0.0.1", "port": self.code_port, "location_name": "equipoise"}
        self.file = workspace.state.parent / "workspace.yaml"
        self.file.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8")

    def start(self, *names: str) -> None:
        """Start `code`, `daemon`, `admin` or `web`."""
        everywhere = ["-w", str(self.file)]
        web = ["dagster-webserver", *everywhere]
        commands = {
            "code": ["dagster", "code-server", "start", "-m", "orchestration.definitions", *here(self.code_port)],
            "daemon": ["dagster-daemon", "run", *everywhere],
            "admin": [*web, *here(self.port)],
            "web": [*web, *here(self.read_only_port), "--read-only"],
        }
        for name in names:
            command, *arguments = commands[name]
            with (self.workspace.state.parent / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [str(Path(sys.executable).with_name(command)), *arguments],
                    env=self.environment,
                    cwd=ROOT,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def kill(self, name: str) -> None:
        """End a process and its children at once, as a machine that dies does."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def query(self, query: str, *, read_only: bool = False, **variables: object) -> dict[str, Any]:
        """Ask a web server."""
        url = f"http://127.0.0.1:{self.read_only_port if read_only else self.port}/graphql"
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
        return data

    def wait_until_up(self, seconds: float = 600) -> None:
        """Until the web servers that were started answer with the code location loaded."""
        deadline = time.monotonic() + seconds
        ports = {"admin": self.port, "web": self.read_only_port}
        for name in ports.keys() & self.processes.keys():
            while not self._is_loaded(read_only=name == "web"):
                assert time.monotonic() < deadline, f"no {name} server after {seconds} s"
                time.sleep(1)

    def _is_loaded(self, *, read_only: bool) -> bool:
        loaded = """{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
            __typename } } } } }"""
        try:
            (entry,) = self.query(loaded, read_only=read_only)["workspaceOrError"]["locationEntries"]
        except OSError:
            return False
        return (entry["locationOrLoadError"] or {}).get("__typename") == "RepositoryLocation"

    def launch(self, job: str, **tags: str) -> str:
        """Queue a run, and return its id."""
        listed = [{"key": key.replace("__", "/"), "value": value} for key, value in tags.items()]
        launched = self.query(LAUNCH, job=job, tags=listed)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def stop(self) -> None:
        """End everything."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                pass
            finally:
                _end_session(process.pid)
        self.processes.clear()


def here(port: int) -> list[str]:
    """The options for a server of this machine alone."""
    return ["-h", "127.0.0.1", "-p", str(port)]


def _end_session(group: int) -> None:
    """End what is left of a session."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def running(workspace: Workspace, environment: Mapping[str, str], *names: str) -> Iterator[Instance]:
    """An instance with these processes, ended with the block."""
    instance = Instance(workspace, environment)
    try:
        instance.start(*names)
        instance.wait_until_up()
        yield instance
    finally:
        instance.stop()
