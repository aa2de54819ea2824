# Each target does its own set-up on a fresh Debian or Ubuntu machine (root, or a user with sudo).
# Build outputs go to a cache outside the checkout, so that a second clone builds quickly.
export CARGO_TARGET_DIR ?= $(or $(REFARCH_CACHE),$(HOME)/.cache/refarch)/target
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
REFARCH := $(CARGO_TARGET_DIR)/release/refarch
DEMO := environments/local/3k.yaml
NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo yes)

.PHONY: help setup emulators build demo demo-down test unit check fmt clippy figures

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
emulators: setup
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

unit: ## The tests that need no containers
	cargo test --locked --lib

figures: build ## The figures of docs/performance.md, measured on this machine
	$(SUDO) scripts/figures.sh $(REFARCH)

check: fmt clippy ## Formatting and lints

fmt:
	cargo fmt --check

clippy:
	cargo clippy --all-features --locked --all-targets -- -D warnings
