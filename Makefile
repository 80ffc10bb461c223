# What to do with this checkout. `make demo` and `make test` set up all they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_INDEX := .fathom/demo
BENCH_INDEX := .fathom/bench

FRAMEWORKS := $(VENV)/frameworks

.PHONY: demo test frameworks lint bench tune report lock clean

# Pinned, with hashes. An environment made for tests serves the demo as well.
$(VENV)/.cpu: pyproject.toml locks/cpu.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Fathom needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "setting up $(VENV) (a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r locks/cpu.txt
	@$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.cpu locks/dev.txt
	@$(BIN)/python -m pip install --quiet --require-hashes -r locks/dev.txt
	@touch $@

demo: $(VENV)/.cpu
	@$(BIN)/python -m benchmarks.demo --index $(DEMO_INDEX)

test: $(VENV)/.dev
	$(BIN)/python -m pytest

# The client's retrievers in the frameworks they are for, which lie beside the environment: nothing else needs them.
$(FRAMEWORKS)/.done: $(VENV)/.dev locks/frameworks.txt
	@rm -rf $(FRAMEWORKS)
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps --target $(FRAMEWORKS) -r locks/frameworks.txt
	@touch $@

frameworks: $(FRAMEWORKS)/.done
	PYTHONPATH=$(CURDIR)/$(FRAMEWORKS) $(BIN)/python -m pytest tests/client

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.bars --index $(BENCH_INDEX)

# Both need the sets: FATHOM_DATA names the folder of those in BEIR layout, the packages are fetched once.
tune: $(VENV)/.dev
	$(BIN)/python -m benchmarks.sources tests/data/questions
	$(BIN)/python -m benchmarks.tune --ablate --data "$(FATHOM_DATA)"
	$(BIN)/python -m benchmarks.calibrate

report: $(VENV)/.dev
	$(BIN)/python -m benchmarks.sources tests/data/questions
	$(BIN)/python -m benchmarks.report --data "$(FATHOM_DATA)"

lock:
	uv pip compile -q pyproject.toml --extra cpu --extra web --extra mcp --extra elasticsearch --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o locks/cpu.txt
	uv pip compile -q pyproject.toml --extra cpu --extra web --extra mcp --extra elasticsearch --extra dev --extra ray --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o locks/dev.txt
	uv pip compile -q client/pyproject.toml --all-extras -c locks/dev.txt --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -o locks/frameworks.txt
	echo 'hatchling>=1.27' | uv pip compile -q - --universal --python-version 3.12 --generate-hashes --no-emit-index-url --no-header --no-annotate -o docker/build.txt
	uv pip compile -q pyproject.toml docker/gpu.in --extra web --extra mcp --extra elasticsearch --python-platform x86_64-manylinux_2_28 --python-version 3.12 --generate-hashes --no-emit-index-url --no-header --no-annotate -o docker/gpu.txt

clean:
	rm -rf .fathom build dist *.egg-info
