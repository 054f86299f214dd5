PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin

.PHONY: install up test check chaos lint types layers clean

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

up: install
	$(BIN)/cuelight up --documents README.md --documents docs

test: install
	$(BIN)/pytest -n 3 --dist loadgroup

# Real processes, real engines, faults drawn from a seed, and an auditor that knows none of our code. See tests/chaos/.
SEED ?= 1
MINUTES ?= 20
RATE ?= 30
OUT ?= chaos-report
chaos: install
	$(BIN)/python -m tests.chaos --seed $(SEED) --minutes $(MINUTES) --rate $(RATE) --out $(OUT)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv .cuelight
