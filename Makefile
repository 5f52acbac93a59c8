# What one needs to work on listd. `make test` is the whole set-up for testing; CONTRIBUTING.md tells the rest.
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 20s

.PHONY: build demo check test bench fuzz needs clean

build: ## a static binary in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/listd ./cmd/listd

demo: build ## a whole site on loopback
	bin/listd demo

check: ## gofmt, go mod tidy, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { echo "run gofmt -w on:"; gofmt -l .; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

test: ## all tests, with the race detector; installs PostgreSQL's binaries where it can
	@GO="$(GO)" sh .ci/test $(STRICT)

needs: ## what the tests need beside Go
	@sh .ci/needs

bench: ## the main job against the raw limit of the same run; then the archive, digests and bounces
	$(GO) run ./bench
	$(GO) test ./archive -run '^$$' -bench 'Import|Index$$' -benchtime 1x -mails 20000 -timeout 1h
	$(GO) test ./archive -run '^$$' -bench 'Search$$' -benchtime 1x -posts 300000 -timeout 2h
	$(GO) test ./web -run '^$$' -bench Pages -benchtime 1x -posts 300000 -timeout 1h
	$(GO) test ./digest -run '^$$' -bench Week -benchtime 1x -timeout 1h
	$(GO) test ./inbound -run '^$$' -bench Bounces -timeout 1h

fuzz: ## every fuzz target for FUZZTIME
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
		done; \
	done

clean:
	rm -rf bin
