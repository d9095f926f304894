# Each virtual environment is built on first use; its stamps make pip run again only when pyproject.toml or
# constraints.txt change. Only Python and make have to be there.

PYTHON ?= python3
MINIMUM_PYTHON := $(shell sed -n 's/^requires-python = ">=\([0-9.]*\)"/\1/p' pyproject.toml)
export PYTHON

# The name carries the accelerator, so that asking for one installs it into an environment that has none yet.
STAMP := installed$(if $(ACCELERATOR),-$(ACCELERATOR))
TRAIN := .venv/$(STAMP)-train
TEST := .venv/$(STAMP)-test
DOCS := .venv/$(STAMP)-docs
POSTGRES := .venv/$(STAMP)-postgres
SB3 := .venv-sb3/$(STAMP)-test
RLLIB := .venv-rllib/$(STAMP)-test
OFFLINE := .venv-offline/$(STAMP)-test

# One process for each core; the tests of a file stay together, because they share compiled programs.
IN_PARALLEL := -n logical --dist loadfile

comma := ,
python_version = $(shell $(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null)
python_suffices = $(shell $(PYTHON) -c \
	'import sys; print(sys.version_info >= tuple(map(int, "$(MINIMUM_PYTHON)".split("."))))' 2>/dev/null)
require_python = $(if $(filter True,$(python_suffices)),,$(error Python $(MINIMUM_PYTHON) or newer is needed, but \
	$(PYTHON) is $(or $(python_version),not there): install it, or name one with make PYTHON=/path/to/python))
is_curriculum = $(and $(filter 1,$(words $(CURRICULUM))),$(filter 1 2 3,$(CURRICULUM)))
require_curriculum = $(if $(filter command,$(origin CURRICULUM)),$(if $(is_curriculum),,$(error \
	CURRICULUM must be 1, 2 or 3, not '$(CURRICULUM)'; for example: make train CURRICULUM=3)))
$(if $(filter-out cuda,$(ACCELERATOR)),$(error \
	ACCELERATOR must be cuda or left out, not '$(ACCELERATOR)'; for example: make train CURRICULUM=3 ACCELERATOR=cuda))

require_preset = $(if $(filter-out quick,$(given_preset)),$(error PRESET must be quick or left out, not '$(PRESET)'; \
	for example: make train CURRICULUM=3 PRESET=quick))$(if $(and $(given_preset),$(if $(is_team),,yes)),$(error \
	PRESET must be left out with CONFIG, with ALGO and with another ENV than retargeting_v0, the market that it is of))

# Names such as ENV are often set in a shell for other ends, so only make's own command line counts.
option = $(if $(and $(filter command,$(origin $2)),$($2)),--$1 '$(subst ','\'',$($2))')

# The market of many agents is trained unless something else is asked for, and as the configuration of the preset says.
given = $(if $(filter command,$(origin $1)),$($1))
given_preset = $(call given,PRESET)
is_team = $(if $(call given,CONFIG),,$(filter retargeting_v0,$(or $(call given,ENV),$(if $(call given,ALGO),,retargeting_v0))))
config = $(if $(is_team),--config 'configs/multi_agent$(addprefix _,$(given_preset)).yaml',$(call option,config,CONFIG))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two goals at once would run pip twice in one environment.
.NOTPARALLEL:

.PHONY: help
help: ## list the commands
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1:\2/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS=: read -r command purpose; do printf '  make %-12s %s\n' "$$command" "$$purpose"; done
	@echo 'PYTHON=/path/to/python chooses the Python (>= $(MINIMUM_PYTHON)); ACCELERATOR=cuda adds the CUDA build of JAX.'

.PHONY: check-curriculum
check-curriculum:
	@:$(require_curriculum)$(require_preset)

.PHONY: train
train: check-curriculum $(TRAIN) ## train agents: [CURRICULUM=1|2|3 PRESET=quick ENV= ALGO= SEED= CONFIG= OUT=]
	.venv/bin/python -m training train $(strip $(call option,curriculum,CURRICULUM) $(call option,env,ENV) \
		$(call option,algo,ALGO) $(call option,seed,SEED) $(config) $(call option,out,OUT))

.PHONY: ablation
ablation: $(TRAIN) ## what the curriculum is worth to a team: [SEEDS=5 PRESET=quick|full OUT=]
	.venv/bin/python -m training ablation $(strip $(call option,seeds,SEEDS) $(call option,preset,PRESET) \
		$(call option,out,OUT))

.PHONY: test
test: $(TEST) ## run every test that is not marked slow, sb3, rllib, d3rlpy or postgres
	.venv/bin/python -m pytest -m 'not slow and not sb3 and not rllib and not d3rlpy and not postgres' $(IN_PARALLEL)

.PHONY: test-slow
test-slow: $(TEST) ## run the tests marked slow
	.venv/bin/python -m pytest -m slow $(IN_PARALLEL)

.PHONY: test-sb3
test-sb3: $(SB3) ## run the tests against Stable-Baselines3, in .venv-sb3
	.venv-sb3/bin/python -m pytest -m sb3

.PHONY: test-rllib
test-rllib: $(RLLIB) ## run the tests against Ray RLlib, in .venv-rllib
	.venv-rllib/bin/python -m pytest -m rllib

.PHONY: test-postgres
test-postgres: $(POSTGRES) ## run the tests of the store against a PostgreSQL of their own, which Debian's package brings
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || apt-get install -y postgresql
	.venv/bin/python -m tests.studies.postgres .venv/bin/python -m pytest -m postgres

.PHONY: test-offline
test-offline: $(OFFLINE) ## run the tests against d3rlpy, in .venv-offline
	.venv-offline/bin/python -m pytest -m d3rlpy

.PHONY: lint
lint: $(TEST) ## check style, formatting and types
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

.PHONY: bench
bench: $(TRAIN) ## measure how fast environments and training run on this machine
	.venv/bin/python -m benchmarks

.PHONY: bench-peers
bench-peers: $(TRAIN) ## the same in turns with RTBGym, which is installed into .venv-peers
	.venv/bin/python -m benchmarks --peers .venv-peers

.PHONY: benchmark
benchmark: $(TRAIN) ## compare every rule and learner in every market, and write docs/benchmark_pacing.json and pictures
	.venv/bin/python -m benchmarks.pacing --write docs

.PHONY: docs
docs: $(DOCS) ## build the documentation into docs/_build/html
	.venv/bin/sphinx-build -W --keep-going docs docs/_build/html

.PHONY: clean
clean: ## remove environments, builds and caches; results stay
	rm -rf .venv .venv-sb3 .venv-rllib .venv-offline .venv-peers build dist docs/_build .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(TRAIN): EXTRAS := train
$(TEST): EXTRAS := train,dev
$(DOCS): EXTRAS := train,dev,docs
$(POSTGRES): EXTRAS := train,dev,postgres
$(SB3): EXTRAS := train,dev,sb3
$(RLLIB): EXTRAS := train,dev,rllib

$(TRAIN) $(TEST) $(POSTGRES) $(DOCS): .venv/created
$(SB3): .venv-sb3/created
$(RLLIB): .venv-rllib/created
$(OFFLINE): .venv-offline/created

$(TRAIN) $(TEST) $(POSTGRES) $(DOCS) $(SB3) $(RLLIB): pyproject.toml constraints.txt
	$(@D)/bin/python -m pip install -c constraints.txt -e '.[$(EXTRAS)$(addprefix $(comma),$(ACCELERATOR))]'
	@touch $@

# d3rlpy pins one old Gymnasium, so it comes without its dependencies.
$(OFFLINE): pyproject.toml constraints.txt tests/d3rlpy/requirements.txt
	$(@D)/bin/python -m pip install -c constraints.txt -e '.[train,dev]' -r tests/d3rlpy/requirements.txt
	$(@D)/bin/python -m pip install --no-deps d3rlpy==2.8.1
	@touch $@

%/created:
	$(require_python)$(PYTHON) -m venv --clear $(@D)
	@touch $@
