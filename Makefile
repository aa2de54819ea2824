# Each target does its own set-up on a fresh Debian or Ubuntu machine (root, or a user with sudo).
# Build outputs go to a cache outside the checkout, so that a second clone builds quickly.
export CARGO_TARGET_DIR ?= $(or $(REFARCH_CACHE),$(HOME)/.cache/refarch)/target
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
REFARCH := $(CARGO_TARGET_DIR)/release/refarch
DEMO := environments/local/3k.yaml
NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo yes)

.PHONY: help setup emulators build demo demo-down test test-clouds unit check fmt clippy figures azure-fake-check bench planning drill

help: ## What there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup:
	@$(SUDO) sh scripts/setup.sh

build: setup ## The binary, optimised
	cargo build --release --locked

demo: build ## A highly available environment of real servers on this machine
	$(SUDO) $(REFARCH) apply $(DEMO) --yes

demo-down: build ## Remove what `make demo` made
	$(SUDO) $(REFARCH) destroy $(DEMO) --yes --destroy-data demo

# Tests run as root, for the containers; the emulators' virtual environments are theirs.
emulators: setup ## What tests need besides: emulated clouds, a browser without windows
	@$(SUDO) sh scripts/browser.sh
	@for list in tests/support/requirements.txt tests/support/*/requirements.txt; do \
		$(SUDO) env PATH="$(PATH)" $(if $(REFARCH_CACHE),REFARCH_CACHE="$(REFARCH_CACHE)") scripts/emulators.sh $$list >/dev/null || exit 1; \
	done

# The clouds' libraries are large and are built once: see CONTRIBUTING.md for what it takes.
test: setup emulators ## Every test: real servers in containers, clouds on emulated accounts
ifeq ($(NEXTEST),yes)
	$(SUDO) env PATH="$(PATH)" CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" cargo nextest run --all-features --locked --no-fail-fast
else
	$(SUDO) env PATH="$(PATH)" CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" cargo test --all-features --locked --no-fail-fast
endif

planning: ## The benchmark of planning, each case once and no times judged; with TIMES=1 it measures
	$(if $(TIMES),cargo bench,cargo test) --locked --package refarch-planning --benches

test-clouds: setup emulators ## The clouds' tests with everything that goes wrong tried often: 25 kill points of each verb, 50 lost answers
ifeq ($(NEXTEST),yes)
	$(SUDO) env PATH="$(PATH)" CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" REFARCH_THOROUGH=1 cargo nextest run --locked --all-features --no-fail-fast --test aws --test gcp --test azure
else
	$(SUDO) env PATH="$(PATH)" CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" REFARCH_THOROUGH=1 cargo test --locked --all-features --no-fail-fast --test aws --test gcp --test azure
endif

unit: ## The tests that need no containers
	cargo test --locked --lib

azure-fake-check: setup ## The vendor's own Python clients against the fake Azure of the tests
	scripts/azure-fake.sh check

drill: build ## Break everything that may break on an environment made for it: the table of docs/reliability.md
	$(SUDO) $(REFARCH) apply environments/local/drill.yaml --yes
	$(SUDO) $(REFARCH) drill environments/local/drill.yaml --junit drills.xml; code=$$?; \
	$(SUDO) $(REFARCH) report -e environments/local/drill.yaml -o drills.html; \
	$(SUDO) $(REFARCH) destroy environments/local/drill.yaml --yes --destroy-data drill; exit $$code

figures: build ## The figures of docs/performance.md, measured on this machine
	$(SUDO) scripts/figures.sh $(REFARCH)

BENCH := $(or $(REFARCH_CACHE),$(HOME)/.cache/refarch)/bench
# QUICK=1: two minutes, without Ansible. FULL=1: an hour, with Ansible as it comes.
FEW := --hosts 10 --rounds 1 --only 'limit; refarch; limit, warm; refarch, warm; pyinfra'
PEERS := $(if $(QUICK),$(FEW),$(if $(FULL),--full --rounds 5,--rounds 5))

bench: build ## The same work with refarch, Ansible, Mitogen, pyinfra and bare ssh: docs/performance/peers.md
	@$(SUDO) sh scripts/setup-bench.sh $(BENCH)
	$(SUDO) $(BENCH)/venv/bin/python benches/peers/peers.py --refarch $(REFARCH) --cache $(BENCH) $(PEERS) --out docs/performance

check: fmt clippy ## Formatting and lints

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --locked --all-features --all-targets -- -D warnings
	cargo clippy --locked --package refarch-planning --all-targets -- -D warnings
