# Everything runs in a virtual environment of the project's own. PYTHON chooses the interpreter (3.11 or later).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
# Where `make sbom` writes.
SBOM ?= dist/b2m-cds-service.cdx.json
# Tests run on every core; JOBS=0 runs them one after the other.
JOBS ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo test gates check serve bench sbom clean

help:
	@echo "make demo    real patients through the service, their cards in the terminal (ARGS=--once stops by itself)"
	@echo "make test    every test"
	@echo "make gates   format, lint, types, import contracts"
	@echo "make check   the gates, then the tests with coverage: what CI runs"
	@echo "make bench   figures beside other services (ARGS=compare; without ARGS it lists what there is)"
	@echo "make serve   the service on loopback, port 8000"
	@echo "make sbom    the software bill of materials of what the Dockerfile installs (CycloneDX), its licences checked"
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
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

bench: $(VENV)/.installed
	@$(BIN)/python -m bench $(ARGS)

gates: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# An environment of its own, so that the bill holds what is installed to run the service, and nothing that tests it.
sbom: $(VENV)/.installed
	@rm -rf $(VENV)/runtime && $(BIN)/python -m venv --without-pip $(VENV)/runtime && mkdir -p $(dir $(SBOM))
	@$(BIN)/python -m pip --python $(VENV)/runtime/bin/python install --quiet --disable-pip-version-check \
	  --constraint constraints.txt '.[postgresql]'
	@$(BIN)/cyclonedx-py environment $(VENV)/runtime/bin/python --pyproject pyproject.toml --output-reproducible \
	  --output-format JSON --spec-version 1.6 --validate --output-file $(SBOM)
	@$(BIN)/python -m tests.sbom $(SBOM)

check: gates
	$(MAKE) test ARGS="--cov --cov-report=term $(ARGS)"
	$(BIN)/coverage report --include='cds_service/knowledge/*,cds_service/fhir/*' --fail-under=100

clean:
	rm -rf $(VENV)
