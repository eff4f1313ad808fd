# Everything runs in .venv, which the first call makes from requirements.lock.
PYTHON ?= python3
BIN := .venv/bin
CHAPTER ?= 01_tensors

.DEFAULT_GOAL := help
.PHONY: help demo test lab build grade lock

help:
	@echo "make demo                      release chapter 1, grade a class of demo students, write feedback and a report"
	@echo "make test                      the whole test-suite"
	@echo "make lab                       JupyterLab on the notebooks"
	@echo "make build                     write the notebooks and the release from the scripts"
	@echo "make grade CHAPTER=01_tensors  grade what lies in submitted/"

demo: .venv/installed
	$(BIN)/autograder build
	$(BIN)/autograder demo

test: .venv/installed
	$(BIN)/pytest

lab: .venv/installed
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb

build: .venv/installed
	$(BIN)/autograder build

grade: .venv/installed
	$(BIN)/autograder grade $(CHAPTER)

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --progress-bar on -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

# The newest versions that the ranges of pyproject.toml allow, tried out before they are committed.
lock:
	rm -rf .venv/lock && $(PYTHON) -m venv .venv/lock
	.venv/lock/bin/pip install --quiet torch==2.13.0
	.venv/lock/bin/pip install --quiet '.[course,dev,cluster,postgres]' setuptools
	.venv/lock/bin/pip uninstall --quiet --yes autograder
	{ sed -n '/^#/p' requirements.lock; .venv/lock/bin/pip freeze --all | sed -E 's/\+cpu$$//; /^pip==/d; /^bubblewrap/s/$$/; sys_platform == '\''linux'\''/'; } > requirements.new
	mv requirements.new requirements.lock
	rm -rf .venv/lock
