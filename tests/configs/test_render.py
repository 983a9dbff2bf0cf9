"""What dbt reads: deterministic, written in one step, and only when it changed."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest
from dbt_common.clients.jinja import extract_toplevel_blocks
from hypothesis import given
from hypothesis import strategies as st

from configs.load import load_config
from configs.render import catalog_macro, config_hash, main, metric_catalog, render

REPOSITORY = Path(__file__).parents[2]
FREE = "experiments/free_shipping.yaml"


def evaluated(macro):
    """What Jinja makes of the macro: the value it hands to dbt's `return`."""
    returned = []
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    environment.globals["return"] = returned.append
    environment.from_string(macro).module.metric_catalog()
    return returned[0]


def rows(folder, name):
    with (folder / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def rendered(write_config, tmp_path):
    config = load_config(write_config())
    render(config, tmp_path / "generated")
    return config, tmp_path / "generated"


def test_jinja_reads_the_catalog_back(rendered):
    config, folder = rendered

    found = evaluated((folder / "macros/metric_catalog.sql").read_text())
    assert found == metric_catalog(config) | {"triggers": [], "has_holdouts": False, "has_exclusions": False}


NASTY = [
    "it's",
    '"quoted"',
    "{{ boom }}",
    "%}",
    "{% endmacro %}",
    "{# #}",
    "back\\slash",
    "\\n",
    "a\nb",
    "é",
    "💥",
    "\x00",
]


@pytest.mark.parametrize("text", NASTY)
def test_no_text_breaks_out_of_the_macro(text):
    catalog = {"components": [{"event_name": text}], "attributes": [text]}
    macro = catalog_macro(catalog)

    assert evaluated(macro) == catalog
    (block,) = extract_toplevel_blocks(macro, allowed_blocks={"macro"}, collect_raw_data=False)
    assert block.full_block == macro[macro.index("{% macro") :].rstrip("\n")


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=3,
    )
)
def test_any_plain_data_is_read_back(data):
    assert evaluated(catalog_macro(data)) == data


def test_experiments(rendered):
    config, folder = rendered

    assert rows(folder, "experiments") == [
        {
            "experiment_id": "badges",
            "start_date": "2026-09-10",
            "end_date": "2026-09-20",
            "analysis_end_date": "2026-09-20",
            "exposure_source": "web",
            "is_analysed": "false",
            "config_hash": config_hash(config, config.experiments["badges"]),
        },
        {
            "experiment_id": "free_shipping",
            "start_date": "2026-10-01",
            "end_date": "2026-10-28",
            "analysis_end_date": "2026-11-11",
            "exposure_source": "web",
            "is_analysed": "true",
            "config_hash": config_hash(config, config.experiments["free_shipping"]),
        },
    ]


def test_variants_have_the_weights_of_the_last_epoch(write_config, tmp_path):
    weights = "{control: 0.4, free: 0.6}"
    root = write_config((FREE, "{free: 0.5, control: 0.5}", weights), (FREE, "{control: 0.5, free: 0.5}", weights))
    render(load_config(root), tmp_path / "generated")

    assert (tmp_path / "generated/experiment_variants.csv").read_text() == (
        "experiment_id,variant_id,weight,is_baseline,position\n"
        "badges,control,0.3,true,0\n"
        "badges,gold,0.3,false,1\n"
        "badges,silver,0.4,false,2\n"
        "free_shipping,control,0.4,true,0\n"
        "free_shipping,free,0.6,false,1\n"
    )


def test_epochs_are_one_from_the_start_when_none_is_declared(rendered):
    _, folder = rendered

    assert (folder / "experiment_epochs.csv").read_text() == (
        "experiment_id,epoch,from_date,variant_id,weight\n"
        "badges,0,2026-09-10,control,0.3\n"
        "badges,0,2026-09-10,gold,0.3\n"
        "badges,0,2026-09-10,silver,0.4\n"
        "free_shipping,0,2026-10-01,control,0.5\n"
        "free_shipping,0,2026-10-01,free,0.5\n"
        "free_shipping,1,2026-10-05,control,0.5\n"
        "free_shipping,1,2026-10-05,free,0.5\n"
    )


def test_metrics_and_segments(rendered):
    _, folder = rendered

    assert (folder / "experiment_metrics.csv").read_text() == (
        "experiment_id,metric_id,role\n"
        "badges,load_time,primary\n"
        "free_shipping,conversion,primary\n"
        "free_shipping,order_value,guardrail\n"
        "free_shipping,retention,secondary\n"
        "free_shipping,revenue,secondary\n"
    )
    assert (folder / "experiment_segments.csv").read_text() == (
        "experiment_id,segment_name\nfree_shipping,country\nfree_shipping,device\n"
    )


def test_strata_are_sorted(write_config, tmp_path):
    stratified = "  minimum_days: 14\n  adjustment: post_stratification\n  strata: [device, country]"
    root = write_config(("experiments/free_shipping.yaml", "  minimum_days: 14", stratified))

    render(load_config(root), tmp_path / "generated")

    assert (tmp_path / "generated/experiment_strata.csv").read_text() == (
        "experiment_id,attribute\nfree_shipping,country\nfree_shipping,device\n"
    )


def test_a_variant_id_with_commas_and_quotes_stays_one_field(write_config, tmp_path):
    root = write_config(("experiments/badges.yaml", "id: gold", "id: 'go,\"ld'"))
    render(load_config(root), tmp_path / "generated")

    assert rows(tmp_path / "generated", "experiment_variants")[1]["variant_id"] == 'go,"ld'


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def test_a_second_render_touches_nothing(rendered):
    config, folder = rendered
    before = {name: path.stat().st_mtime_ns for name, path in files_of(folder).items()}

    render(config, folder)

    assert {name: path.stat().st_mtime_ns for name, path in files_of(folder).items()} == before
    assert sorted(before) == [
        "experiment_batches.csv",
        "experiment_buckets.csv",
        "experiment_clusters.csv",
        "experiment_coverages.csv",
        "experiment_epochs.csv",
        "experiment_exclusions.csv",
        "experiment_held_out.csv",
        "experiment_metrics.csv",
        "experiment_panel_days.csv",
        "experiment_panel_metrics.csv",
        "experiment_panels.csv",
        "experiment_predecessors.csv",
        "experiment_probes.csv",
        "experiment_propensities.csv",
        "experiment_segments.csv",
        "experiment_strata.csv",
        "experiment_switchback_metrics.csv",
        "experiment_switchbacks.csv",
        "experiment_trends.csv",
        "experiment_triggers.csv",
        "experiment_variants.csv",
        "experiments.csv",
        "macros/metric_catalog.sql",
    ]


def test_only_what_changed_is_replaced(rendered, write_config):
    _, folder = rendered
    before = {name: path.stat().st_ino for name, path in files_of(folder).items()}
    root = write_config((FREE, "segments: [country, device]", "segments: [country]"))

    render(load_config(root), folder)

    after = {name: path.stat().st_ino for name, path in files_of(folder).items()}
    assert {name for name in after if after[name] != before[name]} == {
        "experiments.csv",  # the configuration's hash
        "experiment_segments.csv",
    }


def test_the_order_of_files_and_entries_does_not_matter(rendered, write_config, tmp_path):
    _, folder = rendered
    orders, visits = ((tmp_path / f"configs/metrics/{name}.yaml").read_text() for name in ("orders", "visits"))
    root = write_config(
        files={
            "metrics/orders.yaml": None,
            "metrics/visits.yaml": None,
            "metrics/all_of_them.yaml": visits + orders,
        }
    )

    render(load_config(root), tmp_path / "again")

    assert {name: path.read_bytes() for name, path in files_of(tmp_path / "again").items()} == {
        name: path.read_bytes() for name, path in files_of(folder).items()
    }


def test_rendering_does_not_depend_on_the_process(tmp_path):
    """Sets of text are ordered by a hash that differs between processes; nothing of it may show."""
    folders = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        subprocess.run(
            [sys.executable, "-m", "configs.render", "--configs", "configs", "--out", str(folder)],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        )
        folders.append({name: path.read_bytes() for name, path in files_of(folder).items()})

    assert folders[0] == folders[1]


def test_check_writes_nothing_into_the_project(write_config, capsys):
    root = write_config()
    before = files_of(root)

    assert main(["--configs", str(root), "--check"]) == 0

    assert capsys.readouterr().out == "5 metrics and 2 experiments render\n"
    assert files_of(root) == before


def test_check_fails_with_every_message(write_config, capsys):
    root = write_config((FREE, "end: 2026-10-28", "end: 2026-10-32"), ("project.yaml", "name: shop", "nam: shop"))

    assert main(["--configs", str(root), "--check"]) == 1

    assert capsys.readouterr().err.splitlines() == [
        "experiments/free_shipping.yaml:9: end: expected a date such as 2026-10-01, got '2026-10-32'",
        "project.yaml:1: unknown key 'nam'; did you mean 'name'?",
    ]


@pytest.mark.parametrize("arguments", [[], ["--check", "--out", "x"]])
def test_exactly_one_target_is_asked_for(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
