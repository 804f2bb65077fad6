# Two commands do all the set-up:
#   make benchmark    the comparison table of R3D and its baseline, on the embedded data set
#   make test         the whole test suite; `make coverage` also says which lines it runs
# Python 3.11 or newer and make are enough. PYTHON=python3.12 picks an interpreter, VENV=path another
# environment, PIP="uv pip" another installer.

PYTHON ?= python3
VENV ?= .venv
PIP ?= $(VENV)/bin/pip
MODELS ?= r3d,vae_gan_baseline
# pytest's workers; each is one process with one thread
JOBS ?= auto

RUN = $(VENV)/bin/python
INSTALL = $(PIP) install --disable-pip-version-check

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help benchmark test coverage lint format install install-dev clean

help:
	@echo "make benchmark   set up and print the table of $(MODELS)"
	@echo "make test        set up and run every test"
	@echo "make coverage    the same, and which lines they run; a third longer"
	@echo "make lint        ruff check, ruff format --check, mypy"
	@echo "make format      let ruff mend what it can"
	@echo "make clean       remove caches and build output; the environment and the results stay"

benchmark: install
	$(RUN) -m benchmarks.run --models $(MODELS) $(ARGS)

test: install-dev
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(JOBS) $(ARGS)

coverage: install-dev
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(JOBS) --cov --cov-report=term $(ARGS)

lint: install-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy zoo benchmarks datasets

format: install-dev
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

# The stamps are as new as the last installation: nothing is installed again until the requirements change.
$(VENV)/.installed: setup.cfg setup.py pyproject.toml | $(VENV)/bin/python
	$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: setup.cfg setup.py pyproject.toml | $(VENV)/bin/python
	$(INSTALL) -e ".[dev]"
	@touch $@ $(VENV)/.installed

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "R3D zoo needs Python 3.11 or newer, and $(PYTHON) is `$(PYTHON) -V 2>&1`;" \
	       "name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage .coverage.*
	find zoo benchmarks datasets tests -name __pycache__ -prune -exec rm -rf {} +
