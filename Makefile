# Everything runs in .venv at the root, which each target sets up for itself and reuses.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet -c constraints.txt
# Two workers suit two cores; the array libraries' own threads would fight.
WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest
SPHINX := $(BIN)/python -m sphinx -W --keep-going -n -q

.PHONY: help demo test env-demo env-test lint types imports tests doctests docs wheel clean

help:
	@echo "make demo   train the 20-layer network that starts at zero, with and without noise"
	@echo "make test   lint, types, import rules, tests, doctests, docs, wheel"
	@echo "make docs   the documentation, in docs/_build/html"
	@echo "make clean  remove what the other targets made, .venv included"

demo: env-demo
	$(BIN)/gradnoise reproduce zero-init $(ARGS)

test: lint types imports tests doctests docs wheel

# A stamp is newer than what it was made from, so an environment is set up once.
env-demo: $(VENV)/.demo
env-test: $(VENV)/.test

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; run: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[models]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[models,torch,jax,test,docs]'
	@touch $@ $(VENV)/.demo

lint: env-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: env-test
	$(BIN)/mypy

imports: env-test
	$(BIN)/lint-imports

tests: env-test
	$(PYTEST) -n $(WORKERS) --dist worksteal

doctests: env-test
	$(PYTEST) --doctest-modules -q gradnoise_core backends/gradnoise_backends/numpy.py reference_models

docs: env-test
	$(SPHINX) -b html docs docs/_build/html
	$(SPHINX) -b doctest docs docs/_build/doctest

wheel: env-test
	$(BIN)/python tools/check_wheel.py

clean:
	rm -rf $(VENV) dist docs/_build docs/api/generated results .mypy_cache .pytest_cache .ruff_cache
