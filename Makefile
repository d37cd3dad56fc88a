# SPDX-License-Identifier: Apache-2.0
# make demo, make setup and make test install what they need. Run them as root on Debian 12.

PYTHON ?= /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps

BUILD_PACKAGES := python3 python3-venv python3-dev gcc libc6-dev cmake ninja-build pkg-config \
	clang llvm libbpf-dev libelf-dev zlib1g-dev liblz4-dev libssl-dev libisal-dev ca-certificates
DEMO_PACKAGES := openjdk-17-jre-headless maven iproute2 iputils-ping curl util-linux
TEST_PACKAGES := bpftool tshark tcpdump iproute2 iputils-ping libcap2-bin util-linux procps prometheus \
	systemd unzip rsyslog rsyslog-kafka rsyslog-elasticsearch

DEMO_NEEDS := $(STAMPS)/installed $(STAMPS)/demo-packages var/kafka/.complete
SOURCES := pyproject.toml CMakeLists.txt $(wildcard bpf/*.[ch] cython/*/*.pyx cython/*/*.pxd)

.PHONY: help setup demo demo-keep demo-down up down test test-unit lint lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMPS)/installed ## everything streamer needs; the program is then .venv/bin/streamer

demo: $(DEMO_NEEDS) ## packets to Kafka to ClickHouse, on real traffic
	@$(BIN)/streamer demo

demo-keep: $(DEMO_NEEDS) ## the same, and everything stays to be looked at
	@$(BIN)/streamer demo --keep

demo-down: ## end what demo-keep left running
	@$(BIN)/streamer demo --down

up: ## streamer, Kafka and ClickHouse in containers; needs Docker and a .env (docs/deployment.md)
	@$(require_compose)
	@[ -f .env ] || { echo "there is no .env: cp .env.example .env, and set STREAMER_INTERFACE in it" >&2; exit 2; }
	@docker compose up --detach --build

down: export STREAMER_INTERFACE ?= any
down: ## end them, with the ledger; what they have stored stays
	@$(require_compose)
	@docker compose stop streamer
	@docker compose logs --no-log-prefix --tail 14 streamer
	@docker compose --profile '*' down

test: $(STAMPS)/dev $(STAMPS)/demo-packages $(STAMPS)/test-packages var/kafka/.complete var/elasticsearch/.complete ## all tests
	$(BIN)/python -m pytest

test-unit: $(STAMPS)/dev ## the tests that need neither root nor servers
	$(BIN)/python -m pytest tests/unit

lint: $(STAMPS)/dev ## ruff, mypy, pyright, cython-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint cython
	$(BIN)/mypy
	$(BIN)/basedpyright --level warning

lock: ## resolve the pinned requirements again (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra demo --extra arrow --group build pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra demo --extra arrow --group build --group test --group lint pyproject.toml -o requirements-dev.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		-c requirements.lock pyproject.toml -o requirements-service.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		-c requirements.lock --group build -o requirements-build.lock

clean: ## remove everything that was built or installed here
	rm -rf $(VENV) build var

# ------------------------------------------------------------------ containers
define require_compose
docker compose version >/dev/null 2>&1 || { echo "this needs Docker with Compose v2 (docker compose)" >&2; exit 1; }
endef

# ------------------------------------------------------------------ stamps
define apt_install
	@dpkg-query -W -f '$${Status}\n' $(1) 2>/dev/null | grep -c '^install ok installed' | grep -qx '$(words $(1))' || { \
		echo "installing Debian packages: $(1)"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null; }
endef

$(STAMPS)/build-packages:
	$(call apt_install,$(BUILD_PACKAGES))
	@$(PYTHON) -m venv $(VENV) && mkdir -p $(STAMPS) && touch $@

$(STAMPS)/demo-packages: | $(STAMPS)/build-packages
	$(call apt_install,$(DEMO_PACKAGES))
	@touch $@

$(STAMPS)/test-packages: | $(STAMPS)/build-packages
	$(call apt_install,$(TEST_PACKAGES))
	@touch $@

$(STAMPS)/requirements: requirements.lock | $(STAMPS)/build-packages
	@echo "installing Python packages"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(STAMPS)/installed: $(STAMPS)/requirements $(SOURCES)
	@echo "building streamer"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(STAMPS)/dev: requirements-dev.lock $(STAMPS)/installed
	@echo "installing test and lint tools"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

var/kafka/.complete: deploy/kafka/pom.xml deploy/kafka/SHA256SUMS | $(STAMPS)/demo-packages
	@echo "fetching the Kafka artefacts"
	@rm -rf var/kafka/libs
	@mvn -q -B -Dstyle.color=never -f deploy/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/var/kafka/libs
	@cd var/kafka/libs && sha256sum --quiet --strict --check $(CURDIR)/deploy/kafka/SHA256SUMS
	@touch $@

var/elasticsearch/.complete: tests/servers/elasticsearch/pom.xml tests/servers/elasticsearch/SHA256SUMS | $(STAMPS)/demo-packages $(STAMPS)/test-packages
	@echo "fetching Elasticsearch"
	@rm -rf var/elasticsearch
	@mvn -q -B -Dstyle.color=never -f tests/servers/elasticsearch/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/var/elasticsearch
	@cd var/elasticsearch && sha256sum --quiet --strict --check $(CURDIR)/tests/servers/elasticsearch/SHA256SUMS
	@cd var/elasticsearch && unzip -q elasticsearch-*.zip && rm elasticsearch-*.zip
	@touch $@
