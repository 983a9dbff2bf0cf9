"""The files of `deploy/`: they agree with each other, with Dagster's own schemas and options, and with the project."""

import re
import tomllib
from pathlib import Path

import click
import pytest
import yaml
from dagster._cli import create_dagster_cli
from dagster._core.instance.config import dagster_instance_config
from dagster._daemon.cli import create_dagster_daemon_cli
from dagster_webserver.cli import create_dagster_webserver_cli

from tests.production.instance import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SETTINGS = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
VALUES = yaml.safe_load((DEPLOY / "values.yaml").read_text())

CHART = {
    "global": {"postgresqlSecretName", "dagsterHome", "serviceAccountName", "celeryConfigSecretName"},
    "generatePostgresqlPasswordSecret": set(),
    "postgresql": {
        "enabled",
        "postgresqlHost",
        "postgresqlUsername",
        "postgresqlDatabase",
        "postgresqlParams",
        "service",
    },
    "rabbitmq": {"enabled"},
    "redis": {"enabled"},
    "flower": {"enabled"},
    "telemetry": {"enabled"},
    "migrate": {"enabled"},
    "dagster-user-deployments": {"enabled", "enableSubchart", "imagePullSecrets", "deployments"},
    "dagsterWebserver": {"image", "enableReadOnly", "resources", "env", "envSecrets"},
    "dagsterDaemon": {"enabled", "image", "runCoordinator", "runMonitoring", "runRetries", "resources"},
    "runLauncher": {"type", "config"},
    "computeLogManager": {"type", "config"},
    "retention": {"enabled", "schedule", "sensor", "autoMaterialize"},
    "additionalInstanceConfig": {"run_coordinator", "concurrency", "run_retries", "run_monitoring"},
    "ingress": {"enabled"},
}
"""Keys of the chart's `values.schema.json` (dagster-io/dagster, helm/dagster, late 2025) that are used or may be."""

DEPLOYMENT = {
    *(
        "name",
        "image",
        "dagsterApiGrpcArgs",
        "codeServerArgs",
        "includeConfigInLaunchedRuns",
        "port",
        "env",
        "envSecrets",
    ),
    *("podSecurityContext", "securityContext", "resources", "initContainers", "volumeMounts", "volumes"),
}


def test_dagster_accepts_the_settings(tmp_path):
    (tmp_path / "dagster.yaml").write_text((DEPLOY / "dagster.yaml").read_text())
    accepted, _ = dagster_instance_config(str(tmp_path))
    assert accepted["run_launcher"] == {"module": "orchestration.launcher", "class": "WatchedRunLauncher"}


def test_the_chart_makes_the_same_instance():
    assert {name: SETTINGS[name] for name in VALUES["additionalInstanceConfig"]} == VALUES["additionalInstanceConfig"]
    launcher = VALUES["runLauncher"]["config"]["customRunLauncher"]
    assert {**SETTINGS["run_launcher"], "config": {}} == launcher
    for kind in ("schedule", "sensor"):
        assert SETTINGS["retention"][kind]["purge_after_days"] == VALUES["retention"][kind]["purgeAfterDays"]
    handled = {*VALUES["additionalInstanceConfig"], "run_launcher", "retention", "telemetry", "storage"}
    assert set(SETTINGS) == handled


def test_the_values_are_keys_of_the_chart():
    assert set(VALUES) <= set(CHART)
    for section, keys in CHART.items():
        if isinstance(VALUES[section], dict):
            assert set(VALUES[section]) <= keys, section
    for deployment in VALUES["dagster-user-deployments"]["deployments"]:
        assert set(deployment) <= DEPLOYMENT


def dagster_commands() -> dict[str, list[str]]:
    """The arguments with which compose starts Dagster, by service."""
    commands = {name: service.get("command", []) for name, service in COMPOSE["services"].items()}
    return {name: command for name, command in commands.items() if command and command[0].startswith("dagster")}


@pytest.mark.parametrize("service", dagster_commands())
def test_dagster_knows_the_options_of_each_command(service):
    programs = {
        "dagster": create_dagster_cli,
        "dagster-daemon": create_dagster_daemon_cli,
        "dagster-webserver": create_dagster_webserver_cli,
    }
    program, *arguments = dagster_commands()[service]
    command = programs[program]()
    while isinstance(command, click.Group):
        name, *arguments = arguments
        command = command.commands[name]
    given, rest, _ = command.make_parser(click.Context(command)).parse_args(list(arguments))
    assert rest == []
    assert ("read_only" in given) == (service == "web")


def test_only_the_sign_in_reaches_the_analysts_server_from_outside():
    assert "ports" not in COMPOSE["services"]["web"]
    assert COMPOSE["services"]["web"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert COMPOSE["services"]["admin"]["ports"] == ["127.0.0.1:3001:3000"]
    assert "--upstream=http://web:3000" in COMPOSE["services"]["sign_in"]["command"]
    ingress = yaml.safe_load((DEPLOY / "ingress.yaml").read_text())
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"]["name"].endswith("-read-only")
    assert "auth-url" in "".join(ingress["metadata"]["annotations"])


def test_every_variable_is_given():
    text = (DEPLOY / "compose.yaml").read_text()
    example = (DEPLOY / "example.env").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    assert needed <= set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    of_settings = set(re.findall(r"env: (\w+)", (DEPLOY / "dagster.yaml").read_text()))
    assert of_settings <= set(COMPOSE["services"]["code"]["environment"])


def test_the_workspace_is_where_the_code_server_listens():
    (entry,) = yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"]
    command = COMPOSE["services"][entry["grpc_server"]["host"]]["command"]
    assert command[command.index("--port") + 1] == str(entry["grpc_server"]["port"])
    assert command[command.index("--module-name") + 1] == "orchestration.definitions"


def test_the_image_holds_the_packages_of_the_wheel_at_the_locked_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = re.findall(r"^COPY (\w+) \1$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert copied == project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    ours, all_pins = pins(DEPLOY / "requirements.lock"), pins(ROOT / "requirements.lock")
    assert {name: all_pins[name] for name in ours} == ours
    assert "dagster-postgres" in ours
    assert "pytest" not in ours


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE))
