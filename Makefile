# Two commands do it all on a fresh Debian or Ubuntu with Python 3.11: make demo, make test.
SHELL := /bin/bash
export RUNBOOK_HOME ?= $(CURDIR)/.runbook
BIN := .venv/bin
# Dozens of processes are started; they need not compile everything anew where the environment says so.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup dev demo test e2e-host e2e-containers test-sqlserver chaos check fmt bench clean

setup:          ## virtual environment, ODBC driver, system packages
	@.ci/setup

dev:            ## the same with the tools for tests and checks
	@.ci/setup dev

demo: setup     ## the main job: upgrade the example system 2019 -> 2022 inside a window of four hours
	@$(BIN)/python -m examples.mailer.demo

# Some tests wait for a window to close: one worker more than cores keeps those busy.
WORKERS ?= $(shell expr $$(nproc) + 1)

test: dev       ## every test that this machine can run; names the tiers it cannot
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --ignore=tests/hosts --ignore=tests/containers
	@echo "not among them: real hosts in containers (tests/hosts): make e2e-host"
	@echo "not among them: rehearsals on containers (tests/containers): make e2e-containers"

e2e-host: dev   ## nights on hosts with systemd, sshd, nginx and apt, in containers made of Debian's packages
	@.ci/hosts
	$(BIN)/python -m pytest tests/hosts -v --durations=5

e2e-containers: dev   ## rehearsals on containers, of an image that stands for SQL Server's own, made of Debian's packages
	@.ci/hosts
	$(BIN)/python -m pytest tests/containers -n 2 --dist worksteal -v --durations=5
	RUNBOOK_TEST_ON=container RUNBOOK_TEST_IMAGES=sandbox ACCEPT_EULA=Y $(BIN)/python -m pytest -v --durations=5 \
	    tests/e2e/test_side_by_side.py::test_upgraded tests/e2e/test_scripts.py::test_upgraded

test-sqlserver: dev   ## the end-to-end tests on SQL Server itself, in Microsoft's containers: ACCEPT_EULA=Y says that you may
	RUNBOOK_TEST_ON=container ACCEPT_EULA=$(ACCEPT_EULA) $(BIN)/python -m pytest tests/e2e -v --durations=10

chaos: dev      ## generated nights that go wrong; SEED=n again, RUNS=n how many, KIND=k RUN=n one of them (docs/chaos.md)
	@SEED=$(SEED) RUNS=$(RUNS) KIND=$(KIND) RUN=$(RUN) SHRINK=$(SHRINK) REAL=$(REAL) $(BIN)/python -m tests.chaos

check: dev      ## format, lint, types, import contracts, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: dev        ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: dev      ## ratios within one run, with their targets
	$(BIN)/python -m benchmarks

clean:          ## stop the example's servers and delete its state
	-@$(BIN)/python -m examples.mailer.demo --clean
	rm -rf .runbook
