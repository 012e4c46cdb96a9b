# Nothing but Python >= 3.11, make and a package index is needed beforehand.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs

.PHONY: demo test exhaustive mutants lowest lint types bench bench-peers site docs clean

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## issue examples/orders.csv against the sandbox
	@mkdir -p $(DEMO)
	$(BIN)/xoxo bulk run examples/orders.csv --ledger $(DEMO)/orders.db --sandbox
	@echo
	@echo "The ledger is $(DEMO)/orders.db. The codes, masked unless --reveal:"
	@echo "  $(BIN)/xoxo bulk export --ledger $(DEMO)/orders.db --sandbox --out $(DEMO)/codes.csv --reveal"

test: $(STAMP)  ## the whole suite, in parallel
	$(BIN)/python -m pytest -n auto $(ARGS)

exhaustive: $(STAMP)  ## kill and fail a run at every single write and sync of its ledger; some ten minutes
	XOXO_EXHAUSTIVE=1 $(BIN)/python -m pytest -n auto tests/crash

mutants: $(STAMP)  ## break the ledger's transition table in every small way: a test notices each; some three minutes
	$(BIN)/python .ci/mutants.py

lowest:  ## run the command and a bulk run under the lowest versions that pyproject.toml admits; about a minute
	$(PYTHON) .ci/lowest.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy
	$(BIN)/mypy tests/typing
	$(BIN)/pyright --pythonpath $(BIN)/python
	@# Every public name has a type. Of a copy, since pyright finds no package that is installed as a link.
	@set -e; copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; cp -r xoxo_async "$$copy"; cd "$$copy"; \
	if PATH="$(abspath $(BIN)):$$PATH" PYTHONPATH="$$copy" pyright --ignoreexternal --verifytypes xoxo_async > report; \
	then grep "completeness" report; else cat report; exit 1; fi

bench: $(STAMP)  ## one table a benchmark, in some twenty minutes; ARGS=--quick for one; see benchmarks/README.md
	@for bench in benchmarks/bench_*.py; do timeout 900 $(BIN)/python $$bench $(ARGS) || exit 1; done

bench-peers: $(STAMP)  ## what the benchmarks compare with; the generated client needs Java
	$(BIN)/python -m pip install --quiet --disable-pip-version-check httpx orjson pydantic requests openapi-generator-cli
	rm -rf build/peers && mkdir -p build/peers
	$(BIN)/openapi-generator-cli generate -i benchmarks/plum_openapi.yml -g python --library asyncio \
	  --package-name plum_openapi -o build/peers/plum_openapi > build/peers/log 2>&1 \
	  && $(BIN)/python -m pip install --quiet --disable-pip-version-check build/peers/plum_openapi \
	  || echo "no client could be generated (is there a Java?): the others are compared with all the same"

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@

site: $(DOCS_STAMP)  ## build docs/ into site/, warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs: site  ## build the pages, and run every block of them
	$(BIN)/python -m pytest -n 4 tests/test_readme.py  # most of it is waiting

clean:
	rm -rf $(VENV) .venv-lowest $(DEMO) site dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
