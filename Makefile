# Two commands: `make demo` and `make test`. Both set up everything they need.
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2# test processes
ARGS ?=# passed on to pytest: make test ARGS='tests/test_cookies.py -k domain'
JS_TESTS = $(wildcard tests/js/*.test.js tests/js/*.test.mjs)
export VENV PYTHON
# compile each module once, not in each of the hundreds of processes that tests start
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test test-python test-js peers setup lint format build-static check-static clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.demo ## run the Acme shop and a Dub beside it, and print what to open
	@$(BIN)/python -m demo_app $(ARGS)

test: test-js test-python ## run every test

test-python: setup peers ## run the tests in Python, which are all others
	@.ci/setup chromium
	@.ci/setup postgresql
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q $(ARGS)

test-js: ## run the tests of the script (Node)
	@.ci/setup node
	@if command -v node >/dev/null 2>&1 && [ -n "$(JS_TESTS)" ]; then node --test $(JS_TESTS); fi

peers: ## get the npm packages that some tests drive: Segment's clients, axe
	@.ci/setup peers

setup: $(VENV)/.ready ## build the environment for working on the project

lint: setup ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build-static: static/node_modules ## build the script from static/src (npm)
	cd static && npm run --silent build

check-static: static/node_modules ## check the script's types, and fail when static/dist is not what static/src gives
	cd static && npm run --silent check

clean: ## remove what these targets have built
	rm -rf $(VENV) static/node_modules tests/segment/node/node_modules tests/server/dashboard/node/node_modules build dist .cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.ready: pyproject.toml
	@.ci/setup environment dev
	@touch $@ $(VENV)/.demo

$(VENV)/.demo: pyproject.toml
	@.ci/setup environment server,django
	@touch $@

static/node_modules: static/package-lock.json
	@.ci/setup node
	cd static && npm ci --silent --no-audit --no-fund
	@touch $@
