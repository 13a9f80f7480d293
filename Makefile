# Two commands: `make backfill` shows the product, `make test` proves it. Both set up what they need.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: backfill test lint spec soak schemas web pictures images clean

backfill: .venv/run  ## backfill three synthetic months on an embedded AWS
	@$(BIN)/pileus sample

test: lint spec  ## everything that proves the project

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

spec: .venv/dev
	$(BIN)/pytest

soak: .venv/dev  ## what takes longer: 100,000 seeds of the simulation
	$(BIN)/pytest -m soak

schemas: .venv/run
	$(BIN)/pileus schemas

images: .venv/run  ## the worker's images; IMAGES="--base-image debootstrap --network host" where there is no registry
	$(BIN)/python -m ecs_tasks.build $(IMAGES)

.venv/run: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[embedded,infra]'
	@touch $@

.venv/dev: .venv/run
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[embedded,infra,dev]'
	@touch $@

web:  ## build the dashboard's page from web/ into pileus/dashboard/static/
	cd web && npm ci --ignore-scripts --no-audit --no-fund && npm run build

pictures: .venv/dev  ## make the pictures of the documentation, the dashboard's in a real browser
	$(BIN)/python docs/pictures/make.py

clean:  ## everything but what git keeps
	rm -rf .venv .pileus cdk.out
