# demo and test are the two words to know; each does all of its own set-up on a fresh Debian or Ubuntu machine.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAMPLE := samples/learned-then-suppressed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo test lint bench system clean

help:  ## what there is to make
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/.package  ## analyze a sample of six hosts and draw its timeline
	$(BIN)/evpn-pcap analyze $(SAMPLE)
	$(BIN)/evpn-pcap plot timeline $(SAMPLE) -o out/timeline.svg
	@echo
	@echo "The timeline of the sample: $(CURDIR)/out/timeline.svg"

test: lint  ## lint, then all tests
	$(BIN)/python -m pytest

lint: $(VENV)/.tools  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.tools  ## side by side with tcpdump and tshark, in one run
	$(BIN)/python benchmarks/run.py

clean:  ## remove what make has made
	rm -rf $(VENV) out build dist

# What pip cannot bring: tshark (for the tests and --reader tshark, never for analyze) and Debian's venv module.
system:
	@missing=""; \
	command -v tshark >/dev/null 2>&1 || missing="tshark"; \
	$(PYTHON) -c 'import ensurepip' >/dev/null 2>&1 || missing="$$missing python3-venv"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; \
	else \
	  echo "not installed, and only root can: $$missing (without tshark the tests that compare with it are skipped)" >&2; \
	fi

$(VENV)/bin/python: | system
	$(PYTHON) -m venv $(VENV)

$(VENV)/.package: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e .
	touch $@

$(VENV)/.tools: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[test,dask,compression]'
	touch $@ $(VENV)/.package
