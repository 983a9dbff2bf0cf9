.DEFAULT_GOAL := help
.PHONY: help setup demo test test-end-to-end test-long test-chaos test-chaos-long test-faults soak test-spark lint check-configs format dev lock clean bench-full bench-daily bench-backfill bench-wide bench-growth bench-statistics validation simulations

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.up-to-date

RUNS ?= 5
EXPERIMENTS ?= 10000
MINUTES ?= 60
SCALE ?= 1
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
BENCH_OPTIONS = --runs $(RUNS) --scale $(SCALE) $(WRITE)

export DO_NOT_TRACK := 1
export DAGSTER_DISABLE_TELEMETRY := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: $(STAMP)  ## Build .venv from the lock; does nothing when it is up to date

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $(STAMP)

SPARK_VENV := .venv-spark
SPARK_STAMP := $(SPARK_VENV)/.up-to-date
UNITS ?= 20000
DAYS ?= 45

$(SPARK_STAMP): $(STAMP) requirements-spark.lock
	test -x $(SPARK_VENV)/bin/python || $(PYTHON) -m venv $(SPARK_VENV)
	$(BIN)/uv pip install --quiet --python $(SPARK_VENV)/bin/python -r requirements-spark.lock
	$(BIN)/uv pip install --quiet --python $(SPARK_VENV)/bin/python --no-deps --no-build-isolation --editable .
	touch $(SPARK_STAMP)

demo: setup  ## Simulate a month of logs, run the whole pipeline, print each decision beside the truth
	$(BIN)/equipoise demo

PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: setup  ## The test suite, in ten minutes; the targets below have its longer forms
	$(PYTEST) -m "not slow and not long"

test-end-to-end: setup  ## Every design, correction, replay and verification through the whole pipeline
	$(PYTEST) -m "long and not slow"

test-long: setup  ## All of it, with many random histories
	$(PYTEST)

test-chaos: setup  ## 50 runs killed at random moments, while somebody reads the results
	$(BIN)/python -m tests.chaos.trials --trials 50

test-chaos-long: setup  ## The same, 500 times
	$(BIN)/python -m tests.chaos.trials --trials 500

test-faults: setup  ## Every injected fault through the whole pipeline, and 60 clean days; docs/fault_injection.md
	$(PYTEST) tests/fault_injection

soak: setup  ## A production instance on PostgreSQL for an hour of simulated days; MINUTES=60 WRITE=--write
	$(BIN)/python -m tests.production.soak --minutes $(MINUTES) $(WRITE)

test-spark: $(SPARK_STAMP)  ## The demo's logs on DuckDB and on Spark, all tables compared; UNITS=20000 DAYS=45 ONLY=banner_colour; docs/sizing.md
	$(SPARK_VENV)/bin/python -m pytest tests/spark
	$(SPARK_VENV)/bin/python -m tests.spark --units $(UNITS) --days $(DAYS) $(if $(ONLY),--experiments $(ONLY))

lint: setup  ## ruff, mypy, import-linter, sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/lint_sql.py

format: setup  ## Format the code in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check-configs: setup  ## The example configuration is valid, its suites fit its sources, it renders, and dbt parses with it
	$(BIN)/equipoise validate
	$(BIN)/equipoise --state var/without_history suites refresh --check
	$(BIN)/python -m configs.render --configs configs --check
	$(BIN)/python -m orchestration.dbt_models

dev: setup  ## Dagster's web UI and daemon, with the daily schedule on
	$(BIN)/equipoise dev

lock: setup  ## Refresh requirements.lock from pyproject.toml, and of its versions what an image holds
	$(COMPILE) --extra dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra lakes --extra postgres --constraint requirements.lock --output-file deploy/requirements.lock pyproject.toml
	$(COMPILE) --extra dev --extra spark --constraint requirements.lock --output-file requirements-spark.lock pyproject.toml

simulations: setup  ## Error rates of every method on simulated experiments, into docs/error_rates.md; EXPERIMENTS=10000
	$(BIN)/python -m tests.simulation --experiments $(EXPERIMENTS) --output docs/error_rates.md

bench-full: setup  ## Full refresh of 10 M exposures and 50 M events beside the floor; RUNS=5 SCALE=1/8 WRITE=--write
	$(BIN)/python -m benchmarks full $(BENCH_OPTIONS)

bench-daily: setup  ## The next day after 5, 30 and 60 days of history
	$(BIN)/python -m benchmarks daily $(BENCH_OPTIONS)

bench-backfill: setup  ## A year of the demo's logs in one run
	$(BIN)/python -m benchmarks backfill $(WRITE)

bench-wide: setup  ## 250,000 comparisons from moments to decisions; health checks of 60 as-of dates
	$(BIN)/python -m benchmarks wide $(BENCH_OPTIONS)

bench-growth: setup  ## Both at 1/8, 1/4, 1/2 and 1 of the rows, and the fitted exponent
	$(BIN)/python -m benchmarks growth $(BENCH_OPTIONS)

bench-statistics: setup  ## Comparisons per second on one core, from 1 to 1,000,000 comparisons
	$(BIN)/python -m benchmarks statistics --runs $(RUNS) $(WRITE)

validation: setup  ## Every published reference figure beside ours, written to docs/validation.md
	$(BIN)/python -m tests.validation

clean:  ## Remove the environment and the demo's state
	rm -rf $(VENV) $(SPARK_VENV) var data
