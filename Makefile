# Thin over `uv run concierge` and `uv run pytest`; brings its own uv where the machine has none.
CACHE ?= .cache
UV_VERSION := 0.13.9
UV := $(shell command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1 && echo uv || echo $(CACHE)/uv/bin/uv)
PYTHON ?= python3

.PHONY: run test check lint types setup bench clean

run: setup
	$(UV) run --frozen concierge

test: setup
	$(UV) run --frozen pytest

setup: $(if $(filter uv,$(UV)),,$(UV))
	$(UV) sync --frozen

$(CACHE)/uv/bin/uv:
	$(PYTHON) -m venv $(CACHE)/uv
	$(CACHE)/uv/bin/pip install --quiet "uv==$(UV_VERSION)"

lint: setup
	$(UV) run --frozen ruff check .
	$(UV) run --frozen ruff format --check .

types: setup
	$(UV) run --frozen mypy

check: lint types test

bench: setup
	$(UV) run --frozen python -m benchmarks

clean:
	rm -rf $(CACHE) .venv
