# Nothing but Python >= 3.11, make and a package index is needed beforehand.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
DEMO ?= demo
STAMP := $(VENV)/.installed
COMPILED := build/compiled
# With it, every process that a test starts would compile anew all that it imports.
unexport PYTHONDONTWRITEBYTECODE
# Five workers for two cores: tests wait for sockets, disks, leases and processes for most of their time.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(-(-5 * len(os.sched_getaffinity(0)) // 2))' 2>/dev/null || echo 5)
# Tests write their files into memory where there is room for them: on a disk they wait for syncs that nobody needs.
SCRATCH ?= $(shell $(PYTHON) .ci/scratch.py 2>/dev/null)
PYTEST = $(if $(SCRATCH),TMPDIR=$(SCRATCH) )$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo demo-cluster fast test exhaustive mutants coverage lint types lowest newest sqlite pythons guard wheel image dist lock bench bench-peers bench-report site docs clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/:.*  ## /\t/' | awk -F '\t' '{ printf "  %-12s %s\n", $$1, $$2 }'

$(STAMP): pyproject.toml requirements-dev.lock
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -r requirements-dev.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# The workers of pytest read the same files in the same order: in a fresh clone each would compile all of them. Two
# processes do it once. A test that cannot be read is no failure here; the run itself names it.
$(COMPILED): | $(STAMP)
	@mkdir -p $(@D)
	@$(BIN)/python -m compileall -q xoxo_async
	@for half in tests/unit "tests/contract tests/crash tests/fuzz tests/integration tests/test_*.py"; do \
	  $(BIN)/python -m pytest --collect-only -qq $$half > $(@D)/collected 2>&1 & \
	done; wait
	@touch $@

demo: $(STAMP)  ## issue examples/orders.csv against the sandbox
	@mkdir -p $(DEMO)
	$(BIN)/xoxo bulk run examples/orders.csv --ledger $(DEMO)/orders.db --sandbox
	@echo
	@echo "The ledger is $(DEMO)/orders.db. The codes, masked unless --reveal:"
	@echo "  $(BIN)/xoxo bulk export --ledger $(DEMO)/orders.db --sandbox --out $(DEMO)/codes.csv --reveal"

demo-cluster: $(STAMP)  ## three workers on one job in PostgreSQL, one killed half-way, and the books compared
	$(BIN)/python .ci/demo_cluster.py demo-cluster

# Four for two cores: the fast tests wait less, and each worker collects all tests before it runs its first. They try
# fewer examples of each property; `make test` tries all.
fast: WORKERS = $(shell $(PYTHON) -c 'import os; print(2 * len(os.sched_getaffinity(0)))' 2>/dev/null || echo 4)
fast: lint $(COMPILED)  ## lint, and the unit and contract tests that are not slow and start no database
	$(PYTEST) -m "not slow and not database" --hypothesis-profile=fast $(ARGS) tests/unit tests/contract

test: $(STAMP) $(COMPILED)  ## the whole suite, with a sample of the kill points; some six minutes on two cores
	$(PYTEST) $(ARGS)

exhaustive: $(STAMP)  ## the crash tests with all kill points, and the tests of the night; some forty minutes
	XOXO_EXHAUSTIVE=1 $(PYTEST) $(ARGS) tests/crash tests/unit/bulk/ledger/postgres/test_workers.py
	XOXO_EXHAUSTIVE=1 $(PYTEST) $(ARGS) -m nightly

mutants: $(STAMP)  ## break the ledger's transition table in every small way: a test notices each; some seven minutes
	$(BIN)/python .ci/mutants.py

coverage: $(STAMP)  ## the branches that unit, contract and integration tests take, room by room, against the floor
	rm -rf build/coverage && mkdir -p build/coverage
	@# `coverage run` is there before pytest loads its plugins: ours imports the package.
	$(BIN)/coverage run -m pytest -n $(WORKERS) --dist worksteal -m "not slow" $(ARGS) tests/unit tests/contract tests/integration
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage json --quiet -o build/coverage/coverage.json
	$(BIN)/python .ci/rooms.py build/coverage/coverage.json

lint: $(STAMP)  ## style, form, and the layers of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)  ## mypy and pyright, and that every public name has a type
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/pyright --pythonpath $(BIN)/python
	@# Every public name has a type. Of a copy, since pyright finds no package that is installed as a link.
	@set -e; copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; cp -r xoxo_async "$$copy"; cd "$$copy"; \
	if PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH="$$copy" pyright --ignoreexternal --verifytypes xoxo_async > report; \
	then grep "completeness" report; else cat report; exit 1; fi

lowest:  ## run the command and a bulk run under the lowest versions that pyproject.toml admits; some seven minutes
	$(PYTHON) .ci/lowest.py

newest:  ## run the tests of the network under the newest aiohttp
	.ci/newest

# test_failures names error codes that the wheel's module does not list.
sqlite: $(STAMP)  ## run the ledger's tests with SQLite 3.46, for which some bytes are binary JSON; some fifteen seconds
	PYTHONPATH=tests/another_sqlite $(PYTEST) -m "not slow" -k "not postgres" --ignore tests/unit/bulk/ledger/sqlite/test_failures.py \
	  $(ARGS) tests/unit/bulk/ledger/sqlite tests/unit/bulk/ledger/conformance

pythons:  ## run the tests under Python 3.11 to 3.14, those that are to be had
	.ci/pythons 3.11 3.12 3.13 3.14

guard: $(STAMP)  ## an order costs what it did: instructions, or with ARGS=--cpu CPU time, beside a hand-written one; a minute
	$(BIN)/python .ci/guard.py $(ARGS)

wheel: dist  ## install the built wheel in a venv of its own, and run its command
	.ci/wheel

image:  ## build the container image where there is a builder, and run its command with a read-only root
	.ci/image

dist: $(STAMP)  ## build the sdist and the wheel into dist/, and check what an index would show of them
	rm -rf dist
	$(BIN)/python -m hatchling build
	$(BIN)/twine check --strict dist/*

lock: $(STAMP)  ## write requirements-dev.lock anew; ARGS=--upgrade takes the newest versions
	$(PIP) install uv
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-config --extra dev --extra docs $(ARGS) -o requirements-dev.lock pyproject.toml

bench: $(STAMP)  ## one table a benchmark, in an hour on an idle machine; ARGS=--quick only runs them; see benchmarks/README.md
	@failed=; for bench in benchmarks/bench_*.py; do timeout 2700 $(BIN)/python $$bench $(ARGS) || failed="$$failed $$bench"; done; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

bench-peers: $(STAMP)  ## what the benchmarks compare with; the generated client needs Java
	$(PIP) install httpx orjson pydantic requests openapi-generator-cli
	rm -rf build/peers && mkdir -p build/peers
	$(BIN)/openapi-generator-cli generate -i benchmarks/plum_openapi.yml -g python --library asyncio \
	  --package-name plum_openapi -o build/peers/plum_openapi > build/peers/log 2>&1 \
	  && $(PIP) install build/peers/plum_openapi \
	  || echo "no client could be generated (is there a Java?): the others are compared with all the same"

bench-report: $(STAMP)  ## run all benchmarks, keep the results, and write docs/explanation/speed.md; an hour on an idle machine
	-$(MAKE) bench-peers
	$(BIN)/python benchmarks/runs.py $(ARGS)
	$(BIN)/python benchmarks/page.py $(filter --quick,$(ARGS))

site: $(STAMP)  ## build docs/ into site/, warnings as errors; writes docs/llms.txt first
	$(BIN)/python .ci/llms.py
	$(BIN)/zensical build --strict --clean

docs: site  ## build the pages, and run every block of them
	$(PYTEST) $(ARGS) tests/test_readme.py

clean:  ## remove what these targets have made
	find benchmarks examples tests xoxo_async -name __pycache__ -prune -exec rm -rf {} +
	rm -rf $(VENV) .venv-* $(DEMO) demo-cluster site dist build .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
