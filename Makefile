# Both targets need nothing but Python >= 3.11 and pip: they make .venv and install what constraints.txt pins.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test install clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# The whole path on a phantom dataset, in the folder demo/: about seven minutes on two CPU cores.
demo: install
	$(BIN)/python -m promise_cli.demo demo

# Linter, types, import contracts, tests.
test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

clean:
	rm -rf .venv demo
