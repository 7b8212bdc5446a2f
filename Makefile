# One list of commands for people and for CI.  `make` alone prints it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What the book needs, and all that work on it needs; each is installed when it is
# first asked for.
FOR_BOOK := $(VENV)/.for-book
FOR_WORK := $(VENV)/.for-work
HTML := _build/html/index.html
QUICK := $(BIN)/jupyter-book build . -n --keep-going --path-output _build/quick

.DEFAULT_GOAL := help
.PHONY: help install book chapter quick serve test check lint links bench results lock clean

help:  ## print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(FOR_WORK)  ## make .venv with the pinned versions (the others do it for you)

$(BIN)/uv: requirements/installer.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "cnnbook needs Python 3.11 to 3.13, and $(PYTHON) is %d.%d; choose another: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/installer.txt
	@touch $@

$(VENV)/.for-%: requirements/%.txt pyproject.toml $(BIN)/uv
	@echo "Installing the pinned packages of requirements/$*.txt into $(VENV); this takes a minute or two."
	$(BIN)/uv pip install --python $(BIN)/python --quiet --require-hashes --compile-bytecode -r requirements/$*.txt
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@

book: $(FOR_BOOK)  ## build the book into _build/html, training its networks
	$(BIN)/jupyter-book build . -W -n --keep-going
	@echo "Open $(HTML)"

chapter: $(FOR_BOOK)  ## build one chapter and open it: make chapter NAME=pooling
	@test -f "book/$(NAME).md" || { echo "Say which chapter: make chapter NAME=pooling (there is no book/$(NAME).md)"; exit 2; }
	CNNBOOK_EXECUTE=$(NAME) $(QUICK)
	$(BIN)/python -m webbrowser "file://$(CURDIR)/_build/quick/_build/html/book/$(NAME).html"

quick: $(FOR_BOOK)  ## build the pages without running any code, for prose edits
	CNNBOOK_EXECUTE=off $(QUICK) -W
	@echo "Open _build/quick/$(HTML)"

serve: $(FOR_BOOK)  ## build, open in a browser, and rebuild on every edit
	$(BIN)/python book/serve.py

# Two processes whose matrix products each wanted all cores would wait for one another.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

test: $(FOR_WORK)  ## run the tests
	$(PYTEST) --durations 10

check: $(FOR_WORK)  ## run all tests but the slow ones, between commits
	$(PYTEST) -m "not slow"

lint: $(FOR_WORK)  ## check style, types and which room imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.sizes

links: $(FOR_BOOK)  ## check that the links in the book still answer (needs the network)
	CNNBOOK_EXECUTE=off $(BIN)/jupyter-book build . --builder linkcheck --path-output _build/links

bench: $(FOR_WORK)  ## measure speed and size: all, or one group with GROUP=layers
	PYTHONPATH=book/_ext $(BIN)/python -m tests.bench $(if $(filter command line,$(origin GROUP)),$(GROUP))

results: $(FOR_BOOK)  ## measure anew what chapters quote (photographs; two or three hours)
	$(BIN)/cnnbook results --force

# The newest versions that pyproject.toml allows, for all systems and Pythons.
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
lock: $(BIN)/uv  ## choose and pin the newest versions of all packages
	$(LOCK) --extra book pyproject.toml -o requirements/book.txt
	$(LOCK) --extra book --extra test --extra lint -c requirements/book.txt pyproject.toml -o requirements/work.txt

clean:  ## remove what was built, but not .venv
	rm -rf _build
