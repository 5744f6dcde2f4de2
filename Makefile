# Two commands for most people: `make run` and `make test`. `make help` lists the others.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

PORT ?= 8000
DATA ?= var
PYTEST_ARGS ?=
WORKERS ?= $(shell expr $$(nproc) + 1)

BIN := .venv/bin
LOCK := $(abspath .venv/lock-tools/bin/pip-compile) --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --build-deps-for editable

.PHONY: help setup dev run test fast lint types bench sabotage faults attack production guides pictures messages lock supply audit

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  PORT=$(PORT) and DATA=$(DATA) can be given: make run PORT=9000 DATA=/srv/trial"

setup: ## Install what the program needs (the .venv, and Pango and fonts for the PDFs)
	@.ci/setup run

dev: ## Install what the tests and checks need besides
	@.ci/setup test

run: setup ## Start the program with a synthetic trial on http://localhost:PORT; Ctrl-C stops it
	@TRIALCRF_DATA="$(DATA)" PORT="$(PORT)" TRIALCRF_DEMO=yes exec $(BIN)/trialcrf run

# One process compiles the program and the tests (pytest writes its own) while the types are checked, which takes one processor:
# otherwise every worker compiles all of them, at the same time as the others.
test: dev lint ## Check everything: lint, types, and all tests on SQLite, PostgreSQL and in a browser
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --collect-only -qq $(PYTEST_ARGS) >/dev/null 2>&1 & \
		$(BIN)/mypy; types=$$?; wait; exit $$types
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(PYTEST_ARGS)

fast: lint ## The tests that need nothing but Python, in seconds, and lint
	@$(BIN)/python -m pytest tests/core $(PYTEST_ARGS)

lint: dev ## Style (ruff) and who may import whom (import-linter)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@out="$$($(BIN)/lint-imports --no-logo 2>&1)" || { echo "$$out"; exit 1; }

types: dev ## Types (mypy; strict on core and actions)
	@$(BIN)/mypy

bench: ## Measure against the aims; writes bench.json (PARTS="pages nurse" measures these)
	@.ci/setup bench
	@$(BIN)/python -m tests.bench $(PARTS)

sabotage: dev ## Change the program line by line: of each requirement a test must notice (IDS="1 20" tries these, JOBS=2 two at a time)
	@$(BIN)/python -m tests.sabotage $(IDS)

faults: ## Every fault at its full count (kills, power cuts, full disks): hours, and root (COUNTS="20 5": kills and cuts)
	@.ci/setup faults
	@$(BIN)/python -m tests.faults $(COUNTS)

attack: ## Every tool at the running program, as each role, and at a twin with holes: half an hour (ONLY="injecting slow")
	@.ci/setup attack
	@$(BIN)/python -m tests.attack $(ONLY)

production: ## Follow docs/production.md word for word on a clean Debian 12 with a systemd of its own: minutes, and root
	@.ci/setup production
	@$(BIN)/python -m tests.production

guides: dev ## Follow the guides in both languages, draw their pictures anew and write down what they show
	@GUIDES=draw $(BIN)/python -m pytest tests/browser/test_guides.py -k step_by_step $(PYTEST_ARGS)

pictures: dev ## Draw every page in both languages and themes into PICTURES (var/pictures), to be looked at
	@PICTURES="$(or $(PICTURES),var/pictures)" $(BIN)/python -m pytest tests/browser/test_pages.py -k accessible $(PYTEST_ARGS)

messages: dev ## Collect the messages of code and templates into the catalogues
	@$(BIN)/python .ci/messages.py

lock: dev ## Pin every package with its hashes (UPGRADE=--upgrade takes newer versions)
	@.ci/setup lock
	@$(LOCK) $(UPGRADE) --output-file requirements.lock pyproject.toml
	@$(LOCK) $(UPGRADE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	@$(LOCK) $(UPGRADE) --output-file requirements-attack.lock tests/attack/requirements.in
	@$(LOCK) $(UPGRADE) --output-file requirements-attack-wapiti.lock tests/attack/requirements-wapiti.in

supply: dev ## Write the bill of materials (docs/sbom.cdx.json) and the licences (docs/licences.csv) of the lock
	@$(BIN)/python .ci/supply.py write

audit: dev ## Known vulnerabilities of the pinned packages; fails where nothing was looked at (ANSWER=file of pip-audit)
	@$(BIN)/python .ci/supply.py audit $(if $(ANSWER),--answer $(ANSWER))
