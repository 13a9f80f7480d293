# Two commands: `make backfill` shows the product, `make test` proves it. Both set up what they need.

PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 3

.PHONY: backfill check test lint soak schemas docs web pictures images locks sbom clean

backfill: .venv/kernels  ## backfill three synthetic months on an embedded AWS
	@$(BIN)/pileus sample

check: lint .venv/kernels  ## lint, types, import contracts and unit specs: in a minute or two, while you work
	$(BIN)/pytest -n $(JOBS) --dist loadfile -m unit spec/unit pileus

test: lint .venv/kernels  ## everything that proves the project: each process of specs has an embedded stack of its own
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

soak: .venv/dev .venv/kernels  ## what takes longer, or needs a quiet machine: 100,000 seeds of the simulation, chaos, the first paint
	$(BIN)/pytest -m soak

schemas: .venv/run
	$(BIN)/pileus schemas

images: .venv/run  ## the worker's images; IMAGES="--base-image debootstrap --network host" where there is no registry
	$(BIN)/pileus images $(IMAGES)

.venv/run: pyproject.toml infra/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint infra/constraints.txt --editable '.[embedded,infra]'
	@touch $@

.venv/kernels: $(wildcard pileus/raster/*.py pileus/zonal/*.py) .venv/run  # once, or all workers do it at the same time
	$(BIN)/python -m pileus.zonal.warm
	@touch $@

.venv/dev: .venv/run
	$(BIN)/pip install --quiet --constraint infra/constraints.txt --editable '.[embedded,infra,dev]'
	$(BIN)/pip install --quiet --no-deps --ignore-requires-python $(ADAPTER)
	@touch $@

# Cumulus's Message Adapter asks for Python 3.12; its code is that of the release for 3.10, and the specs run it.
ADAPTER := $(shell grep '^cumulus-message-adapter==' infra/constraints.txt)

LOCK := $(BIN)/pip-compile --quiet --generate-hashes --no-header --no-annotate --no-emit-index-url \
	--no-emit-find-links --strip-extras --constraint infra/constraints.txt --output-file

locks: .venv/supply  ## pin what images and Lambdas are made of by hashes again, after infra/constraints.txt has changed
	$(BIN)/python -m infra.locks image | $(LOCK) infra/locks/image.txt -
	$(BIN)/python -m infra.locks lambda | $(LOCK) infra/locks/lambda.txt -

sbom: .venv/supply  ## list what the wheel and the image are made of, in dist/
	$(BIN)/python -m infra.sbom dist

.venv/supply: .venv/run
	$(BIN)/pip install --quiet --constraint infra/constraints.txt --editable '.[embedded,infra,supply]'
	@touch $@

docs: .venv/docs  ## build the documentation as a site in site/; a broken link fails
	$(BIN)/sphinx-build -E -W --keep-going -n -q -d build/docs -b html docs site

.venv/docs: .venv/run
	$(BIN)/pip install --quiet --constraint infra/constraints.txt --editable '.[embedded,infra,docs]'
	@touch $@

web:  ## build the dashboard's page from web/ into pileus/dashboard/static/
	cd web && npm ci --ignore-scripts --no-audit --no-fund && npm run build

pictures: .venv/dev  ## make the pictures of the documentation, the dashboard's in a real browser
	$(BIN)/python docs/pictures/make.py

clean:  ## everything but what git keeps
	rm -rf .venv .pileus sample-site cdk.out site build/docs
