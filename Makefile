# Sluice. `make help` lists the targets; Go >= 1.26, make and git are all that building, demo and tests need.
# Race tests (race, check) need a C compiler too: scripts/ci-deps installs one where there is none.

GO        ?= go
PREFIX    ?= /usr/local
DESTDIR   ?=
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME  ?= 10s
BENCH     ?= .
BENCHCOUNT ?= 6
SIMCHECKS ?= 10000
TESTFLAGS ?= -timeout=5m
RACEFLAGS ?= -timeout=15m
DEMOFLAGS ?=

# Batch commands that `make install` links to the binary. The list is in this place only.
COMMANDS := bsub bjobs bkill bstop bresume brequeue bswitch btop bbot bmod bgadd bgmod bgdel bjgroup brun bwait bpeek bhist bacct bqueues bapp bhosts bparams busers badmin \
	lsid lshosts lsload

# The same settings for build, tests and lint: one build cache serves them all. The version comes from LDFLAGS, so Go
# need not ask git, which refuses a clone that belongs to somebody else.
export CGO_ENABLED := 0
export GOFLAGS += -trimpath -buildvcs=false

BINARY  := bin/sluice
LDFLAGS := -s -w -X main.version=$(VERSION)
# One linter binary for each version of Go, because a linter refuses sources newer than the Go that built it.
LINTER   = bin/tools/golangci-lint-$(shell $(GO) env GOVERSION)

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:

##@ Use

.PHONY: build
build: ## build the static binary bin/sluice
	$(GO) build -ldflags '$(LDFLAGS)' -o $(BINARY) ./cmd/sluice

.PHONY: demo
demo: build ## build and run the demo: an embedded cluster, 200 jobs, a picture in demo.svg (DEMOFLAGS=...)
	$(BINARY) demo $(DEMOFLAGS)

.PHONY: install
install: build ## install the binary and the batch commands under PREFIX (/usr/local), within DESTDIR
	install -d '$(DESTDIR)$(PREFIX)/bin'
	install -m 0755 $(BINARY) '$(DESTDIR)$(PREFIX)/bin/sluice'
	for c in $(COMMANDS); do ln -sf sluice '$(DESTDIR)$(PREFIX)/bin/'$$c || exit 1; done

.PHONY: uninstall
uninstall: ## remove what install put there
	for c in $(COMMANDS) sluice; do rm -f '$(DESTDIR)$(PREFIX)/bin/'$$c || exit 1; done

##@ Test

.PHONY: test
test: ## run all tests (TESTFLAGS=...)
	$(GO) test $(TESTFLAGS) ./...

.PHONY: race
race: ## run all tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race $(RACEFLAGS) ./...

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (10s)
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' scripts/fuzz

.PHONY: sim
sim: ## run the property tests, fault schedules and worlds of jobs on SIMCHECKS (10000) random histories each
	@$(GO) test -count=1 -timeout=60m $(call packages-with,pgregory.net/rapid) -rapid.checks=$(SIMCHECKS)
	@$(GO) test -count=1 -timeout=60m -run=TestFaultSchedules ./framework -schedules=$(SIMCHECKS) -first-seed=0
	@$(GO) test -count=1 -timeout=60m -run=TestNoJob ./internal/sim -worlds=$(SIMCHECKS) -first-world=0

.PHONY: bench
bench: ## run the benchmarks, in a form for benchstat: make -s bench > new.txt (BENCH=regexp BENCHCOUNT=6)
	@$(GO) test -run='^$$' -bench='$(BENCH)' -benchmem -count=$(BENCHCOUNT) ./...

.PHONY: tables
tables: build ## regenerate the tables and pictures of docs/control.md (TRACES=folder of the traces)
	TRACES='$(TRACES)' scripts/tables

.PHONY: arch
arch: ## check import rules, purity, sizes and names of packages, and the links in the documentation
	$(GO) test ./internal/archtest

.PHONY: check
check: check-fmt check-mod arch lint vet build check-version check-commands race check-faults check-demo check-bench ## all that CI runs
	@echo 'check: all passed'

# check-fmt shows what `make fmt` would change; check-commands compares COMMANDS with what the binary offers.
.PHONY: check-fmt check-mod check-version check-commands check-faults check-demo check-bench
check-fmt: $(LINTER)
	$(LINTER) fmt --diff

check-mod:
	$(GO) mod tidy -diff
	$(GO) mod verify

check-version: build
	$(BINARY) version | grep -F -- '$(VERSION)'

check-commands: build
	@has=$$($(BINARY) --help | awk '/^Commands of LSF/ {on = 1; next} /^$$/ {on = 0} on {print $$1}' | sort | xargs); \
	test "$$has" = '$(sort $(COMMANDS))' || { echo "check-commands: the binary has $$has, COMMANDS says $(sort $(COMMANDS))"; exit 1; }

check-faults:
	$(GO) test -count=1 -timeout=10m -run=TestFaultSchedules ./framework -schedules=10000

check-demo: build
	BINARY='$(abspath $(BINARY))' scripts/demo-smoke $(DEMOFLAGS)

check-bench:
	$(GO) test -run='^$$' -bench=. -benchtime=1x -timeout=15m ./...

##@ Work on the source

.PHONY: setup
setup: $(LINTER) ## download the modules and build the linter
	$(GO) mod download

.PHONY: lint
lint: $(LINTER) ## run golangci-lint with .golangci.yml
	$(LINTER) run ./...

.PHONY: vet
vet: ## run go vet
	$(GO) vet ./...

.PHONY: fmt
fmt: $(LINTER) ## format the sources
	$(LINTER) fmt

.PHONY: golden
golden: ## write the expected outputs of scripted tests anew; read the difference before you commit it
	$(GO) test -count=1 $(call packages-with,cockroachdb/datadriven|flag[.]Bool."rewrite") -rewrite

.PHONY: docs
docs: ## check the links in the documentation
	$(GO) test -count=1 -v -run='^TestRules$$/^links$$' ./internal/archtest

.PHONY: release
release: ## build tarballs for linux amd64 and arm64 with their SHA-256 sums in dist/
	@GO='$(GO)' VERSION='$(VERSION)' LDFLAGS='$(LDFLAGS)' COMMANDS='$(COMMANDS)' scripts/release

.PHONY: clean
clean: ## remove what the other targets made, but for the linter
	rm -rf $(BINARY) dist demo.svg coverage.* *.out *.prof *.test

.PHONY: help
help: ## print this list
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' Makefile

# The linter is pinned in a module of its own, so that what it needs never shows in Sluice's go.mod.
bin/tools/golangci-lint-%: tools/go.mod tools/go.sum
	@echo 'building golangci-lint; this takes some minutes, once'
	$(GO) build -C tools -o '$(abspath $@)' github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# packages-with lists the packages whose tests hold the extended regular expression $(1).
packages-with = $$(grep -rlE --include='*_test.go' '$(1)' . | xargs -r -n1 dirname | sort -u)
