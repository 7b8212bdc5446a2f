# One list of commands for people and for CI.  `make` alone prints it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
HTML := _build/html/index.html
PINNED := PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python -m pip

# TensorFlow greets every process on stderr, and a page treats stderr as an error.
export TF_CPP_MIN_LOG_LEVEL ?= 3

.DEFAULT_GOAL := help
.PHONY: help install book quick serve test lint links bench results clean

help:  ## print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## make .venv with the pinned versions (the others do it for you)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "cnnbook needs Python 3.11 to 3.13, and $(PYTHON) is %d.%d; choose another: make PYTHON=python3.12 ..." % v)'
	@echo "Installing the pinned packages into $(VENV); this takes a minute or two."
	$(PYTHON) -m venv $(VENV)
	$(PINNED) install --quiet --disable-pip-version-check --editable ".[book,test,lint]"
	@touch $@

book: $(INSTALLED)  ## build the book into _build/html, training its classifier
	$(BIN)/jupyter-book build . -W -n --keep-going
	@echo "Open $(HTML)"

quick: $(INSTALLED)  ## build the pages without running any code, for prose edits
	CNNBOOK_EXECUTE=off $(BIN)/jupyter-book build . -W -n --keep-going --path-output _build/quick
	@echo "Open _build/quick/$(HTML)"

serve: $(INSTALLED)  ## build, open in a browser, and rebuild on every edit
	$(BIN)/python book/serve.py

test: $(INSTALLED)  ## run the tests
	$(BIN)/python -m pytest

lint: $(INSTALLED)  ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

links: $(INSTALLED)  ## check that the links in the book still answer (needs the network)
	CNNBOOK_EXECUTE=off $(BIN)/jupyter-book build . --builder linkcheck --path-output _build/links

bench: $(INSTALLED)  ## measure speed and size, and print a table
	$(BIN)/python -m tests.bench

results: $(INSTALLED)  ## measure anew what chapters quote (photographs; two or three hours)
	$(BIN)/cnnbook results

clean:  ## remove what was built, but not .venv
	rm -rf _build
