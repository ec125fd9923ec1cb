# `make` lists what there is. Everything happens in .venv and .run, which git ignores.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORDS := SYMBOLS TIMEFRAMES START END SOURCE TIER LIMIT EXCHANGE

# Words given to make as NAME=value arguments, quoted for the shell. What the environment has under such common names is
# not meant for this; only EXCHANGE and MARKET_DB_URL are read from there, by the program itself.
quote = '$(subst ','\'',$(1))'
said = $(if $(filter command,$(origin $(1))),$($(1)))
GIVEN = $(foreach word,$(WORDS),$(if $(call said,$(word)),$(call quote,$(word)=$($(word)))))

# MARKET_DB_URL holds a password. From the environment it arrives as it is; as an argument it would be in every process
# list, and make would take a `$` in it for a variable.
ifeq ($(origin MARKET_DB_URL),command line)
$(error MARKET_DB_URL holds a password, which a process list would show: write MARKET_DB_URL='postgresql://…' make run)
endif

export PYTHONUTF8 := 1
unexport $(filter-out EXCHANGE,$(WORDS))

.DEFAULT_GOAL := help
.PHONY: help run stop status report test check year bench docs lock install

help: ## what there is (the default)
	@echo "make run      load Binance history into PostgreSQL through Airflow, and show it (Airflow stays up)"
	@echo "              words: SYMBOLS=BTC,ETH TIMEFRAMES=1h,1d START=2020-01-01 END=2025-09-30"
	@echo "              SOURCE=auto|archive|rest TIER=core|extended|all LIMIT=10"
	@echo "              EXCHANGE=auto|binance|simulated|http://host:port"
	@echo "              into your own server: MARKET_DB_URL='postgresql://…' make run"
	@echo "make stop     stop all of it"
	@echo "make status   what runs, where, the last load, and how complete the data are"
	@echo "make report   the same as one HTML file, with every month of every series"
	@echo "make test     all tests (TESTS=tests/unit for some)"
	@echo "make check    lint, format, types, SQL style"
	@echo "make year     a year of the scheduled Dags in minutes, with faults (DAYS=30: a month)"
	@echo "make bench    measure load and read rates"
	@echo "make docs     write docs/dags.md and the tables of docs/data-model.md anew"
	@echo "make lock     write constraints.txt anew from requirements.txt"

run: install ## the main job
	@$(BIN)/python -m include.local run $(GIVEN)

stop: ## stop everything that `make run` started
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m include.local stop; else echo "Nothing runs: there is no $(VENV)."; fi

status: ## what runs
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m include.local status; else echo "Nothing runs: there is no $(VENV)."; fi

report: install ## how complete the data are, as one HTML file in .run/reports
	@$(BIN)/python -m include.local report

test: install ## all tests
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(TESTS)

check: install ## what CI checks beside the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy include plugins dags
	$(BIN)/sqlfluff lint --processes 2 include/sql

year: install ## a year of the real Dags against the simulated exchange
	@$(BIN)/python -m tests.year $(DAYS)

bench: install ## load and read rates on this machine
	@$(BIN)/python -m tests.benchmarks

docs: install ## what is generated: docs/dags.md, the tables of docs/data-model.md
	@$(BIN)/python -m tests.docs

lock: install ## the whole resolved tree, for every supported Python
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 requirements.txt -o constraints.txt \
	    --no-annotate --no-header --no-emit-index-url --upgrade

install: $(STAMP)

$(STAMP): requirements.txt constraints.txt include/local/install.py
	@$(PYTHON) include/local/install.py $(VENV)
