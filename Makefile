# Everything that is done with this repository. `make help` lists it.
#
# A bare Debian with Go, make and git is enough: what a target lacks it installs from Debian's packages
# (as root), and the programs that it runs are built from their Go modules by e2e/build/build.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

# Of gRPC's pages for browsers nobody sees any, and they would keep the linker from leaving out what is not called.
TAGS := grpcnotrace

# All that is compiled without the race detector is compiled alike, so that nothing is compiled twice.
export CGO_ENABLED := 0
export GOFLAGS     := -trimpath $(filter-out -trimpath,$(GOFLAGS))

# Bases of the images; empty means those that the Dockerfile names.
BASE         ?=
TESTER_BASE  ?=
IMAGE        ?= docker.io/sluicecd/sluice:latest
TESTER_IMAGE ?= docker.io/sluicecd/loadtester:latest
PLUGIN_BASE  ?=
PLUGIN_IMAGE ?= docker.io/sluicecd/kubectl-sluice:latest
BUILDAH      ?= buildah

# How many rollouts `make bench` starts at once, or how many Canaries it puts to rest instead.
N       ?= 100
SETTLED ?=

# What e2e tests are run: a pattern of names.
RUN ?= .

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the programs into bin/
	go build -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

# A slow machine can be too slow for a test that awaits other programs. Each that failed is run once more by itself, and one that
# passes then is named as flaky, which is to be mended. More than six failures, a data race and a panic are final; a subtest
# counts with all that it is part of.
RERUNS ?= 1
WITH_TESTER = mkdir -p bin; tester="$$(e2e/build/build gotestsum) --hide-summary skipped --rerun-fails=$(RERUNS) \
	--rerun-fails-max-failures=6 --rerun-fails-abort-on-data-race --format $(1) --rerun-fails-report";

# The race detector needs a C compiler, and the reconciler's tests a real API server. Most of their time is spent
# waiting for it, so that more of them run at once than there are cores. What takes long is run without the detector,
# which makes it up to twenty times as slow: random runs, in which nothing happens at the same time, and the reconciler's
# tests and pairs of fields, of which it sees a part with -short.
.PHONY: test
test: compiler systems packages ## Run all tests but the end-to-end ones, with the race detector
	SLUICE_KUBE_BINARY=$$(e2e/build/build kube); export SLUICE_KUBE_BINARY; $(call WITH_TESTER,pkgname) \
	CGO_ENABLED=1 $$tester=$(CURDIR)/bin/flaky-race --packages "$$(go list ./... | grep -v pkg/simulate)" -- -race -short -parallel 8 -timeout 40m; \
	$$tester=$(CURDIR)/bin/flaky-controller --packages ./pkg/controller -- -parallel 10 -timeout 40m; \
	go test -run EveryPair ./pkg/router; \
	go test -timeout 40m ./pkg/simulate; \
	cd e2e && $$tester=$(CURDIR)/bin/flaky-e2e-module --packages "$$(go list ./... | grep -v /suite)" -- -timeout 40m

.PHONY: compiler
compiler:
	@command -v gcc >/dev/null || { apt-get update -qq && apt-get install -y -qq gcc libc6-dev; }

# In runlevel 1 Debian starts no service of what it installs.
.PHONY: systems
systems: ## Install the monitoring systems that tests ask
	@dpkg -s victoria-metrics graphite-carbon graphite-web >/dev/null 2>&1 || { apt-get update -qq && \
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends victoria-metrics graphite-carbon graphite-web >/dev/null; } || \
	echo 'NOT INSTALLED: victoria-metrics, graphite-carbon and graphite-web. Tests that ask them are skipped.'
	@command -v chromium >/dev/null || { apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } || \
	echo 'NOT INSTALLED: chromium. Tests of the page in a browser are skipped.'

# The page is committed as it is built, so that Node is needed by nobody who does not change it. Vite takes 20.19 or newer.
PAGE := pkg/console/web
NODE := node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || a === 20 && b >= 19 ? 0 : 1)' 2>/dev/null

.PHONY: packages
packages:
	@$(NODE) && $(MAKE) -s $(PAGE)/node_modules/.package-lock.json || \
	echo "NOT INSTALLED: the page's packages, which take Node 20.19 or newer. Whether the page is accessible is not tested."

$(PAGE)/node_modules/.package-lock.json: $(PAGE)/package-lock.json
	cd $(PAGE) && npm ci --silent

.PHONY: web
web: $(PAGE)/node_modules/.package-lock.json ## Check, test and build the page into pkg/console/web/dist, with Node
	cd $(PAGE) && npm run -s check && npm run -s test && npm run -s build

.PHONY: console
console: ## Show the page of the cluster that kubectl talks to
	go run ./cmd/kubectl-sluice dashboard --open

.PHONY: lint
lint: ## Run the linters, and see that both modules are tidy
	go mod tidy -diff
	cd e2e && go mod tidy -diff
	linter=$$(e2e/build/build golangci-lint); $$linter config verify; $$linter run ./...; \
	cd e2e && $$linter run --config ../.golangci.yml ./...

.PHONY: generate
generate: ## Write what is derived from the API's types
	generator=$$(e2e/build/build controller-gen); \
	$$generator object paths=./pkg/apis/...; \
	$$generator crd:allowDangerousTypes=true paths=./pkg/apis/... output:crd:artifacts:config=artifacts/crds
	cp artifacts/crds/*.yaml kustomize/base/crds/
	cp artifacts/crds/*.yaml charts/sluice/crds/
	cp kustomize/policies/{author,actions}.yaml charts/sluice/policies/
	go test ./pkg/observe -run TestStatusSchema -count=1 -update
	go test ./pkg/apis/v1beta1 -run TestReference -count=1 -update

.PHONY: sbom
sbom: build ## List what the programs are made of, as SPDX, beside them
	export SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct); \
	cd e2e && go run ./cmd/sbom -program ../bin/sluice -version '$(VERSION)' -dockerfile ../Dockerfile $(if $(BASE),-base $(BASE)) -out ../bin/sluice.spdx.json; \
	go run ./cmd/sbom -program ../bin/loadtester -version '$(VERSION)' -dockerfile ../Dockerfile $(if $(TESTER_BASE),-base $(TESTER_BASE)) -out ../bin/loadtester.spdx.json; \
	go run ./cmd/sbom -program ../bin/kubectl-sluice -version '$(VERSION)' -dockerfile ../Dockerfile $(if $(PLUGIN_BASE),-base $(PLUGIN_BASE)) -out ../bin/kubectl-sluice.spdx.json

.PHONY: plugin
plugin: ## Build kubectl's plugin for all platforms into bin/plugin, with krew's manifest
	export SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct); \
	(cd e2e && go run ./cmd/plugin -version '$(VERSION)' -ldflags '$(LDFLAGS)' -tags $(TAGS)); \
	$$(e2e/build/build validate-krew-manifest) -manifest bin/plugin/sluice.yaml -skip-install

.PHONY: images
images: build sbom ## Build the container images with buildah, and list what is in them
	$(BUILDAH) bud --isolation chroot $(if $(BASE),--build-arg BASE=$(BASE)) -t $(IMAGE) .
	$(BUILDAH) bud --isolation chroot $(if $(TESTER_BASE),--build-arg BASE=$(TESTER_BASE)) --target loadtester -t $(TESTER_IMAGE) .
	$(BUILDAH) bud --isolation chroot $(if $(PLUGIN_BASE),--build-arg BASE=$(PLUGIN_BASE)) --target kubectl-sluice -t $(PLUGIN_IMAGE) .

# kubectl is none of Debian's packages in a version of use; where the machine has none it is built.
WITH_KUBECTL = command -v kubectl >/dev/null || PATH=$$PATH:$$(dirname "$$(e2e/build/build kubectl)");

# Before anything else it says what has to be compiled, and meanwhile that it goes on. CI=1 waits for nobody.
.PHONY: demo
demo: ## Show a rollout that waits for a person, a rollback, a bad version and blue/green on a real cluster on this machine
	e2e/build/build --plan kube coredns istiod podinfo@3.1.0 $$(command -v kubectl >/dev/null || echo kubectl)
	e2e/build/build --while 'compiling Sluice' $(MAKE) -s build
	$(WITH_KUBECTL) cd e2e && build/build --while 'compiling the demonstration' go build -o ../bin/demo ./cmd/demo && ../bin/demo

.PHONY: cluster-up
cluster-up: ## Start a real cluster on this machine
	cd e2e && go run ./cmd/cluster up

.PHONY: cluster-down
cluster-down: ## Remove the cluster and all that it left on this machine
	cd e2e && go run ./cmd/cluster down

# The cluster can pull nothing: the operator's image has an empty base, the load tester's a Debian that
# is made on this machine.
.PHONY: cluster-images
cluster-images: build ## Build the images and put them into the cluster
	cd e2e && go build -o ../bin/ ./cmd/cluster
	bin/cluster build-image --tag $(IMAGE) --build-arg BASE=scratch
	bin/cluster build-image --tag $(TESTER_IMAGE) --build-arg BASE=localhost/debian-base --target loadtester

# With KUBECONFIG set the tests run on that cluster, as it is.
.PHONY: e2e
e2e: $(if $(KUBECONFIG),build,cluster-up cluster-images) ## Run the end-to-end tests on a real cluster; RUN=pattern picks some
	$(WITH_KUBECTL) $(call WITH_TESTER,standard-verbose) cd e2e && $$tester=$(CURDIR)/bin/flaky-e2e --packages ./suite/... -- -run '$(RUN)' -count=1 -timeout 80m

# Fuzz targets that read what tenants write, or what they are answered.
FUZZ     := pkg/analysis:FuzzHookAnswers pkg/metric:FuzzAnswers pkg/metric:FuzzPathAsTheLibrary pkg/rollout:FuzzDecide pkg/router:FuzzRender pkg/template:FuzzAsTheLibrary pkg/sequential:FuzzStored
FUZZTIME ?= 1h

.PHONY: attack
attack: ## Try what a tenant could do to others, a line for each attempt; what needs a control plane is left to soak
	cd e2e && go run ./cmd/attack

# What was found is kept in testdata, and fails again. The end of the time is reported as a failure now and then.
.PHONY: fuzz
fuzz: ## Try what tenants write, and what they are answered, at random; FUZZTIME=1h for each kind
	for target in $(FUZZ); do \
		one="go test ./$${target%%:*} -run ^$$ -fuzz ^$${target#*:}$$ -fuzztime $(FUZZTIME) -fuzzminimizetime 10s"; \
		$$one || $$one; \
	done

.PHONY: soak
soak: ## Try all of that and many faults, each fuzz target for FUZZTIME=1h, comparisons under steady traffic, and the commands of README and tutorials
	SLUICE_KUBE_BINARY=$$(e2e/build/build kube); export SLUICE_KUBE_BINARY; \
	SOAK=1 go test -timeout 3h -parallel 8 ./pkg/controller -run "ServerAwayInEvery|WatchesAreCompacted|RequestsFail|LeaderFails|ManyAtTheStart"; \
	cd e2e && go run ./cmd/attack -full
	$(MAKE) fuzz
	SOAK=1 $(MAKE) e2e RUN='TestE2E/Together/^(OnePointWorse|SlowTail|TwentyAlike)$$'
	SOAK=1 $(MAKE) e2e RUN='TestE2E/Pages'

.PHONY: bench
bench: build ## Measure N rollouts at once; N=100, or SETTLED=10000 Canaries at rest. It writes docs/operations/figures.md
	cd e2e && go run ./cmd/bench -n $(N) $(if $(SETTLED),--settled $(SETTLED)) --figures ../docs/operations/figures.md

.PHONY: bench-short
bench-short: build ## Measure 20 rollouts at once, and print what got worse than docs/operations/figures.md has it
	cd e2e && go run ./cmd/bench -n 20 --idle 30s --compare ../docs/operations/figures.md

.PHONY: clean
clean: ## Remove what was built here; the cache of programs stays
	rm -rf bin
