# Everything runs in a virtual environment of the project's own. PYTHON chooses the interpreter (3.11 or later).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check serve bench clean

help:
	@echo "make demo    real patients through the service, their cards in the terminal (ARGS=--once stops by itself)"
	@echo "make test    every test"
	@echo "make check   format, lint, types, import contracts, tests with coverage: what CI runs"
	@echo "make bench   side by side with a bare Flask echo; figures as ratios"
	@echo "make serve   the service on loopback, port 8000"
	@echo "make clean   remove the virtual environment"

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); Python 3.11 or later is needed. Name one: make PYTHON=python3.11 ..."; exit 1; }
	@echo "Setting up $(VENV) (once, about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	@$(BIN)/cds-service demo $(ARGS)

serve: $(VENV)/.installed
	@$(BIN)/cds-service serve $(ARGS)

test: $(VENV)/.installed
	@$(BIN)/python -m pytest $(ARGS)

bench: $(VENV)/.installed
	@$(BIN)/python -m bench $(ARGS)

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)
	$(BIN)/coverage report --include='cds_service/knowledge/*,cds_service/fhir/*' --fail-under=100

clean:
	rm -rf $(VENV)
