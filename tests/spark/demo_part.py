"""A part of the demo's configuration: some of its experiments, and their metrics."""

import shutil
from collections.abc import Collection
from pathlib import Path

import yaml

from configs.load import load_config


def part_of(configs: Path, experiments: Collection[str], folder: Path) -> Path:
    """Write it into a folder of its own; returns that."""
    config = load_config(configs)
    wanted = {metric for id_ in experiments for metric in config.experiments[id_].metrics.roles}
    shutil.copytree(configs, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"), dirs_exist_ok=True)
    for path in (folder / "experiments").iterdir():
        if path.stem not in experiments:
            path.unlink()
    for path in (folder / "metrics").iterdir():
        kept = [metric for metric in yaml.safe_load(path.read_text(encoding="utf-8")) if metric["id"] in wanted]
        path.write_text(yaml.safe_dump(kept), encoding="utf-8")
    simulation = folder / "simulation.yaml"
    behaviour = yaml.safe_load(simulation.read_text(encoding="utf-8"))
    events = {part.event for id_ in wanted for part in config.metrics[id_].components}
    behaviour["events"] = {name: one for name, one in behaviour["events"].items() if name in events}
    behaviour["bots"]["events"] = [name for name in behaviour["bots"]["events"] if name in events]
    behaviour["experiments"] = {id_: behaviour["experiments"][id_] for id_ in experiments}
    simulation.write_text(yaml.safe_dump(behaviour), encoding="utf-8")
    return folder
