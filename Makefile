PYTHON ?= python3
PORT ?= 5000
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup repro full budget publish literature test test-all quick bench ui lint clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: .venv/.ready ## create .venv and install the locked versions

.venv/.ready: requirements.lock pyproject.toml
	@echo "setup: installing the locked versions into .venv (some minutes the first time)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e ".[dev]"
	@touch $@

# One run with one beginning, so that its stages know how far the whole is, and what they found is said once, at its end.
RUN = @export PATH="$(CURDIR)/$(BIN):$$PATH" UNROLLED_RUN=$$(date +%s) &&

repro: setup ## generate the data, train every method, render reports/index.html
	$(RUN) python -m unrolled.repair_lock && dvc repro && \
	  { [ reports/local.html -nt reports/index.html ] || python -m unrolled.stages report; } && \
	  python -m unrolled.report.closing

full: setup ## the published study: longer training, ten seeds (full.yaml); resumable; records in reports/full (STUDIES="sine lorenz/gru": these; COMMIT=1: commit them)
	@$(BIN)/python -m unrolled.full.project $(TABLES)
	$(RUN) cd full && python -m unrolled.full.train $(STUDIES)

budget: setup ## about how many core-minutes `make full` would still take
	@$(BIN)/python -m unrolled.full.project $(TABLES)
	$(RUN) cd full && python -m unrolled.full.train --budget $(STUDIES)

publish: setup ## from the records of `make full` alone: the published study's page, figures and numbers in reports/full
	@$(BIN)/python -m unrolled.full.publish

STUDIES ?=
TABLES ?= full.yaml

literature: setup ## rows that follow published protocols (literature.yaml): records in reports/literature (STUDIES="a b": these)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m unrolled.literature $(STUDIES)

TESTS = @PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n auto --dist loadgroup --no-loadscope-reorder

test: setup ## all tests: quick suite, pipeline on a small table, pages in Chromium (ten minutes on two cores)
	$(TESTS) --durations=15

test-all: setup ## the same with every pair of study and method in the pipeline
	$(TESTS) --durations=15 --exhaustive

quick: setup ## the quick tests alone (three minutes)
	$(TESTS) -m "not pipeline and not browser"

bench: setup ## ours against what you would use instead: benchmarks/results.json, README (half an hour)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e ".[dev,bench]"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks

ui: setup ## open MLflow on the embedded store, for this machine only (PORT=5001: elsewhere)
	@$(BIN)/python -m unrolled.training.mlflow_ui $(PORT)

lint: setup ## ruff, mypy and the direction of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

clean: ## remove results, caches and the MLflow store; git's files stay
	rm -rf $(filter-out data/measured/,$(wildcard data/*/)) mlflow.db* mlartifacts forecasts reports/local.html .dvc/cache .dvc/tmp .pytest_cache .mypy_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -exec rm -rf {} +
