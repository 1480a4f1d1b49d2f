# Two promises: `make demo` (sets up, then sorts and finds real images by words) and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# tests run on two processes; PARALLEL= runs them one after the other
PARALLEL ?= -n 2 --dist worksteal
EVERYWHERE := -m "not slow and not gpu and not browser"
CODE := src tests examples recipes benchmarks docs

.DEFAULT_GOAL := help
.PHONY: help demo examples test test-precisions test-pillow test-slow test-gpu test-browser lint docs results

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(BIN)/python pyproject.toml
	$(PIP) -e '.[search]'
	touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e '.[dev]'
	touch $@ $(VENV)/.base

demo: $(VENV)/.base ## set up, then sort and find the bundled images by words
	$(BIN)/wordsight demo

examples: $(VENV)/.base ## run the scripts of examples/
	set -e; for script in examples/*.py; do echo "== $$script"; $(BIN)/python $$script; done

test: $(VENV)/.dev lint ## lint, types and the tests that run everywhere
	$(BIN)/python -m pytest $(EVERYWHERE) $(PARALLEL)
	@echo "Each SKIPPED line above says what that test needs; tests on real data need WORDSIGHT_DATA=FOLDER."
	@echo "Deselected, and run by: make test-slow, make test-gpu, make test-browser."

# bf16 only where the processor multiplies it natively
test-precisions: $(VENV)/.dev ## the tests with every "auto" precision forced to float32, and to bf16
	WORDSIGHT_PRECISION=f32 $(BIN)/python -m pytest $(EVERYWHERE) $(PARALLEL)
	if $(BIN)/python -c "from wordsight.encoder.openvino.encoder import processor_precisions as p; raise SystemExit('bf16' not in p())"; then \
	  WORDSIGHT_PRECISION=bf16 $(BIN)/python -m pytest $(EVERYWHERE) $(PARALLEL); fi

# Gradio holds Pillow below 13, the rest takes the newest
test-pillow: $(VENV)/.dev ## the tests with the newest Pillow
	$(PIP) --no-deps --upgrade --target $(VENV)/newest-pillow pillow
	PYTHONPATH=$(VENV)/newest-pillow $(BIN)/python -m pytest $(EVERYWHERE) $(PARALLEL)

test-slow: $(VENV)/.dev ## tests that take minutes or much memory
	$(BIN)/python -m pytest -m slow

test-gpu: $(VENV)/.dev ## tests that need a CUDA GPU
	$(BIN)/python -m pytest -m gpu

test-browser: $(VENV)/.dev ## tests that need a browser
	$(BIN)/python -m pytest -m browser

lint: $(VENV)/.dev ## style, formatting and types
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy

docs: $(VENV)/.dev ## write what is generated, build the site
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict

results: $(VENV)/.dev ## measure the bundled model, and write docs/results.md
	$(BIN)/python docs/results.py
