PYTHON ?= $(shell command -v python3.11 || echo python3)
BIN := .venv/bin

.PHONY: install up test check chaos compat fuzz bench-retrieval bench-grounding lint types layers clean

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m compileall -q agent api cli workers
	touch $@

up: install
	$(BIN)/cuelight up --documents README.md --documents docs

test: install
	$(BIN)/pytest -n 4

# Real processes, real engines, faults drawn from a seed, and an auditor that knows none of our code. See tests/chaos/.
SEED ?= 1
MINUTES ?= 20
RATE ?= 30
OUT ?= chaos-report
chaos: install
	$(BIN)/python -m tests.chaos --seed $(SEED) --minutes $(MINUTES) --rate $(RATE) --out $(OUT)

# Other people's libraries against the service, in an environment of their own. See tests/compat/.
compat: .venv-compat/.installed
	.venv-compat/bin/pytest -o filterwarnings=default -o asyncio_default_test_loop_scope=session \
		-o asyncio_default_fixture_loop_scope=session tests/compat

.venv-compat/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-compat
	.venv-compat/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[dev,compat]'
	touch $@

# Requests that nobody would send on purpose, drawn from a seed, against a real door. See tests/fuzz/.
BODIES ?= 10000
EXAMPLES ?= 60
fuzz: install .venv-fuzz/.installed
	$(BIN)/python -m tests.fuzz --seed $(SEED) --bodies $(BODIES) --examples $(EXAMPLES)

.venv-fuzz/.installed: tests/fuzz/requirements.txt
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/pip install --quiet --disable-pip-version-check --requirement tests/fuzz/requirements.txt
	touch $@

# How well and how fast search finds, a line for each file; any SQuAD-shaped files in any language will do.
XQUAD ?= $(wildcard ../shared/data/xquad.*.json)
bench-retrieval: install
	$(BIN)/python -m bench.retrieval $(XQUAD)

# How many lies the checks of an answer stop, and how many honest answers they let through.
bench-grounding: install
	$(BIN)/python -m bench.grounding $(XQUAD)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv .venv-compat .venv-fuzz .schemathesis .cuelight
