# The project's commands. Everything is installed into $(VENV), at the versions of constraints.txt.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# with LOCALSTACK=1 a third of the tests wait for a container, so one more worker runs
SUITE = $(if $(LOCALSTACK),tools/localstack.py test-all -- tests/tools --engine,-m pytest)
WORKERS ?= $(if $(LOCALSTACK),3,2)
DECLARED := setup.cfg pyproject.toml constraints.txt

# the libraries that the benchmarks compare are not installed into $(VENV)
BENCH_VENV ?= .venv-bench
BENCH := $(BENCH_VENV)/bin/python

.PHONY: demo test check wheel clean bench bench-instructions bench-scale wire-versions

demo: $(VENV)/installed-demo ## show what pipemodels does, on an embedded store in a temporary directory
	$(BIN)/pipemodels demo

test: $(VENV)/installed-dev ## run all tests, on moto and on the embedded store; with LOCALSTACK=1 also on LocalStack in Docker
	$(BIN)/python $(SUITE) --numprocesses $(WORKERS) --dist worksteal --cov --cov-report=term $(ARGS)

check: $(VENV)/installed-dev ## check style and types of package, tests, tools and benchmarks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: $(VENV)/installed-dev ## build the wheel, install it without extras and import it
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist . >/dev/null
	rm -rf $(VENV)/wheel-alone
	$(PYTHON) -m venv $(VENV)/wheel-alone
	$(VENV)/wheel-alone/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt dist/*.whl
	cd $(VENV) && wheel-alone/bin/python -W error -c "import pipemodels; print('wheel', pipemodels.__version__, 'imports alone')"

wire-versions: ## test the fast path with the oldest and newest botocore, urllib3, PynamoDB and msgspec; about two minutes
	$(PYTHON) tools/wire_versions.py $(ARGS)

bench: $(BENCH_VENV)/installed ## compare the package with other clients; writes docs/benchmarks.md and .svg; a few minutes
	$(BENCH) -m benchmarks.compare $(ARGS)

bench-instructions: $(BENCH_VENV)/installed ## count instructions per item, which noise hardly affects; needs valgrind
	$(BENCH) -m benchmarks.instructions $(ARGS)

bench-scale: $(BENCH_VENV)/installed ## measure up to a million items, threads, and whole calls on real stores
	$(BENCH) -m benchmarks.scale $(ARGS)

clean: ## remove the files that these commands created
	rm -rf $(VENV) $(BENCH_VENV) .venv-wire-* build dist *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-demo: $(DECLARED) | $(VENV)/bin/python
	$(INSTALL) --editable '.[cli,local]'
	touch $@

$(VENV)/installed-dev: $(DECLARED) | $(VENV)/bin/python
	$(INSTALL) --editable '.[dev]'
	touch $@ $(VENV)/installed-demo

$(BENCH_VENV)/installed: $(DECLARED) benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[local]' --requirement benchmarks/requirements.txt
	touch $@
