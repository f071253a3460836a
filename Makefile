# `make` prints what there is. Needs Python 3.11 or newer, make and a package registry; everything else is fetched.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Two workers; they share one PostgreSQL. Another number: make test JOBS=4
JOBS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo run serve test test-all check format bench docs protocols lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with everything in it (again only when the versions change)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; set PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(READY) ## index the recorded chain in demo/ and show it at http://127.0.0.1:8000/ (no network)
	$(BIN)/leverage demo

run: $(READY) ## follow the chains of leverage.toml
	$(BIN)/leverage run

serve: $(READY) ## the HTTP API on what is indexed
	$(BIN)/leverage serve

test: $(READY) ## every test but the slow and the live ones
	$(BIN)/pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not slow and not live"

test-all: $(READY) ## every test that needs no real node
	$(BIN)/pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not live"

check: $(READY) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict indexer api
	$(BIN)/lint-imports

format: $(READY) ## put the code into the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## measure against the floors of this machine
	$(BIN)/python -m bench

docs: $(READY) ## write the generated pages again (docs/data-model.md)
	$(BIN)/python -m tools.make_docs

protocols: $(READY) ## run the tests of recordings and write docs/protocols.md from what they compared
	$(BIN)/python -m tools.make_protocols

lock: $(READY) ## write the installed versions to requirements.lock
	@{ sed -n '/^#/p' requirements.lock; $(BIN)/python -m pip freeze --exclude-editable --exclude leverage-indexer; } > requirements.lock.new
	@mv requirements.lock.new requirements.lock

clean: ## remove what was made, but not .venv and not leverage-data
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
