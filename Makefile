# The few commands a person types. `make` alone lists them.
# PYTHON=/path/to/python3 chooses the interpreter; else the newest one that works is found by trying.

PY := .venv/bin/python
RUN := $(PY) tools/run_tests.py

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test lint unit integration sanity bench fuzz docs format clean

help: ## This list
	@echo "make COMMAND"
	@echo
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  \1 \2/p' Makefile | awk '{ name = $$1; $$1 = ""; printf "  %-12s%s\n", name, $$0 }'

setup: ## Make .venv and link the collection, so that its playbooks run from this checkout
	@sh tools/setup.sh runtime

setup-dev:
	@sh tools/setup.sh dev

demo: setup ## Audit the demo hospital and write report/index.html (DEMO_ARGS=… for the demo's options)
	@$(PY) tests/lab/demo.py $(DEMO_ARGS)

test: setup-dev ## Everything below but bench and fuzz, with all its own set-up; says what was skipped and why
	@$(RUN) lint unit integration sanity

lint: setup-dev ## ruff, mypy, yamllint, ansible-lint, changelog, plugin documentation
	@$(RUN) lint

unit: setup-dev ## Unit tests, with both supported ansible-core versions
	@$(RUN) unit

integration: setup-dev ## The playbook against the demo hospital, from the checkout and installed
	@$(RUN) integration

sanity: setup-dev ## ansible-test sanity, with empty ignore files
	@$(RUN) sanity

bench: setup-dev ## Measure what a visit and an audit cost (BENCH_ARGS=… for its options)
	@if [ -f tests/bench/run.py ]; then $(PY) tests/bench/run.py $(BENCH_ARGS); else echo "There is no benchmark yet."; fi

fuzz: setup-dev ## Hostile bytes for every parser on all cores, 10 minutes (FUZZ_ARGS="--minutes 60" for more)
	@$(PY) tests/fuzz/run.py $(FUZZ_ARGS)

docs: setup-dev ## Write the generated pages again: checks, policy, changelog
	@$(PY) tools/generate_docs.py

format: setup-dev ## Let ruff mend what it can
	@$(PY) -m ruff check --fix --quiet . ; $(PY) -m ruff format --quiet .

clean: ## Remove what these commands made, but no report
	rm -rf .venv .venv-other collections .ansible .bench .demo .gateways .mypy_cache .pytest_cache .ruff_cache .hypothesis tests/output
