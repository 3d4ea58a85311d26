# Two commands for a newcomer: `make demo` and `make test`.  Each makes .venv by itself.
PYTHON ?= python3
BIN := .venv/bin
SYSTEM_PACKAGES := chromium duplicity git-annex

.PHONY: demo test check shows bench wheel clean

demo: .venv/installed
	$(BIN)/python misc/shows/demo.py

# What failed while a busy machine ran others beside it is tried once more, by itself.
test: .venv/installed .venv/system .venv-peer/installed
	$(BIN)/pytest -n auto --dist loadgroup -m 'not alone' || \
	$(BIN)/pytest --last-failed --last-failed-no-failures none -m 'not alone'
	$(BIN)/pytest -m alone || \
	$(BIN)/pytest --last-failed --last-failed-no-failures none -m alone

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python misc/tools/check_docs.py

shows: .venv/installed .venv/system .venv-peer/installed
	$(BIN)/python misc/shows/run_all.py

bench: .venv/installed .venv-peer/installed
	$(BIN)/python misc/bench/report.py --run

wheel: .venv/installed
	$(BIN)/python -m build --wheel

# Made anew when what is to be installed changes.
.venv/installed: setup.py constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Debian packages that some tests use; where they can't be installed, those tests are
# reported as skipped, by name.
.venv/system: .venv/installed
	@misc/tools/system_packages.sh $(SYSTEM_PACKAGES)
	touch $@

# Tahoe-LAFS 1.20 in an environment of its own: a peer, never imported.
.venv-peer/installed:
	$(PYTHON) -m venv .venv-peer
	.venv-peer/bin/pip install --quiet tahoe-lafs==1.20.0
	touch $@

clean:
	rm -rf .venv .venv-peer build dist *.egg-info
