# Everything a person does with this repository. `make` alone says what there is.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
EXTRAS := run
PORT   ?= 8883
UNITS  ?=
SPEED  ?=
LOG    ?=
LIVE   ?=
DAY    ?= $(if $(LIVE)$(UNITS)$(SPEED)$(LOG),,1)
MINUTES ?= 30
HOURS  ?= 1
JOBS   ?= 1
SECONDS ?= 60
ARCH   ?= amd64 arm64 armhf

.DEFAULT_GOAL := help
.PHONY: help run test check torture soak bench fuzz packages packages-test packages-arm64-test packages-armhf-test packages-emulated-test packages-lock clean

help: ## Show this help
	@echo "pantau: make TARGET"
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "make run takes LIVE=1 (in real time, until Ctrl-C), or UNITS=5 SPEED=10 LOG=drive.nmea, and PORT=8884"

run: $(VENV)/.run ## A day of an excavator, an ambulance and a fire engine in three minutes, through all of pantau on this machine, and their hours
	@sh packaging/need-mosquitto.sh
	@sh packaging/need-camera.sh
	@exec $(BIN)/pantau run --port $(PORT) $(if $(DAY),--day) \
		$(if $(UNITS),--units $(UNITS)) $(if $(SPEED),--speed $(SPEED)) $(if $(LOG),--log $(LOG))

test: $(VENV)/.dev ## Every test, against real Mosquitto, SQLite, TLS and SIGKILL
	@sh packaging/need-mosquitto.sh
	@sh packaging/need-fuse.sh
	@sh packaging/need-dbusmock.sh
	@sh packaging/need-camera.sh
	@sh packaging/need-faults.sh
	@# Four at once, as most of a test is waiting: 8 minutes instead of 25.
	@$(BIN)/python -m pytest --numprocesses 4 --dist loadfile \
	|| { test -n "$(AGAIN)" && echo "once more, alone:" && $(BIN)/python -m pytest --last-failed; }

check: $(VENV)/.dev ## Style, types (also with MicroPython's stubs), import contracts, documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy wire running settings edge broker provisioning stage torture pantau bench fuzz packaging/deb_build.py packaging/deb_tree.py
	@test -d build/micropython-stubs || $(BIN)/pip install --quiet --target build/micropython-stubs micropython-rp2-rpi-pico-w-stubs
	$(BIN)/pyright -p packaging/micropython
	$(BIN)/lint-imports --no-cache
	@sh packaging/need-mosquitto.sh
	$(BIN)/python -m pytest tests/docs

torture: $(VENV)/.dev ## Break a running city in every way we know, and account for every fix (MINUTES=30, SCENARIOS=..., SEED=...)
	@sh packaging/need-mosquitto.sh
	@sh packaging/need-fuse.sh
	@sh packaging/need-faults.sh
	@exec $(BIN)/pantau torture $(SCENARIOS) --minutes $(MINUTES) --jobs $(JOBS) $(if $(SEED),--seed $(SEED)) $(if $(CI),--second-chance)

soak: $(VENV)/.dev ## Let a city live for HOURS=1 with restarts and outages: does anything grow, slow down or get lost (UNITS=3)
	@sh packaging/need-mosquitto.sh
	@exec $(BIN)/pantau soak --hours $(HOURS) --units $(or $(UNITS),3) --out build/soak $(if $(SEED),--seed $(SEED))

bench: $(VENV)/.dev ## Every figure of docs/performance.md (ratios within one run); NAME=air for one
	@exec $(BIN)/python -m bench $(NAME)

fuzz: $(VENV)/.fuzz ## Coverage-guided fuzzing of every parser that faces the outside (SECONDS=60, TARGETS=..., SEED=...)
	@exec $(BIN)/python -m fuzz $(TARGETS) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

packages: $(VENV)/.dev ## Debian packages that install offline, into build/packages (ARCH="amd64 arm64 armhf")
	@sh packaging/need-debhelper.sh
	@exec $(BIN)/python packaging/deb_build.py $(ARCH)

packages-test: ## Install them into Debian 12 and 13 without a network, start, upgrade, purge (as root)
	@$(MAKE) --no-print-directory packages ARCH=$$(dpkg --print-architecture)
	@sh packaging/need-rootfs.sh
	@exec $(BIN)/python -m pytest tests/packages

packages-arm64-test: ## The same for Debian 12 on arm64 under qemu: half an hour (as root; registers the emulator)
	@$(MAKE) --no-print-directory packages-emulated-test ARCH=arm64 MACHINE=aarch64

packages-armhf-test: ## The same on armhf, where there is no camera node
	@$(MAKE) --no-print-directory packages-emulated-test ARCH=armhf MACHINE=arm

packages-emulated-test: packages
	@sh packaging/need-rootfs.sh $(MACHINE)
	@PANTAU_DEB_ARCH=$(ARCH) exec $(BIN)/python -m pytest tests/packages/test_installed.py -k bookworm

packages-lock: $(VENV)/.dev ## Pin the wheels of the packages anew, with their hashes (needs a network)
	@$(BIN)/pip install --quiet --disable-pip-version-check 'uv>=0.5'
	@sh packaging/lock.sh $(BIN)/uv

clean: ## Remove the virtual environment, the packages, and what make run left
	rm -rf $(VENV) .pantau build/packages

$(VENV)/.%: pyproject.toml
	@sh packaging/need-python.sh "$(PYTHON)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
