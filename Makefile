# The one list of chores. `make run` and `make test` need Python 3.11+, pip and make, nothing else.
PYTHON ?= python3
BIN := .venv/bin
# Where a machine reaches packages through a mirror, its pip and uv settings say so; nothing here does.

.PHONY: help run test entrypoints lint types format check docs lock deploy bench clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/ready: requirements.lock pyproject.toml
	@echo "Installing Antiphon and its packages into .venv, quietly: about a minute the first time …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

run: .venv/ready  ## install, make the demo company, do one daily run, live three simulated days
	@$(BIN)/antiphon demo
	@$(BIN)/antiphon run --at 2026-05-12T10:00+02:00
	@echo
	@echo "Now some days in a town of SIMULATED people, to see a report that is alive (docs/town.md):"
	@$(BIN)/antiphon simulate --days 3

test: .venv/ready  ## install and run all tests
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile

entrypoints: .venv/ready  ## every flow that prefect.yaml names loads
	@$(BIN)/python -m pytest -q tests/flows/test_entry_points.py

lint: .venv/ready  ## ruff: errors and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/ready  ## the strict type checker
	@$(BIN)/mypy

format: .venv/ready  ## let ruff mend and format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

check: .venv/ready  ## check config/, templates/ and sql/
	@$(BIN)/antiphon check

docs: .venv/ready  ## write the generated references and JSON Schemas anew
	@$(BIN)/python -m antiphon.campaigns.schema
	@$(BIN)/python -m antiphon.audience.reference
	@$(BIN)/python -m antiphon.sources.reference

lock: .venv/ready  ## resolve requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--group dev --upgrade --output-file requirements.lock pyproject.toml

deploy: .venv/ready  ## work pool, deployments and the heartbeat automation, on the running Prefect server
	@$(BIN)/antiphon deploy

bench: .venv/ready  ## the benchmark at 1 million customers; BENCH=10m for ten
	@$(BIN)/python -m bench.daily $(or $(BENCH),1m)
	@$(BIN)/python -m bench.audiences $(or $(BENCH),1m)
	@$(BIN)/python -m bench.policy $(or $(BENCH),1m)
	@$(BIN)/python -m bench.dispatch
	@$(BIN)/python -m bench.webhooks

clean:  ## remove the environment and everything under var/
	rm -rf .venv var
