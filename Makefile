# augan: `make demo` and `make test` need Python 3.11 or newer and make, nothing else.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: help demo test check format docs bench bench-demo bench-threads bench-metrics bench-spaces bench-speed bench-quality bench-quick bench-pictures bench-augment bench-translate bench-compare bench-explain bench-sound bench-tables bench-series bench-video bench-text bench-export bench-scaling bench-firstrun screenshots stress dist site clean
help:  ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "augan needs Python 3.11 or newer with venv. Set PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) ".[demo,features,parquet,video]"
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) ".[dev]"
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## Train on real images, look at samples, balance the set: about two minutes
	$(BIN)/augan demo

test: $(VENV)/.dev  ## Run the whole test suite, with coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report=term-missing:skip-covered

check: $(VENV)/.dev  ## Format, lint, types, layers, docs and their site
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs.build --check
	$(BIN)/python -m docs.site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

format: $(VENV)/.dev  ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.dev  ## Write the parts of the docs that come from the code
	$(BIN)/python -m docs.build

bench-demo: $(VENV)/.demo  ## Measure the demo's claims: time, quality by an independent classifier
	$(BIN)/python -m bench.demo

bench-threads: $(VENV)/.demo  ## Measure training beside a busy process
	$(BIN)/python -m bench.threads

bench-metrics: $(VENV)/.dev  ## Measure the measures beside other libraries
	$(BIN)/python -m bench.metrics

bench-spaces: $(VENV)/.dev  ## Measure how feature spaces rank known corruptions, and the checkpoints of a run
	$(BIN)/python -m bench.spaces

bench-speed: $(VENV)/.dev  ## Measure rounds and sampling against the machine's own ceiling
	$(BIN)/python -m bench.speed

bench-quality: $(VENV)/.dev  ## Measure quality against seconds beside rivals: hours, goes on where it stopped
	$(BIN)/python -m bench.quality run

bench-quick: $(VENV)/.dev  ## The same, a minute a cell
	$(BIN)/python -m bench.quality run --quick

bench-pictures: $(VENV)/.dev  ## Train half an hour on emoji and on 200 flags, and draw sheets
	$(BIN)/python -m bench.pictures emoji flags

bench-augment: $(VENV)/.dev  ## Study whether a GAN makes better classifiers on eleven sets: hours, goes on where it stopped
	$(BIN)/python -m bench.augment run

bench-translate: $(VENV)/.dev  ## Measure translations beside the input as it is and beside L1 alone
	$(BIN)/python -m bench.translate run

bench-compare: $(VENV)/.dev  ## Measure a GAN beside autoencoders of its own networks: ten minutes, goes on where it stopped
	$(BIN)/python -m bench.compare run
bench-explain: $(VENV)/.dev  ## Measure what is found in a GAN whose factors are known
	$(BIN)/python -m bench.explain run
bench-sound: $(VENV)/.dev  ## Measure sounds: digits, studies, enhancement, a vocoder, each beside what needs no GAN
	$(BIN)/python -m bench.sound run
	$(BIN)/python -m bench.sound report
bench-tables: $(VENV)/.dev  ## Measure rows of tables beside the package ctgan, and studies of what helps
	$(INSTALL) ".[dev,rivals]"
	$(BIN)/python -m bench.tables run
	$(BIN)/python -m bench.tables lift
	$(BIN)/python -m bench.tables report
bench-series: $(VENV)/.dev  ## Measure windows of time series beside windows that need no generator
	$(BIN)/python -m bench.series run
	$(BIN)/python -m bench.series report
bench-video: $(VENV)/.dev  ## Train on clips of moving clothes beside trivial clips and other ways: an hour, goes on where it stopped
	$(BIN)/python -m bench.video run
	$(BIN)/python -m bench.video pictures
	$(BIN)/python -m bench.video report
bench-text: $(VENV)/.dev  ## Measure generators of sentences beside what needs none, and a study of short texts
	$(BIN)/python -m bench.text run
	$(BIN)/python -m bench.text report
bench-export: $(VENV)/.dev  ## Measure exported files beside PyTorch
	$(BIN)/python -m bench.export

bench-scaling: $(VENV)/.dev  ## Measure two processes beside one, and memory; reckon larger machines
	$(BIN)/python -m bench.scaling
	$(BIN)/python -m bench.memory

bench-firstrun: $(VENV)/.dev  ## Time a new user's path from a clone to samples of 300 images
	$(BIN)/python -m bench.firstrun

screenshots: $(VENV)/.dev  ## Write the pictures of the studio in docs/images: trains for minutes, needs Chromium
	AUGAN_SCREENSHOTS=docs/images $(BIN)/python -m pytest -n 0 -q tests/studio/test_studio_browser.py -k train_explore

stress: $(VENV)/.dev  ## How often short runs go wrong, beside rivals: hours, goes on where it stopped
	$(BIN)/python -m bench.kills
	$(BIN)/python -m bench.doctor
	$(BIN)/python -m bench.stress run

bench: bench-demo bench-threads bench-metrics bench-spaces bench-speed bench-quality bench-pictures bench-augment bench-translate bench-compare bench-explain bench-sound bench-tables bench-series bench-video bench-text bench-export bench-scaling bench-firstrun  ## All benchmarks

dist: $(VENV)/.dev  ## Build the wheel and the source archive, and try the wheel in an environment of its own
	rm -rf dist $(VENV)/trial
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m venv $(VENV)/trial
	$(VENV)/trial/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt "$$(echo dist/*.whl)[demo]"
	cd $(VENV)/trial && bin/augan --version && bin/augan demo --minutes 0.3 --out demo --quiet

site: $(VENV)/.dev  ## Build the documentation as a site in site/, strictly, without the network
	$(BIN)/python -m docs.site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

clean:  ## Remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage*
