# The front door. `make` alone prints this list.
SHELL       = bash
.SHELLFLAGS = -eo pipefail -c
GO         ?= go
TAGS        = -tags synctests
LINT        = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME   ?= 10s
INFRA      ?= ../shared/infra
# What the release binary is built without inlining: code that is large and on no
# hot path (the one that is, kmsg, encodes one request for many records). With it
# and the linker's flags the binary has 29.7 instead of 32.3 MB.
COLD        = meetbridge/cmd/... meetbridge/bridge/graph/... github.com/hamba/avro/v2 github.com/go-viper/mapstructure/v2 github.com/twmb/franz-go/pkg/kmsg github.com/twmb/franz-go/pkg/kfake \
              github.com/alecthomas/... github.com/Azure/... github.com/AzureAD/... github.com/lestrrat-go/... github.com/prometheus/... \
              github.com/json-iterator/... github.com/twmb/franz-go/pkg/sr/... github.com/twmb/franz-go/pkg/kadm go.opentelemetry.io/... \
              google.golang.org/protobuf/... golang.org/x/... go.yaml.in/... encoding/json encoding/xml encoding/asn1 regexp/... mime/... text/...

.PHONY: help demo build release test test-real race lint fmt bench bench-openssl figures figures-renewer soak chaos consumers fuzz generate check image stack stack-down clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## the whole bridge in one process: meetings and webinars land on Kafka topics as decoded records (ARGS="--records 50 --json")
	@exec bin/meetbridge demo $(ARGS)

build: ## bin/meetbridge
	@$(GO) build -trimpath -o bin/meetbridge ./cmd/meetbridge

release: ## the binary of the image: static, stripped, small (OUT=bin/meetbridge)
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -funcalign=16' $(COLD:%=-gcflags=%=-l) -o $(or $(OUT),bin/meetbridge) ./cmd/meetbridge

test: ## every test
	$(GO) test $(TAGS) ./...

# INFRA is a directory whose script docker brings up an engine, and the images, on
# a machine that has or can pull none; without it the machine's own Docker is used.
test-real: ## the bridge against Apache Kafka and a schema registry in containers (RUN=regexp); without Docker it says that it skipped
	@if [ -x '$(INFRA)/docker' ]; then '$(INFRA)/docker' up >/dev/null; settings=$$('$(INFRA)/docker' env); eval "$$settings"; \
	elif ! timeout 10 docker version >/dev/null 2>&1; then echo "skipped: no Docker answers here"; exit 0; fi; \
	$(GO) test -tags real -count 1 -parallel 4 -timeout 10m -run '$(or $(RUN),.)' ./bridge/realtest

race: ## the tests with the race detector, but for the longest
	$(GO) test $(TAGS) -race -short ./...

lint: ## formatting, vet and the linter
	@test -z "$$(gofmt -l .)" || { echo "not formatted (run: make fmt):"; gofmt -l .; exit 1; }
	$(GO) vet $(TAGS) ./...
	$(GO) run $(LINT) run ./...

fmt: ## format all Go files
	$(GO) run $(LINT) fmt ./...

bench: ## every benchmark (BENCH=regexp, BENCHTIME=1s)
	$(GO) test $(TAGS) -run '^$$' -bench '$(or $(BENCH),.)' -benchmem -benchtime $(or $(BENCHTIME),1s) ./...

bench-openssl: ## Go's RSA, OpenSSL's through the build tag, and "openssl speed", in one run
	$(GO) test $(TAGS),openssl -run '^$$' -bench '^BenchmarkRatios$$' -benchtime $(or $(BENCHTIME),9x) ./bridge/sealed
	$(GO) test $(TAGS),openssl -run '^$$' -bench '^BenchmarkRich$$' -benchtime $(or $(BENCHTIME),9x) ./ingest

figures: ## what docs/performance.md promises of answers, overload, outages, start and drain (5 minutes of a machine that does nothing else)
	$(GO) test -tags figures -count 1 -timeout 20m -v -run 'AnswerTime|Overload|KafkaTrouble|ManyConnections|Start|Drain' ./ingest ./cmd/meetbridge | grep -v '^==='

figures-renewer: ## 100,000 subscriptions: 30 days in virtual time, ingest's long absence, memory (20 minutes; DAYS=30)
	$(GO) test -tags synctests,figures -count 1 -timeout 0 -v -run 'TestFigure' ./renewer -args -days $(or $(DAYS),30) | grep -v '^==='

soak: ## ingest under full load for SOAK (default 10m): memory, and that everything acknowledged is stored
	$(GO) test -tags figures -count 1 -timeout 0 -v -run TestSoak ./cmd/meetbridge -args -soak $(or $(SOAK),10m)

chaos: ## a real cluster, broken FAULTS times (default 200: half an hour) by the plan of SEED (default a new one); ARGS="-longest 6s -lifetime 1m" makes it short
	$(GO) build -trimpath -o bin/chaos ./cmd/chaos
	bin/chaos $(if $(SEED),-seed $(SEED)) $(if $(FAULTS),-faults $(FAULTS)) $(ARGS)

consumers: build ## kcat, Python, Kafka's tools, Java and Kafka Streams read every topic: docs/consumers.md (CONSUMERS=all; BROKERS and REGISTRY for a Kafka of yours)
	python3 docs/examples/checks/consumers.py $(CONSUMERS)

fuzz: ## every fuzz target for FUZZTIME each (default 10s; 2000x for so many runs)
	@bin=$$(mktemp -d); trap 'rm -rf "$$bin"' EXIT; \
	for dir in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n 1 dirname | sort -u); do \
	  pkg=$$($(GO) list $$dir); $(GO) test $(TAGS) -c -fuzz . -o $$bin/fuzz $$dir; \
	  targets=$$(cd $$dir && $$bin/fuzz -test.list '^Fuzz'); [ -n "$$targets" ]; \
	  for target in $$targets; do \
	    echo "$$pkg $$target"; \
	    (cd $$dir && $$bin/fuzz -test.run '^$$' -test.fuzz "^$$target$$" -test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 20x \
	      -test.fuzzcachedir "$$($(GO) env GOCACHE)/fuzz/$$pkg" 2>&1 | grep -v elapsed); \
	  done; done

generate: ## everything that is made from something else: Go types, tables in README.md and docs/
	$(GO) generate ./...
	$(GO) test ./cmd/meetbridge -run '^TestDocs' -update

check: ## fails if generate would change anything
	@$(MAKE) --no-print-directory generate
	@git diff --exit-code && test -z "$$(git status --porcelain -- README.md docs schemas)" || { echo "generated files are stale: run make generate and commit"; exit 1; }

image: ## the container image meetbridge: one static binary on nothing
	docker build -t meetbridge .

stack: ## everything in containers, with Kafka and a registry: records land on the screen (PROFILE=cluster: three Kafka nodes)
	@exec docker compose --profile $(or $(PROFILE),single) up --build $(ARGS)

stack-down: ## end the stack; ARGS=-v forgets its data, too
	docker compose --profile '*' down $(ARGS)

clean: ## remove what make build made
	rm -rf bin
