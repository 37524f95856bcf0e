# Two commands for a newcomer:  make demo   and   make test
PYTHON ?= python3.11
BIN    := .venv/bin
# What is compiled once is not compiled again by each of the hundreds of processes that tests start.
unexport PYTHONDONTWRITEBYTECODE
PIP    := $(BIN)/pip install -q --no-compile --disable-pip-version-check -c constraints.txt

# Fuzzing guided by coverage, where its tool is installed: pip install 'louver[fuzz]'.
GUIDED := $(BIN)/python -c 'import atheris' 2>/dev/null || { echo 'not guided by coverage: atheris is not installed'; exit 0; }; $(BIN)/python -m tests.support.guided

# What a security office and an operations team ask about: attacks, isolation, damaged bytes, crashes, restores.
ATTACKED := tests/attacks $(addprefix tests/e2e/,test_fuzzed_wire.py test_console_interface.py test_crashes.py test_restores.py) \
	$(addprefix tests/unit/sandbox/,test_isolation.py test_store_damage.py test_backups.py test_processes_admission.py test_turnstile.py test_pace.py)
# Whatever tries more with LOUVER_SOAK (tests/support/lengths.py); a test holds this list to that.
AT_LENGTH := tests/attacks tests/property tests/real tests/tpc tests/e2e \
	$(addprefix tests/unit/sandbox/,test_intervals_of_every_kind.py test_curved_intervals.py test_store_damage.py test_store_migrations.py test_store_postgres.py)

.PHONY: demo test attack soak check lock audit proto bench bench-peers help
help:            ## Show this help
	@grep -hE '^[a-z-]+: .*##|^[a-z-]+: *##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | expand -t 10

.venv/.demo: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo 'installing louver[sandbox,server] into .venv'
	@$(PIP) -e '.[sandbox,server]'
	@touch $@

.venv/.dev: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo 'installing louver[dev] into .venv'
	@$(PIP) -e '.[dev]'
	@touch $@ .venv/.demo

demo: .venv/.demo  ## A bank asks, is answered and refused, and verifies its receipt
	@$(BIN)/louver-sandbox demo
test: .venv/.dev   ## Run every test
	@$(BIN)/python -m bench.support.peers acro
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder
attack: .venv/.dev ## Attack it, break it, restore it: the quick form of everything, in less than ten minutes
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(ATTACKED)
	@$(GUIDED) --runs 1000
soak: .venv/.dev   ## The same at length, for hours: SEED=n for other statements
	@$(BIN)/python -m tests.support.fuzzing --count 1000000 --seed $(or $(SEED),2) --jobs 2
	@$(BIN)/python -m tests.support.fuzzed_documents --count 100000 --seed $(or $(SEED),2)
	@$(BIN)/python -m tests.support.fuzzed_files --count 20000 --seed $(or $(SEED),2)
	@$(GUIDED) --runs 1000000 --seed $(or $(SEED),2)
	@$(BIN)/python -m bench.overload --full
	@LOUVER_SOAK=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -o timeout=36000 $(AT_LENGTH)
	@LOUVER_SOAK=1 LOUVER_KILLS=400 $(BIN)/python -m pytest -q -n 0 -o timeout=36000 tests/unit/sandbox/test_private_kills.py
check: .venv/.dev  ## Format, lint, types, layers
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo
lock: .venv/.dev   ## What the container image installs, by SHA-256, and its bill of materials
	@$(BIN)/python -m tests.support.lock deploy/requirements.txt
	@test -x .venv-lock/bin/python || { $(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install -q cyclonedx-bom==7.5.0 pip-audit==2.10.1; }
	@.venv-lock/bin/cyclonedx-py requirements --spec-version 1.6 --output-reproducible --of JSON -o deploy/sbom.cdx.json deploy/requirements.txt
	@$(BIN)/python -m tests.support.lock --bill deploy/sbom.cdx.json
audit: lock        ## Ask the public database for known vulnerabilities of what the image installs
	@.venv-lock/bin/pip-audit --disable-pip --require-hashes -r deploy/requirements.txt
bench: .venv/.dev  ## Run one benchmark: make bench NAME=line
	@$(BIN)/python -m bench.$(NAME) $(ARGS)
bench-peers: .venv/.dev ## Install what tests and benchmarks compare with, each in an environment of its own
	@$(BIN)/python -m bench.support.peers
proto:             ## Regenerate louver/v1 with the pinned generator
	@test -x .venv-proto/bin/python || { $(PYTHON) -m venv .venv-proto && .venv-proto/bin/pip install -q -r proto/generator.txt; }
	@PATH="$(CURDIR)/.venv-proto/bin:$$PATH" python -m grpc_tools.protoc -I proto --python_out=clients/python --pyi_out=clients/python $$(cd proto && ls louver/v1/*.proto)
	@PATH="$(CURDIR)/.venv-proto/bin:$$PATH" python -m grpc_tools.protoc -I proto --grpc_python_out=clients/python --mypy_grpc_out=quiet:clients/python $$(cd proto && grep -l '^service ' louver/v1/*.proto)
