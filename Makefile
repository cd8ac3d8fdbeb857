# Every target needs nothing but Python >= 3.11 and pip: it makes .venv and installs what constraints.txt pins.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: check clean demo docs install lint test

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@echo "installing into .venv; torch is by far the largest package"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --constraint constraints.txt --editable '.[dev]'
	touch $@

# The whole path on a phantom dataset, in the folder demo/: about seven minutes on two CPU cores.
demo: install
	$(BIN)/python -m promise_cli.demo demo

# Linter, types, import contracts and the tests that take a moment each: about three and a half minutes.
check: lint
	$(BIN)/pytest -m "not slow"

# The same with all tests: about ten minutes on two cores.
test: lint
	$(BIN)/pytest --durations=20

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site of docs/ and the Python API, in site/; a warning is an error.
docs: .venv/docs-installed
	$(BIN)/mkdocs build --strict

.venv/docs-installed: .venv/installed
	$(BIN)/pip install --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf .venv demo site
