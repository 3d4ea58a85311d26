# Two commands for a newcomer: `make demo` and `make test`.  Each makes .venv by itself.
PYTHON ?= python3
BIN := .venv/bin
SYSTEM_PACKAGES := chromium duplicity git-annex

.PHONY: demo test check shows bench wheel clean

demo: .venv/installed
	$(BIN)/python misc/shows/demo.py

test: .venv/installed .venv/system
	$(BIN)/pytest -n auto --dist loadgroup

check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python misc/tools/check_docs.py

shows: .venv/installed .venv/system
	$(BIN)/python misc/shows/run_all.py

bench: .venv/installed
	$(BIN)/python misc/bench/run_all.py

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

clean:
	rm -rf .venv build dist *.egg-info
