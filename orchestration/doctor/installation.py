"""The program and its surroundings: Python, packages, environment variables, the configuration, the clock."""

import os
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from zoneinfo import ZoneInfo

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from configs.load import load_config_tolerant
from configs.problems import ConfigError
from orchestration.doctor.finding import Finding, fail, fine, warn
from orchestration.workspace import Workspace

DISTRIBUTION = "equipoise"
_SHOWN = 5
_MOST_SECONDS_AHEAD = 300
_MEMORY = re.compile(r"\d+(\.\d+)?\s*([kmgt]i?b|b)", re.IGNORECASE)


def python(_: Workspace) -> Finding:
    """The version that runs, against what the distribution asks for."""
    version = ".".join(map(str, sys.version_info[:3]))
    try:
        supported = metadata.metadata(DISTRIBUTION)["Requires-Python"]
    except metadata.PackageNotFoundError:
        return warn(f"{version}; {DISTRIBUTION} is not installed", "install it: `make setup`, or from its wheel")
    if not SpecifierSet(supported).contains(version, prereleases=True):
        return fail(f"{version}, and {supported} is supported", "make the environment anew with that Python")
    return fine(version)


def packages(_: Workspace) -> Finding:
    """Every package that the distribution needs, extras left out, against the version that is there."""
    try:
        needed = [Requirement(line) for line in metadata.requires(DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        return warn(f"{DISTRIBUTION} is not installed", "install it: `make setup`, or from its wheel")
    unfit = unfit_packages(one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""}))
    if unfit:
        return fail("; ".join(unfit), "install from the lock: `pip install -r requirements.lock`")
    return fine(f"{len(needed)} as pyproject.toml asks for")


def unfit_packages(needed: Iterable[Requirement]) -> list[str]:
    """What is missing, or of another version."""
    unfit = []
    for one in needed:
        try:
            version = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            unfit.append(f"{one.name} is missing")
            continue
        if not one.specifier.contains(version, prereleases=True):
            unfit.append(f"{one.name} {version} is not {one.specifier}")
    return unfit


def environment(workspace: Workspace) -> Finding:
    """Variables that change where things are, and how much memory there is."""
    home, limit = os.environ.get("DAGSTER_HOME"), os.environ.get("EQUIPOISE_MEMORY_LIMIT")
    if limit is not None and not _MEMORY.fullmatch(limit.strip()):
        return fail(f"EQUIPOISE_MEMORY_LIMIT is {limit!r}, no size", "set it to a number with a unit: `700MB`, `4GB`")
    if home is not None and home != str(workspace.dagster_home):
        message = f"DAGSTER_HOME is {home}, and {workspace.dagster_home} is used"
        return warn(message, "unset it, or set it to that folder: Dagster's own commands look there")
    return fine(f"memory limit {limit or '700MB, unless a command says otherwise'}")


def configuration(workspace: Workspace) -> Finding:
    """As `equipoise validate`, in short; one broken experiment does not stop the others."""
    advice = "`equipoise validate` lists every error with its line"
    try:
        config, problems, broken = load_config_tolerant(workspace.configs)
    except ConfigError as error:
        return fail(f"{len(error.problems)} errors; first: {error.problems[0]}", advice)
    if problems:
        left_out = f"left out: {', '.join(sorted(broken)[:_SHOWN])}" if broken else "no experiment is left out"
        return warn(f"{len(problems)} errors; {left_out}", advice)
    return fine(f"{len(config.experiments)} experiments, {len(config.metrics)} metrics")


def clock(workspace: Workspace) -> Finding:
    """The wall clock against the newest thing the state folder knows of, and the project's day."""
    now = datetime.now(UTC)
    marks = [workspace.state, workspace.lock, workspace.results, workspace.warehouse, workspace.dagster_home]
    newest = max((mark.lstat().st_mtime for mark in marks if mark.exists()), default=0.0)
    if newest - now.timestamp() > _MOST_SECONDS_AHEAD:
        ahead = (newest - now.timestamp()) / 60
        message = f"the state folder was changed {ahead:.0f} minutes in the future: the clock went back"
        return fail(message, "set the clock (NTP): which log dates are over depends on it")
    try:
        config, _, _ = load_config_tolerant(workspace.configs)
    except ConfigError:
        return warn(f"{now:%Y-%m-%d %H:%M} UTC; the project's timezone is unknown", "see `configuration`")
    zone = config.project.timezone
    if now.astimezone(ZoneInfo(zone)).date() <= config.project.history_start:
        message = (
            f"{now:%Y-%m-%d %H:%M} UTC, and history_start is {config.project.history_start}: no log date has ended"
        )
        return fail(message, "set the clock (NTP), or history_start in project.yaml")
    return fine(f"{now.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} in {zone}, {now:%H:%M} UTC")
