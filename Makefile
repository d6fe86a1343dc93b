# The one place that names the client's version and how the tools get in.
CLIENT_VERSION = 2.1.330
OTHER_CLIENTS = 2.1.196 2.1.332
CLIENT = .client/installed-$(CLIENT_VERSION)
READY = .venv/ready
LOCKS = requirements-dev.lock lib/requirements.lock lib/requirements-otlp.lock
# Any Python from 3.9 up that can make an environment; a pyenv shim that names a missing version is passed over.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3.15 python3.10 python3.9 python3 python \
	$$(ls -d "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.*/bin/python3 2>/dev/null); do \
	"$$p" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1 && echo "$$p" && break; done)
RUN = .venv/bin/python -m

.PHONY: setup client other-clients test test-client lint format check bench demo-recording clean

setup: $(READY)

$(READY): $(LOCKS)
	@test -n "$(PYTHON)" || { echo "No Python from 3.9 up with venv was found: install one, or name it: make PYTHON=..."; exit 1; }
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(RUN) pip install --quiet --disable-pip-version-check --require-hashes $(addprefix -r ,$(LOCKS))
	@touch $@

# The real client, for tests/client. Without npm those tests are skipped with a reason (with CI=true they fail).
client:
	@command -v npm >/dev/null 2>&1 || echo "npm was not found: the tests with the real client will be skipped"
	@! command -v npm >/dev/null 2>&1 || $(MAKE) --no-print-directory $(CLIENT)

$(CLIENT):
	npm install --prefix .client --no-save --no-audit --no-fund --loglevel=error @anthropic-ai/claude-code@$(CLIENT_VERSION)
	@touch $@

# Other versions, for tests/client/test_versions.py: the oldest on which everything works, the newest that was measured.
other-clients: $(addprefix .client/other/,$(OTHER_CLIENTS))

.client/other/%:
	npm install --prefix $@ --no-save --no-audit --no-fund --loglevel=error @anthropic-ai/claude-code@$* || \
		{ rm -rf $@; exit 1; }

# Every test where CI=true; on your own machine those that drive the real client are a command of their own. They wait most of
# their time: for the client, for its timers.
ifeq ($(CI),true)
test: setup client
	$(RUN) pytest -n 4 --dist worksteal
else
test: setup
	$(RUN) pytest -n 3 --dist worksteal -m "not client"
endif

test-client: setup client
	$(RUN) pytest -n 4 --dist worksteal tests/client

lint: setup
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy

format: setup
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

check: lint test

bench: setup
	.venv/bin/python bench

# The picture in the README, from a real run of the demo.
demo-recording: setup
	.venv/bin/python bench/recording.py

clean:
	rm -rf .venv .client .pythons lib/_vendor .pytest_cache .mypy_cache .ruff_cache
