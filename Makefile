# Everything is set up inside this checkout: .venv for the environment, .cache for what the tools keep, and Python's bytecode.

VENV = .venv
PYTHON_VERSION =
PYTHON_VERSIONS = 3.11 3.12 3.13
CHAOS =
PYTHON = $(VENV)/bin/python
CASES = 100000
PYTEST = $(PYTHON) -m pytest --numprocesses=2 --dist=worksteal --hypothesis-profile=ci --randomly-seed=$(SEED)
SEED = 1
SEEDS = 2 3
PIP_INSTALL = $(PYTHON) -m pip install -qq --constraint constraints.txt
PROJECT_INSTALL = $(PIP_INSTALL) --build-constraint constraints.txt --editable

PIP_CACHE_DIR ?= $(CURDIR)/.cache/pip
export PIP_CACHE_DIR
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1
export PIP_ROOT_USER_ACTION = ignore
export HYPOTHESIS_STORAGE_DIRECTORY = $(CURDIR)/.cache/hypothesis
export PYRIGHT_PYTHON_IGNORE_WARNINGS = 1
export NO_MKDOCS_2_WARNING = 1
# The tests start hundreds of processes, each of which would compile everything anew if no bytecode was kept.
unexport PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX

comma = ,
heading = @printf '\n== %s\n' '$(1)'

.NOTPARALLEL:
.PHONY: help demo demo-dashboard docs pictures test test-long test-all test-lowest lint format types bench fleet faults on-call chaos leak-hunt fuzz mutation
.PHONY: proof dist constraints clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.demo ## the whole story against an embedded Prio API, in half a minute
	@$(PYTHON) -m prio_middleware.demo

demo-dashboard: $(VENV)/.demo ## a busy application and its status page, until Ctrl-C
	@$(PYTHON) -m scripts.demo_dashboard

docs: $(VENV)/.docs $(VENV)/.test ## the documentation as a site, in .cache/site, with pictures of a new run with faults: two minutes
	@$(PYTHON) -m mkdocs build --strict --quiet
	@$(PYTHON) -m scripts.pictures .cache/site/images
	@echo 'To read it: $(PYTHON) -m http.server --bind 127.0.0.1 --directory .cache/site'

pictures: $(VENV)/.test ## the same pictures for the checkout, in docs/images
	@$(PYTHON) -m scripts.pictures docs/images

test: lint $(VENV)/.test ## lint, types, and the tests with full branch coverage
	$(call heading,pytest --cov$(comma) beside mypy --strict and pyright)
	@mkdir -p .cache; $(MAKE) --no-print-directory types >.cache/types.log 2>&1 & types=$$!; \
		$(PYTEST) --cov; tests=$$?; wait $$types; types=$$?; cat .cache/types.log; exit $$((tests + types))

test-long: $(VENV)/.test .cache/oidc-provider/.installed .cache/compat/.installed ## what takes minutes: real servers, faults, chaos, states, leaks, every kind of client
	$(call heading,pytest in other orders$(comma) with every kind of client)
	@for seed in $(SEEDS); do $(PYTEST) --every-kind --randomly-seed=$$seed || exit; done
	$(call heading,pytest tests/long)
	@$(PYTEST) tests/long

test-all: ## the same on every Python 3.11 to 3.13 of this machine
	@scripts/test_all $(PYTHON_VERSIONS)

test-lowest: ## the tests' core with the lowest versions that pyproject.toml allows
	@scripts/test_lowest

lint: $(VENV)/.test ## ruff: rules and format; plain words in docstrings and comments
	$(call heading,ruff check)
	@$(PYTHON) -m ruff check
	$(call heading,ruff format --check)
	@$(PYTHON) -m ruff format --check
	$(call heading,words of docstrings and comments)
	@$(PYTHON) -m scripts.check_words

types: $(VENV)/.test ## mypy (strict) and pyright, side by side
	$(call heading,mypy --strict and pyright)
	@$(PYTHON) -m mypy & $(PYTHON) -m pyright --pythonpath $(PYTHON); pyright=$$?; wait $$! && exit $$pyright

format: $(VENV)/.test ## format the code and mend what ruff can
	@$(PYTHON) -m ruff check --fix
	@$(PYTHON) -m ruff format

bench: $(VENV)/.test ## what it costs, beside the same without this library and beside its peers: half an hour
	@$(PYTHON) benchmarks/overhead.py
	@$(PYTHON) -m benchmarks.telemetry
	@$(PYTHON) -m benchmarks.judging
	@$(PYTHON) benchmarks/import_time.py
	@$(PYTHON) -m benchmarks.many_clients
	@$(PYTHON) -m benchmarks.accounts
	@$(PYTHON) -m benchmarks.peers

fleet: $(VENV)/.test ## a fleet with one token and without: 10,000 processes for a day in virtual time, then 50 real ones
	@$(PYTHON) -m benchmarks.fleet

faults: $(VENV)/.test ## every fault of server and network, for every kind of client: what happened, as a table
	@$(PYTHON) -m tests.long.e2e.faults

on-call: $(VENV)/.test ## a real Prometheus, faults one after another, and the alert that fires for each: four minutes
	@$(PYTHON) -m tests.long.integrations.prometheus.on_call

chaos: $(VENV)/.test ## a minute of everything going wrong at once; CHAOS='--minutes 30 --seed 7' for another one
	@$(PYTHON) -m tests.long.chaos $(CHAOS)

leak-hunt: $(VENV)/.test ## secrets and tokens through every feature, looked for wherever they could be seen: a table
	@$(PYTHON) -m tests.long.hunt

fuzz: $(VENV)/.fuzz ## fuzzing guided by coverage; `make fuzz CASES=1000000` for the long form
	@$(PYTHON) -m scripts.fuzz --cases $(CASES)

mutation: $(VENV)/.mutation ## mutants of the pipeline, the components and the tokens: which of them no pure test notices, and why
	@$(PYTHON) -m scripts.mutation
	@$(PYTHON) -m scripts.mutation_report

proof: $(VENV)/.test $(VENV)/.fuzz $(VENV)/.mutation ## all the long proofs, one after another, onto docs/proof.md: about two hours
	@$(PYTHON) -m scripts.proof

dist: $(VENV)/.dist ## the commit as sdist and wheel, built twice and compared, with a bill of materials
	@scripts/dist $(PYTHON)

constraints: ## renew constraints.txt, the newest versions of everything the tests need, and constraints-lowest.txt
	@scripts/renew_constraints

clean: ## remove everything that was set up or built
	rm -rf .venv .venv-* .cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made: scripts/make_venv
	@scripts/make_venv $(VENV) $(PYTHON_VERSION)

$(VENV)/.pip: $(VENV)/.made constraints.txt
	@echo "Setting up $(VENV) with $$($(PYTHON) -V), once:"
	@$(PIP_INSTALL) pip
	@touch $@

$(VENV)/.demo: $(VENV)/.pip pyproject.toml
	@echo "  installing prio-middleware and its sandbox ..."
	@$(PROJECT_INSTALL) '.[cli,httpx2,sandbox]'
	@touch $@

$(VENV)/.docs: $(VENV)/.pip pyproject.toml
	@echo "  installing what makes the documentation ..."
	@$(PROJECT_INSTALL) . --group docs
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@echo "  installing the tools for tests and types ..."
	@$(PROJECT_INSTALL) '.[cli,file,httpx2,redis,sandbox,testing]' --group dev
	@touch $@

$(VENV)/.fuzz: $(VENV)/.test
	@$(PIP_INSTALL) atheris
	@touch $@

$(VENV)/.mutation: $(VENV)/.test
	@$(PIP_INSTALL) mutmut
	@touch $@

$(VENV)/.dist: $(VENV)/.pip
	@$(PIP_INSTALL) build cyclonedx-bom hatchling
	@touch $@

.cache/oidc-provider/.installed: tests/long/interop/oidc_provider/package.json scripts/install_oidc_provider $(VENV)/.test
	@echo "  installing oidc-provider, for the tests with servers that nobody here wrote ..."
	@scripts/install_oidc_provider $(PYTHON) .cache/oidc-provider

.cache/compat/.installed: tests/compat/requirements.txt constraints.txt pyproject.toml scripts/install_compat $(VENV)/.test
	@echo "  installing the packages that are used beside this one, in an environment of their own ..."
	@scripts/install_compat $(PYTHON) .cache/compat
