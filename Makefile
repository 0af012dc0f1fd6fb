# release-ledger: make demo, make test, make lint, make bench.
#
# Everything lives in .venv, made at first use from python3 (or from what PYTHON names).
# After that nothing needs the network. README.md says what each target shows.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Two workers: the suite is measured against two cores.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint unit faults bench man clean

help:
	@echo "make demo   an upgrade from nothing to a record, on a made-up installation"
	@echo "make test   lint, then every test"
	@echo "make lint   ruff, mypy, import contracts"
	@echo "make faults every command broken at every write, in every way: about two hours"
	@echo "make bench  the budgets, as ratios"
	@echo "make man    the manual page, from the table of commands"
	@echo "make clean  remove what make made"

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "release-ledger needs Python 3.11 or later; name one: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
	  || { echo "this Python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV)" >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[postgres,test]'
	@touch $@

demo: $(READY)
	@rm -rf demo-out
	@$(BIN)/python -m demo.walk demo-out

test: lint unit

unit: $(READY)
	@COVERAGE_FILE=$(VENV)/coverage $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal \
	  --cov=ledger.domain --cov=ledger.tlog --cov-branch --cov-fail-under=100 --cov-report=term-missing:skip-covered

faults: $(READY)
	@$(BIN)/python -m tests.faults
	@RELEASE_LEDGER_ALL_FAULTS=1 $(BIN)/python -m pytest -n $(WORKERS) tests/faults/test_strace.py \
	  tests/faults/test_random_kills.py tests/lab/test_node_faults.py
	@$(BIN)/python -m tests.lab.killing

lint: $(READY)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "not formatted: run $(BIN)/ruff format ." >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > $(VENV)/imports.txt 2>&1 || { cat $(VENV)/imports.txt; exit 1; }
	@echo "lint: ruff, mypy and import contracts have nothing to say"

bench: $(READY)
	@$(BIN)/python -m benchmarks

man: $(READY)
	@$(BIN)/python -m cli.man_page > docs/man/release-ledger.1

clean:
	rm -rf $(VENV) demo-out build dist *.egg-info .hypothesis
	rm -rf .mypy_cache .ruff_cache .import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
