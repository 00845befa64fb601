# Everything runs from .venv, which is made from the hash-locked requirements.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OLDEST := .venv-oldest-duckdb
# Workers for the test run; two fit the smallest machine we support.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup tools test test-all proof check format demo bench lock docs grafana clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.made ## make .venv

$(VENV)/.made: requirements.txt pyproject.toml sample-apps/pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  -e . -e sample-apps
	touch $@

# Debian packages by the program that shows whether they are there.
PEERS := npm:nodejs,npm chromium:chromium,fonts-dejavu-core docker-compose:docker-compose nats-server:nats-server \
  /usr/lib/postgresql/15/bin/postgres:postgresql-15

tools: ## install the peers that tests talk to (Debian packages as root, npm packages)
	@missing=; for peer in $(PEERS); do \
	  command -v "$${peer%%:*}" >/dev/null || missing="$$missing $$(echo "$${peer#*:}" | tr , ' ')"; \
	done; \
	if [ -n "$$missing" ]; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; \
	fi
	cd tests/node && npm ci --no-audit --no-fund --ignore-scripts
	tests/fetch_prometheus.sh

test: setup ## what a change must never break; under 10 minutes on two cores
	$(BIN)/python -m pytest -m "not full and not proof" -n $(WORKERS) --dist loadfile \
	  --no-loadscope-reorder

test-all: setup $(OLDEST)/.made ## the whole matrix, both ends of the DuckDB range; under 60 minutes
	$(BIN)/python -m pytest -m "not proof and not alone" --hypothesis-profile=explore \
	  -n $(WORKERS) --dist loadfile
	$(BIN)/python -m pytest -m "alone and not proof"
	$(OLDEST)/bin/python -m pytest -m "not full and not proof" tests/storage tests/flow \
	  -n $(WORKERS) --dist loadfile

# The same environment with the oldest DuckDB that pyproject.toml allows.
$(OLDEST)/.made: requirements.txt requirements-oldest-duckdb.txt pyproject.toml
	test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(OLDEST)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  -r requirements-oldest-duckdb.txt
	$(OLDEST)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  -e . -e sample-apps
	touch $@

proof: setup ## soak and scale, by hand
	$(BIN)/python -m pytest -m proof
	$(BIN)/python bench/soak.py

check: setup ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## let ruff format and fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: setup ## a server, the sample shop, a fault and its explanation; DURATION=60 FAULT=name
	$(BIN)/longpole demo $(if $(DURATION),--duration $(DURATION)) $(if $(FAULT),--fault $(FAULT))

bench: setup ## side-by-side measurements, JSON on standard output
	@for script in bench/*.py; do echo "# $$script" >&2; $(BIN)/python $$script || exit 1; done

docs: setup ## regenerate docs/settings.md and docs/metrics.md
	$(BIN)/python -m longpole.cli.reference_pages

grafana: setup ## regenerate grafana/provisioning
	$(BIN)/python -m longpole.grafana.provisioning grafana/provisioning

lock: ## renew requirements.txt (needs uv)
	uv pip compile pyproject.toml sample-apps/pyproject.toml --group dev --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade -o requirements.txt
	uv pip compile pyproject.toml --python-version 3.11 --generate-hashes -c requirements.txt \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links -o requirements-server.txt
	uv pip compile sample-apps/pyproject.toml --python-version 3.11 --generate-hashes -c requirements.txt \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links -o sample-apps/requirements.txt
	echo 'duckdb==1.5.5' | uv pip compile - --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --no-emit-find-links -o requirements-oldest-duckdb.txt

clean: ## remove what was made
	rm -rf $(VENV) $(OLDEST) tests/node/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
