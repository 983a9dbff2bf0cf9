"""`equipoise dev`: the web server and daemon load the project, and a run launched through the UI's API publishes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.pipeline import copy_of, tables
from tests.end_to_end.two_experiments.days import FIRST_DAY, LAST_DAY
from tests.orchestration.alerts.conftest import Webhook

LAUNCH = """
mutation Launch($tags: [ExecutionTag!]!, $location: String!) {
  launchRun(executionParams: {
    selector: {
      jobName: "daily_analysis", repositoryName: "__repository__", repositoryLocationName: $location
    },
    executionMetadata: {tags: $tags}
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""
STATUS = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError {
  __typename ... on PythonError { message } } } } } }
"""
SCHEDULES = """
query Schedules($location: String!) {
  schedulesOrError(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: $location}) {
    ... on Schedules { results { name scheduleState { status } } } }
}
"""


class Server:
    """A running `equipoise dev`."""

    def __init__(self, workspace, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        options = ["--configs", workspace.configs, "--data", workspace.data, "--state", workspace.state]
        # What it says goes to a file: it would wait for a pipe that nobody reads.
        with (workspace.state.parent / "dev.log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name("equipoise")), *map(str, options), "dev", "--port", str(port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def query(self, query: str, **variables: object) -> dict:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def wait_until_up(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/server_info", timeout=5).close()
            except OSError:
                time.sleep(1)
            else:
                return
        pytest.fail(f"no web server after {seconds} s")

    def run(self, tags: list[dict[str, str]], location: str) -> str:
        """Launch the daily job, and wait for how it ends."""
        launched = self.query(LAUNCH, tags=tags, location=location)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id, deadline = launched["run"]["runId"], time.monotonic() + 240
        while (status := self.query(STATUS, id=run_id)["runOrError"]["status"]) not in ("SUCCESS", "FAILURE"):
            assert time.monotonic() < deadline, status
            time.sleep(1)
        return status

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=60)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(shop, tmp_path):
    running = Server(copy_of(shop, tmp_path, "state"), free_port())
    running.state = tmp_path / "state"
    yield running
    if running.process.poll() is None:
        os.killpg(running.process.pid, signal.SIGKILL)


def test_a_partition_is_materialised_from_the_web_ui(server, shop):
    server.wait_until_up(180)
    (location,) = server.query(LOCATIONS)["workspaceOrError"]["locationEntries"]
    assert location["locationOrLoadError"]["__typename"] == "RepositoryLocation", location
    schedules = server.query(SCHEDULES, location=location["name"])["schedulesOrError"]["results"]
    assert [schedule["scheduleState"]["status"] for schedule in schedules] == ["RUNNING", "RUNNING"]

    published_before = (server.state / "results").resolve()
    tags = [{"key": "dagster/partition", "value": LAST_DAY.isoformat()}]
    assert server.run(tags, location["name"]) == "SUCCESS"
    assert (server.state / "results").resolve() != published_before
    ours, theirs = tables(server.state), tables(shop.state)
    for name in theirs:
        assert ours[name].equals(theirs[name]), name
    assert server.stop() is not None


@pytest.fixture
def alerted(unrun_shop, tmp_path, monkeypatch):
    """A shop whose first day lacks a log, with a webhook to be told of it."""
    webhook = Webhook()
    monkeypatch.setenv("EQUIPOISE_ALERT_HOOK", webhook.url)
    workspace = replace(copy_of(unrun_shop, tmp_path, "configs", "data"), state=tmp_path / "state")
    alerts = "destinations: {hook: {url_env: EQUIPOISE_ALERT_HOOK}}\ndefault: [hook]\n"
    (workspace.configs / "alerts.yaml").write_text(alerts)
    (workspace.data / "orders" / f"{FIRST_DAY}.csv").unlink()
    running = Server(workspace, free_port())
    yield running, webhook
    if running.process.poll() is None:
        os.killpg(running.process.pid, signal.SIGKILL)
    webhook.close()


@pytest.mark.slow
def test_the_daemon_tells_of_a_run_that_succeeded_with_failed_checks(alerted):
    server, webhook = alerted
    server.wait_until_up(180)
    (location,) = server.query(LOCATIONS)["workspaceOrError"]["locationEntries"]

    assert server.run([{"key": "dagster/partition", "value": FIRST_DAY.isoformat()}], location["name"]) == "SUCCESS"

    deadline = time.monotonic() + 120  # two ticks of the sensor
    while not webhook.posted:
        assert time.monotonic() < deadline, "nobody was told"
        time.sleep(1)
    time.sleep(40)  # and one more
    (told,) = webhook.posted
    assert "orders: missing_day" in told["message"]
    assert server.stop() is not None
