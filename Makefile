# demo and test are the two words to know; each does all of its own set-up on a fresh Debian or Ubuntu machine.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAMPLE := samples/learned-then-suppressed
OUT ?= out/lab
SCENARIOS ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo test lint lab bench bench-clocks system clean

help:  ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/.package  ## analyze a sample of six hosts and draw its timeline
	$(BIN)/evpn-pcap analyze $(SAMPLE)
	$(BIN)/evpn-pcap plot timeline $(SAMPLE) -o out/timeline.svg
	@echo
	@echo "The timeline of the sample: $(CURDIR)/out/timeline.svg"

test: lint | system  ## lint, then all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.tools  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: $(VENV)/.tools | system  ## as root: real fabrics; SCENARIOS="founding busy@six ..." OUT=DIR
	$(BIN)/python -m samples.lab $(SCENARIOS) --out $(OUT) --skew

bench: $(VENV)/.tools  ## side by side with tcpdump and tshark, in one run
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/run_bgp.py

bench-clocks: $(VENV)/.tools  ## clock estimates on simulated hosts, side by side with simpler ones
	$(BIN)/python benchmarks/clocks.py

clean:  ## remove what make has made
	rm -rf $(VENV) out build dist

# What pip cannot bring: tshark (for the tests and --reader tshark, never for analyze), Debian's venv module, and, for
# root only, what the lab runs: FRR's daemons and tools that drive, capture and watch them.
LAB_TOOLS := vtysh:frr nft:nftables arping:iputils-arping ping:iputils-ping ndisc6:ndisc6 tcpdump:tcpdump \
	ip:iproute2 sysctl:procps
system:
	@missing=""; \
	command -v tshark >/dev/null 2>&1 || missing="tshark"; \
	if [ "$$(id -u)" = 0 ]; then for tool in $(LAB_TOOLS); do \
	  command -v $${tool%%:*} >/dev/null 2>&1 || missing="$$missing $${tool#*:}"; \
	done; fi; \
	$(PYTHON) -c 'import ensurepip' >/dev/null 2>&1 || missing="$$missing python3-venv"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; \
	  apt-get install -y -qq --no-install-recommends user-mode-linux kmod \
	    || echo "no user-mode Linux here: the lab's VLAN-aware fabric needs a kernel with VLAN filtering" >&2; \
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
