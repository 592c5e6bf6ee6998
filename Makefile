# Everything a newcomer needs: `make demo` to watch a market day, `make test` to check the tree.
# Paths are relative and quoted, and tools run as modules of .venv, so that any folder name works.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
LOCK := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock"
# What mypy reads; loadtests joins when it is there.
TYPED := schemas services infra tests $(wildcard loadtests)
# pytest takes two processes: the smallest machine we promise to run on has two cores. With three, three
# exchanges start at once there, and a service that is slow to come up is not waited for by every test.
TEST_JOBS ?= 2
# A file runs in one worker, so that what its tests share is made once; in the order of
# tests/conftest.py.
PARALLEL = -n $(TEST_JOBS) --dist=loadfile --no-loadscope-reorder
TEST_ARGS ?=
# SANDBOX=1 means the sandbox: a second exchange, with play money and robots.
SANDBOXED := $(if $(SANDBOX),--sandbox)

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

# --- setting up ---------------------------------------------------------------------------------

.venv/bin/python:
	@for python in python3 python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
			2>/dev/null; then \
			echo "==> Making .venv with $$("$$python" --version)"; \
			exec "$$python" -m venv --clear .venv; \
		fi; \
	done; \
	echo "No usable Python found: version 3.11 or later with the venv module is needed" >&2; \
	echo "(looked for python3, python3.13, python3.12, python3.11)." >&2; \
	exit 1

# The stamps make a second run free: an install happens only when a lock or a pyproject changes.
.venv/.runtime-stamp: requirements/runtime.txt pyproject.toml services/sdk/pyproject.toml \
		| .venv/bin/python
	@echo "==> Installing what the exchange runs on (pinned, checked by hash)"
	@$(PIP) install --require-hashes -r requirements/runtime.txt
	@echo "==> Installing suanli and suanli-exchange from this folder"
	@$(PIP) install --quiet --no-deps --no-build-isolation \
		--editable ./services/sdk --editable .
	@touch "$@"

.venv/.dev-stamp: requirements/dev.txt .venv/.runtime-stamp
	@echo "==> Installing what the checks need (pinned, checked by hash)"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch "$@"

.PHONY: setup
setup: .venv/.dev-stamp ## Make .venv and install everything, pinned by hash

# --- running ------------------------------------------------------------------------------------

.PHONY: demo up down status bench
demo: .venv/.runtime-stamp ## Run one market day from end to end and verify it
	@$(PY) -m infra.demo

up: .venv/.runtime-stamp ## Start the exchange here and leave it running (SANDBOX=1: the sandbox)
	@$(PY) -m infra.local.exchange up $(SANDBOXED)

down: .venv/.runtime-stamp ## Stop what `make up` started
	@$(PY) -m infra.local.exchange down $(SANDBOXED)

status: .venv/.runtime-stamp ## Show what runs
	@$(PY) -m infra.local.exchange status $(SANDBOXED)

bench: .venv/.dev-stamp ## Run the load tests
	@$(PY) -m loadtests

# --- checking -----------------------------------------------------------------------------------

# Debian's packages have one; elsewhere the tests that need it say that they were skipped, and why.
.PHONY: browser
browser: ## Install Chromium for the tests of the pages, where the system's packages have it
	@command -v chromium-headless-shell chromium chromium-browser google-chrome >/dev/null 2>&1 || \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && timeout 120 apt-get update -qq && \
			for browser in chromium-headless-shell chromium; do \
				DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -y -qq --no-install-recommends \
					"$$browser" fonts-wqy-zenhei && break; done && \
			command -v chromium-headless-shell chromium >/dev/null; } || \
		echo "==> No Chromium: the tests of the pages in a browser are skipped"

.PHONY: test
test: .venv/.dev-stamp browser ## Lint, then run all tests
	@$(MAKE) --keep-going lint
	@echo "==> Tests"
	@$(PY) -m pytest $(PARALLEL) $(TEST_ARGS)

.PHONY: nightly
nightly: .venv/.dev-stamp ## Kill ledger and matching 280 times, send the API 10,000 requests, draw 5 times the cases
	@SUANLI_KILL_RUNS=200 SUANLI_API_CASES=10000 $(PY) -m pytest $(PARALLEL) \
		tests/integration/ledger/test_kills.py tests/integration/auditor/test_kills.py \
		tests/integration/matching/test_crashes.py tests/integration/gateway/test_any_request.py
	@$(PY) -m pytest $(PARALLEL) --hypothesis-profile=nightly tests/property

# One target per check, so that `make -k lint` reports the findings of all of them.
CHECKS := style format types imports sql spelling requirements generated

.PHONY: lint
lint: $(addprefix lint-,$(CHECKS)) ## Run the static checks (with -k: all, past failures)
	@echo "==> All static checks passed"

.PHONY: $(addprefix lint-,$(CHECKS))
lint-style: .venv/.dev-stamp
	@echo "==> Style (ruff check)"
	@$(PY) -m ruff check .

lint-format: .venv/.dev-stamp
	@echo "==> Format (ruff format)"
	@$(PY) -m ruff format --check .

lint-types: .venv/.dev-stamp
	@echo "==> Types (mypy --strict)"
	@$(PY) -m mypy --strict $(TYPED)

lint-imports: .venv/.dev-stamp
	@echo "==> Imports (import-linter)"
	@$(PY) -c 'from importlinter.cli import lint_imports_command as run; run()' --no-logo

lint-sql: .venv/.dev-stamp
	@echo "==> Migrations (squawk)"
	@find infra/postgres/migrations -name '*.sql' -exec .venv/bin/squawk {} +

lint-spelling: .venv/.dev-stamp
	@echo "==> Spelling (codespell)"
	@$(PY) -m codespell_lib

lint-requirements: .venv/.dev-stamp
	@echo "==> Requirements (deptry)"
	@$(PY) -m deptry --no-ansi .
	@$(PY) -m deptry --no-ansi --config services/sdk/pyproject.toml services/sdk/src

lint-generated: .venv/.dev-stamp
	@echo "==> Generated files (schemas.generate, infra.generate --check)"
	@$(PY) -m schemas.generate --check
	@$(PY) -m infra.generate --check

.PHONY: fix
fix: .venv/.dev-stamp ## Format, and repair what ruff can repair
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

# --- writing files that are committed -------------------------------------------------------------

.PHONY: gen lock
gen: .venv/.dev-stamp ## Write the JSON Schemas, AsyncAPI and OpenAPI again
	@$(PY) -m schemas.generate
	@$(PY) -m infra.generate

# Needs .venv but not its stamps: a lock that does not install must be repairable.
lock: | .venv/bin/python ## Pin the requirements again; UPGRADE=1 takes newer versions
	@$(PY) -m uv --version >/dev/null 2>&1 || $(PIP) install --quiet uv
	@echo "==> Writing requirements/runtime.txt"
	@$(LOCK) $(if $(UPGRADE),--upgrade) requirements/runtime.in -o requirements/runtime.txt
	@echo "==> Writing requirements/dev.txt"
	@$(LOCK) $(if $(UPGRADE),--upgrade) requirements/dev.in -o requirements/dev.txt

# --- tidying up ---------------------------------------------------------------------------------

.PHONY: clean
clean: ## Remove caches and build results (not .venv, not the stack's data)
	@rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@rm -rf build dist services/sdk/build services/sdk/dist
	@find schemas services infra tests $(wildcard loadtests) -name __pycache__ -type d \
		-prune -exec rm -rf {} +
