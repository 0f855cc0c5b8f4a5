# Everything a developer runs. `make test` is what CI runs: it installs the Debian packages of the peers it needs.
GO      ?= go
RESULTS ?= .cache/results
SHELL   := /bin/bash

.PHONY: help build demo test peers check test-go test-helpdesk torture bench fuzz clean

help: ## Show this help.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

build: ## Build the static binary ./sealgate.
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o sealgate ./cmd/sealgate

demo: ## Try Sealgate: sample groups, customers, mail and a page; Ctrl-C leaves nothing behind.
	@mkdir -p .cache
	$(GO) build -o .cache/demo ./cmd/sealgate
	@.cache/demo demo

test: peers check test-go test-helpdesk ## Install missing peers, then run everything, with the race detector.
	@.ci/summary $(RESULTS)

peers: ## Install the Debian packages of the test peers that are missing.
	@.ci/install-peers

check: ## Formatting, vet and staticcheck.
	@test -z "$$($(GO) tool gofumpt -l $$(git ls-files '*.go'))" || { echo "not formatted (gofumpt):"; $(GO) tool gofumpt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags helpdesk ./cmd/sealgate
	$(GO) tool staticcheck ./...

test-go: ## Every test but the real helpdesk; a missing peer is a failure.
	@mkdir -p $(RESULTS)
	SEALGATE_PEERS=required $(GO) tool gotestsum --format pkgname --jsonfile $(RESULTS)/go.json -- -race -timeout 40m ./...

test-helpdesk: ## A whole conversation through a real ticket system (RT 5).
	@mkdir -p $(RESULTS)
	SEALGATE_PEERS=required $(GO) tool gotestsum --format pkgname --jsonfile $(RESULTS)/helpdesk.json -- -race -timeout 10m -tags helpdesk -run '^TestHelpdesk' ./cmd/sealgate

bench: ## Benchmarks of every package, and docs/benchmarks*.md: Sealgate against its peers, side by side.
	$(GO) test -run '^$$' -bench . -benchmem ./...
	SEALGATE_PEERS=required SEALGATE_WRITE_DOCS=1 $(GO) test -count 1 -run '^TestBenchmarksDocument$$' -v ./gateway/pgpmime
	SEALGATE_PEERS=required SEALGATE_WRITE_DOCS=1 $(GO) test -count 1 -run '^TestRelayBenchmarksDocument$$' -v ./cmd/sealgate
	SEALGATE_PEERS=required SEALGATE_WRITE_DOCS=1 $(GO) test -count 1 -timeout 20m -run '^TestKeyringBenchmarksDocument$$' -v ./web
	SEALGATE_PEERS=required SEALGATE_WRITE_DOCS=1 $(GO) test -count 1 -timeout 20m -run '^TestQueueBenchmarksDocument$$' -v ./gateway/queue

# Numbers of the long run; a given SEALGATE_TEST_SEED draws the same numbers again.
SEALGATE_TEST_KILLS  ?= 1000
SEALGATE_TEST_CUTS   ?= 200
SEALGATE_TEST_ROUNDS ?= 20
torture: ## Kill, cut and fill up a gateway a thousand times, audit, and write docs/torture.md.
	@rm -rf .cache/torture
	SEALGATE_PEERS=required SEALGATE_TEST_KILLS=$(SEALGATE_TEST_KILLS) SEALGATE_TEST_CUTS=$(SEALGATE_TEST_CUTS) SEALGATE_TEST_ROUNDS=$(SEALGATE_TEST_ROUNDS) SEALGATE_TEST_FIGURES=$(CURDIR)/.cache/torture \
	  $(GO) test -count 1 -timeout 5h -v -run 'LosesNothing|LoseNothing|LyingDisk|NodesIsKilled|AuditorFinds' ./cmd/sealgate
	SEALGATE_WRITE_DOCS=1 SEALGATE_TEST_FIGURES=$(CURDIR)/.cache/torture $(GO) test -count 1 -run '^TestTortureDocument$$' ./cmd/sealgate

FUZZTIME ?= 60s
fuzz: ## Run every fuzz target for FUZZTIME.
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "== $$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

clean: ## Remove what the targets made.
	rm -rf .cache sealgate
