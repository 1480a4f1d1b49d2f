# Two promises: `make demo` (sets up, then sorts and finds real images by words) and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# tests run on two processes; PARALLEL= runs them one after the other
PARALLEL ?= -n 2 --dist worksteal

.PHONY: demo test test-precisions test-slow test-gpu lint docs

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(BIN)/python pyproject.toml
	$(PIP) -e '.[search]'
	touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e '.[dev]'
	touch $@ $(VENV)/.base

demo: $(VENV)/.base
	$(BIN)/wordsight demo

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -m "not slow and not gpu" $(PARALLEL)

# the suite with every "auto" precision forced to float32, and to bf16 where the processor multiplies it natively
test-precisions: $(VENV)/.dev
	WORDSIGHT_PRECISION=f32 $(BIN)/python -m pytest -m "not slow and not gpu" $(PARALLEL)
	if $(BIN)/python -c "from wordsight.encoder.openvino import processor_precisions as p; raise SystemExit('bf16' not in p())"; then \
	  WORDSIGHT_PRECISION=bf16 $(BIN)/python -m pytest -m "not slow and not gpu" $(PARALLEL); fi

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

test-gpu: $(VENV)/.dev
	$(BIN)/python -m pytest -m gpu

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests recipes benchmarks docs
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict
