# `make` and `make test` work on a fresh clone; `make help` lists the rest.

PYTHON ?= python3
PY := .venv/bin/python
BOOK_SOURCES := _config.yml _toc.yml index.md genindex.md $(shell find chapters solutions assets -type f -not -path '*/__pycache__/*' -not -path 'assets/readme/*')
COURSE_SOURCES := $(shell find autograder solutions -type f \( -name '*.py' -o -name '*.md' \) -not -path '*/submitted/*' -not -path '*/release/*' -not -path '*/source/*' -not -path '*/autograded/*')

# On small matrices, BLAS threads that wait for each other are slower than one.
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: all book pdf epub pictures assignments sample test mutants bench soak lint format clean help

all: book assignments sample
	@echo
	@echo "Read the book:        _build/html/index.html"
	@echo "Give to students:     autograder/release/"
	@echo "Look at the sample:   _build/sample/autograded/"
	@echo "What next:            README.md"
	@grep -h "ran in no jail" _build/sample.txt || true

help:
	@echo "make              environment, book, assignments, sample class"
	@echo "make test         environment and the whole test suite"
	@echo "make book         the book, in _build/html"
	@echo "make pdf          the whole book in one file, printed by Chromium;  make epub  for e-readers"
	@echo "make assignments  the notebooks, in autograder/release"
	@echo "make sample       the sample class, graded, in _build/sample"
	@echo "make pictures     the pictures of README.md, by Chromium"
	@echo "make bench        how fast a class is graded, and what 100,000 would take, in benchmarks/"
	@echo "make soak         long random campaigns, of which make test runs a short seeded part"
	@echo "make mutants      changes solutions/ in every small way; the grader must notice"
	@echo "make lint         style and types;  make format  mends the style"
	@echo "make clean        removes what make made, the environment and a real course's files excepted"

.venv/book: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "This project needs Python 3.11 to 3.13, and $(PYTHON) is another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { echo "$(PYTHON) lacks venv; on Debian: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/tests: requirements-dev.txt .venv/book
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@touch $@

book: _build/html/.complete
_build/html/.complete: .venv/book $(BOOK_SOURCES) $(COURSE_SOURCES)
	.venv/bin/jupyter-book build . --all -W -n --keep-going
	@touch $@

# The editions lie beside the pages, and the first page links to them.
EDITION := _build/html/batch-normalization-worked

pdf: $(EDITION).pdf
$(EDITION).pdf: _build/html/.complete
	$(PY) assets/editions/pdf.py _build/html
	$(PY) assets/editions/links.py _build/html

epub: $(EDITION).epub
$(EDITION).epub: _build/html/.complete
	.venv/bin/jupyter-book build . --all -W -n --keep-going --builder custom --custom-builder epub --path-output _build/epub
	@cp _build/epub/_build/epub/$(notdir $@) $@
	$(PY) assets/editions/links.py _build/html

assignments: _build/assignments
_build/assignments: .venv/book $(COURSE_SOURCES)
	$(PY) -m autograder build
	@mkdir -p _build && touch $@

sample: _build/sample.txt
	@cat $<
_build/sample.txt: .venv/book $(COURSE_SOURCES)
	@mkdir -p _build
	$(PY) -m autograder sample > $@.partial || { cat $@.partial; exit 1; }
	@mv $@.partial $@

# The pictures of README.md, which are committed.
pictures: .venv/tests book sample
	$(PY) -m assets.readme.pictures

test: .venv/tests lint
	$(PY) -m pip check
	$(PY) -m pytest

mutants: .venv/tests
	$(PY) -m benchmarks.mutants

bench: .venv/tests
	$(PY) -m benchmarks.speed
	$(PY) -m benchmarks.scale

soak: .venv/tests
	SOAK=1 $(PY) -m pytest -m soak

lint: .venv/tests
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: .venv/tests
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean:
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
