# The few commands a person types. `make` alone lists them.
# PYTHON=/path/to/python3 chooses the interpreter; else the newest one that works is found by trying.

PY := .venv/bin/python
NOX := .venv/bin/nox --parallel 2 --tags

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test test-all lint unit integration sanity bench fuzz docs format clean

help: ## This list
	@echo "make COMMAND"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1 \2/p' Makefile | awk '{ name = $$1; $$1 = ""; printf "  %-12s%s\n", name, $$0 }'

setup: ## Make .venv and link the collection, so that its playbooks run from this checkout
	@sh tools/setup.sh runtime

setup-dev:
	@sh tools/setup.sh dev

demo: setup ## Audit the demo hospital and write report/index.html (DEMO_ARGS=… for the demo's options)
	@$(PY) tests/lab/demo.py $(DEMO_ARGS)

test: setup-dev ## Before each commit: lint, types, unit tests, sanity, the demo hospital, real servers; sets everything up
	@$(PY) tools/verdict.py test

test-all: setup-dev ## And all the rest: the other ansible-core and Python, real gateways, every role's scenarios, fuzz, docs
	@$(PY) tools/verdict.py test-all

lint: setup-dev ## ruff, mypy, yamllint, ansible-lint, changelog, generated pages
	@$(NOX) lint

unit: setup-dev ## Unit tests, with both supported ansible-core versions
	@$(NOX) unit

integration: setup-dev ## The demo hospital, real servers, gateways and scenarios
	@$(NOX) integration

sanity: setup-dev ## ansible-test sanity, with both supported ansible-core versions
	@$(NOX) sanity

bench: setup-dev ## Measure what a visit and an audit cost (BENCH_ARGS=… for its options)
	@if [ -f tests/bench/run.py ]; then $(PY) tests/bench/run.py $(BENCH_ARGS); else echo "There is no benchmark yet."; fi

fuzz: setup-dev ## Hostile bytes for every parser on all cores, 10 minutes (FUZZ_ARGS="--minutes 60" for more)
	@$(PY) tests/fuzz/run.py $(FUZZ_ARGS)

docs: setup-dev ## Write the generated pages again: checks, policy, changelog
	@$(PY) tools/generate_docs.py

format: setup-dev ## Let ruff mend what it can
	@$(PY) -m ruff check --fix --quiet . ; $(PY) -m ruff format --quiet .

clean: ## Remove what these commands made, but no report
	rm -rf .venv .venv-other .nox collections .ansible .bench .demo .gateways .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/output
