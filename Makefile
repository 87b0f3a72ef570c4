# zdd: the commands of its development. "make help" lists them.
#
# test, demo, bench and fuzz run on a fresh Debian as root: with-tools installs
# what is missing, and starts a Docker engine where none answers.

TOOLS := testdata/scripts/with-tools
# Go leaves testdata out of ./... on purpose; these are packages of ours.
HELPERS := ./testdata/app ./testdata/load ./testdata/loadgen
PACKAGES := ./... $(HELPERS)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME := 10s

export GOFLAGS := -buildvcs=false $(GOFLAGS)

.PHONY: build
build: ## build bin/zdd, one static binary (the default)
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/zdd .

.PHONY: test
test: ## run every test, on a real Docker engine and a real nginx
	$(TOOLS) go test -count=1 -timeout 25m $(PACKAGES)
	$(TOOLS) go test -count=1 -tags failpoint ./failpoint

.PHONY: race
race: ## run every test under the race detector; needs a C compiler
	$(TOOLS) go test -race -count=1 -timeout 20m $(PACKAGES)

.PHONY: drill
drill: ## run the drills whole (hours); DRILL=word chooses those whose test names have the word
	$(TOOLS) go test -count=1 -timeout 6h -v -run '(?i)^TestDrill.*$(DRILL)' ./e2e -drill

.PHONY: demo
demo: ## deploy, fail and roll back under load, and count the requests lost
	$(TOOLS) testdata/scripts/demo

.PHONY: bench
bench: ## print the figures of the documentation
	$(TOOLS) go test -run '^$$' -bench . -benchtime 10x -timeout 20m ./...

.PHONY: fuzz
fuzz: ## fuzz each target for FUZZTIME (10s)
	$(TOOLS) testdata/scripts/fuzz $(FUZZTIME)

.PHONY: lint
lint: ## gofmt, go vet and staticcheck
	testdata/scripts/formatted
	go vet $(PACKAGES)
	go vet -tags failpoint $(PACKAGES)
	go run $(STATICCHECK) $(PACKAGES)
	go run $(STATICCHECK) -tags failpoint ./failpoint

.PHONY: clean
clean: ## remove what build made
	rm -rf bin

.PHONY: help
help: ## list these commands
	@sed -n 's/^\([a-z]*\): ## /  make \1\t/p' Makefile | expand -t 16
