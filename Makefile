# Every target sets up what it needs: a virtual environment in .venv with the pinned releases. The second run is quick.
# Another interpreter: `make test PYTHON=python3.12 VENV=.venv-3.12`. Written for GNU Make 3.81, which macOS ships.

PYTHON ?= python3
VENV ?= .venv
PIP_INSTALL = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	--constraint requirements/constraints.txt

.DEFAULT_GOAL := help
.NOTPARALLEL: # two pips in one environment would get into each other's way
.DELETE_ON_ERROR:
.PHONY: help demo test test-all lint types format wheel bench bench-overhead clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/installed-demo ## Train a classifier of scanned digits through one compiled step
	$(VENV)/bin/python examples/01_train_digits.py

# Where NVIDIA's driver lists a GPU ("GPU 0: ..."), the whole suite runs once more, on it, which takes CuPy.
GPU := $(filter GPU,$(shell nvidia-smi --list-gpus 2>/dev/null))
# The pinned NVRTC compiles for compute capabilities up to 9.0. For a newer GPU the latest of CUDA 12 takes its place.
NEWER_GPU := $(if $(GPU),$(shell nvidia-smi --query-gpu=compute_cap --format=csv,noheader | grep -E '^[0-9]{2}'))
INSTALLED_FOR_GPU := $(if $(GPU),$(VENV)/installed-cuda) $(if $(NEWER_GPU),$(VENV)/newer-nvrtc)
TEST_ON_GPU = $(if $(GPU),$(VENV)/bin/python -m pytest --target cuda)

test: $(VENV)/installed-dev $(INSTALLED_FOR_GPU) ## Run the tests, on a GPU too if there is one; without PyTorch, those against it are skipped
	$(VENV)/bin/python -m pytest
	$(TEST_ON_GPU)

test-all: $(VENV)/installed-dev $(VENV)/installed-torch-parity $(INSTALLED_FOR_GPU) ## Install PyTorch and run the tests, those against it included
	$(VENV)/bin/python -m pytest
	$(TEST_ON_GPU)

lint: $(VENV)/installed-dev ## Check style and layout
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m ruff format --check .

types: $(VENV)/installed-dev ## Check the types
	$(VENV)/bin/python -m mypy

format: $(VENV)/installed-dev ## Repair style and layout where ruff can
	$(VENV)/bin/python -m ruff check --fix .
	$(VENV)/bin/python -m ruff format .

wheel: $(VENV)/installed-dev ## Build the wheel into dist/
	rm -rf build dist # setuptools would pack what an earlier build left there
	$(VENV)/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

# The peers have an environment of their own. Options go into BENCH, for instance: make bench BENCH="--quick --rows mlp"
# Where they choose among the peers (--frameworks) or measure nothing (--load), those that they do not name stay out.
CHOSEN := $(filter --frameworks% --load%,$(BENCH))
PEERS = $(foreach peer,jax torch,$(if $(CHOSEN),$(findstring $(peer),$(BENCH)),$(peer)))

bench: ## Compare with PyTorch, JAX and NumPy (installs them)
	@$(MAKE) --no-print-directory VENV=$(VENV)-bench $(VENV)-bench/installed-bench $(PEERS:%=$(VENV)-bench/installed-bench-%)
	$(VENV)-bench/bin/python benchmarks/compare.py $(BENCH)

bench-overhead: $(VENV)/installed-dev ## Measure what a call of a compiled step costs
	$(VENV)/bin/python benchmarks/overhead.py

clean: ## Remove .venv and everything that was built
	rm -rf .venv .venv-bench build dist demo-output *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find lucid tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Lucid itself, editable, with the extra that the stamp is named after.
$(VENV)/installed-%: $(VENV)/created pyproject.toml requirements/constraints.txt
	@echo "Installing lucid-compiler[$*] into $(VENV): a minute or so, once."
	@$(PIP_INSTALL) --no-build-isolation --editable '.[$*]'
	@touch $@

$(VENV)/newer-nvrtc: $(VENV)/installed-cuda
	@echo "Installing the latest NVRTC of CUDA 12, for compute capability $(NEWER_GPU)."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade \
		nvidia-cuda-nvrtc-cu12 nvidia-cuda-runtime-cu12
	@touch $@

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Lucid needs Python 3.11 or newer; \`$(PYTHON) --version\` says: $$($(PYTHON) --version 2>&1)" >&2; \
		echo "  hint: name a newer one, for instance: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
		exit 1; }
	@echo "Creating the virtual environment $(VENV)."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) setuptools
	@touch $@

.PRECIOUS: $(VENV)/installed-%
