# Everything happens in .venv, built on first use and again when pyproject.toml changes.
# PYTHON=/path/to/python chooses the interpreter (3.10 to 3.13).

TORCH := 2.13.0
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu
# What the tests need of a Debian system: Qt's libraries, which run without a screen, and a judge of DICOM files.
DEBIAN_PACKAGES := libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 libglib2.0-0 libx11-6 dicom3tools
APT_INSTALL := apt-get update --quiet && apt-get install --quiet --yes $(DEBIAN_PACKAGES)
PYTHON_CANDIDATES := $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11 python3.10)
SUITABLE := import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
TOOLS := .venv/tools/$(notdir $(BIN))
# A process a core, four at most, as each loads the networks; a file's tests stay together and share what they made.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
SHIPPED_FIGURES := --data ../shared/data --weights training/held_out/fold0.pt --out docs/evaluation

.DEFAULT_GOAL := help
.PHONY: help install demo test lint train weights evaluate benchmark reliability wheel publishable debian lock audit clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: .venv/.dev ## set up .venv for use and development
	@echo "Ready: $(BIN)/proseg --help"

demo: .venv/.runtime ## segment a generated phantom and show what comes out
	$(BIN)/proseg demo

test: .venv/.dev ## run every test, then check style and format
	$(PYTEST)
	@$(MAKE) --no-print-directory lint

lint: .venv/.dev ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

train: .venv/.dev ## train the network on ../shared/data
	$(BIN)/python -m training.fit.train $(ARGS)

weights: .venv/.dev ## make what is missing of the shipped weights, after training/recipe.toml
	$(BIN)/python -m training.recipe $(ARGS)

# Without ARGS: the shipped figures.
evaluate: .venv/.dev ## judge the fold-0 model on the cases it has not learned from
	$(BIN)/python -m training.judge.evaluate $(if $(ARGS),$(ARGS),$(SHIPPED_FIGURES))

benchmark: .venv/.dev ## measure speed and memory
	$(BIN)/python -m benchmarks.speed $(ARGS)

reliability: .venv/.dev ## try thousands of damaged files and hundreds of faults (15 minutes)
	$(BIN)/python -m benchmarks.reliability $(ARGS)

# Without --no-build-isolation pip would ask the network for setuptools. An earlier build's files would get in as well.
wheel: .venv/.dev ## build a wheel of the core with its weights, in dist
	rm -rf build dist/*.whl
	$(BIN)/pip wheel --no-deps --no-build-isolation --no-index --quiet --wheel-dir dist .
	rm -rf build

publishable: .venv/.dev ## make a copy to publish, in dist, and check it against the rules of Slicer's Extensions Index
	$(BIN)/python -m publishing $(ARGS)

debian: ## install what the tests need of a Debian system (as the superuser)
	$(APT_INSTALL)

lock: .venv/.tools ## choose the versions of constraints.txt anew
	@echo "torch==$(TORCH)" > .venv/torch.txt
	$(TOOLS)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.10 --constraint .venv/torch.txt \
	    --no-emit-package triton --no-annotate --no-header --quiet --output-file .venv/lock.txt
	@sed -n '/^#/p;/^[^#]/q' constraints.txt > .venv/new.txt
	@grep -Ev '^(nvidia|cuda)-|^#|^$$' .venv/lock.txt >> .venv/new.txt && mv .venv/new.txt constraints.txt

audit: .venv/.tools ## look for known faults in the packages of constraints.txt (needs the network)
	$(TOOLS)/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

clean: ## remove .venv, caches and build output
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis ProSegSlicer/*.egg-info *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# On Linux, PyPI's torch brings gigabytes of CUDA; without an NVIDIA driver the CPU build is wanted instead: from a
# local wheel folder (pip's find-links) if there is one, else from PyTorch's own index, and where neither answers, from
# PyPI after all. --no-deps because that index is no place to look for the rest; installing proseg completes it.
.venv/.torch: Makefile
	@python=; for candidate in $(PYTHON_CANDIDATES); do \
	    if "$$candidate" -c "$(SUITABLE)" >/dev/null 2>&1; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "No Python 3.10 to 3.13 with venv among: $(PYTHON_CANDIDATES)." \
	        "Install one (Debian: also python3-venv) or name it: make install PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	set -ex; "$$python" -m venv .venv
	@if [ "$$(uname -s)" = Linux ] && ! [ -e /proc/driver/nvidia/version ] && ! command -v nvidia-smi >/dev/null; then \
	    set -x; \
	    $(BIN)/pip install --quiet --no-deps --no-index torch==$(TORCH)+cpu 2>/dev/null || \
	    $(BIN)/pip install --no-deps --retries 1 --timeout 15 --index-url $(TORCH_CPU_INDEX) torch==$(TORCH)+cpu || \
	    $(BIN)/pip install --no-deps torch==$(TORCH); \
	else \
	    set -x; $(BIN)/pip install --no-deps torch==$(TORCH); \
	fi
	@touch $@

# Apart, so that their own packages do not mix with those of the tests.
.venv/.tools: .venv/.torch
	$(BIN)/python -m venv .venv/tools
	$(TOOLS)/pip install --quiet uv pip-audit
	@touch $@

.venv/.runtime: .venv/.torch pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/.dev: .venv/.runtime
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@if ! $(BIN)/python -c "import PySide6.QtWidgets" 2>/dev/null || ! command -v dciodvfy >/dev/null; then \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        set -x; $(APT_INSTALL); \
	    else \
	        echo "The panel's tests need libraries of Qt, those of DICOM files dciodvfy." \
	            "Debian: sudo make debian" >&2; \
	    fi; \
	fi
	@touch $@
