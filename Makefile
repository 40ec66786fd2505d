# SPDX-License-Identifier: Apache-2.0
# Two targets for users: make demo, make test. Both install what is missing (Debian packages, as root), build, and run.
BUILD ?= build
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local

.PHONY: all demo test deps build install bench fuzz clean

all: build

deps:
	@bash tools/deps.sh

build: deps
	@cmake -S . -B $(BUILD) -G Ninja -DCMAKE_BUILD_TYPE=Release > /dev/null
	@ninja -C $(BUILD) -j $(JOBS) --quiet intact_cli > $(BUILD)/build.log || { cat $(BUILD)/build.log; exit 1; }

demo: build
	@INTACT=$(BUILD)/intact bash tools/demo.sh

test:
	@bash tools/deps.sh test
	@bash tools/test.sh

install: build
	@ninja -C $(BUILD) -j $(JOBS) --quiet libintact-run.a libintact-run.so libintact.a intact_manual
	@cmake --install $(BUILD) --prefix $(PREFIX)

bench: build
	@INTACT=$(BUILD)/intact bash bench/run.sh

fuzz:
	@bash tools/deps.sh test
	@bash fuzz/run.sh

clean:
	rm -rf build build-*
