# Every command a developer needs; `make` alone lists them.

.DEFAULT_GOAL := help

.PHONY: help run test fmt lint doc unit loom schedules loads portable outside lab shop outage demo package compare generated-laps policy policy-asked policy-other policy-generated policy-sizes policy-mixes parity yardstick generated-mixes figures bench instructions test-redis fault-redis coherence near-speed redis-server checks nightly libcachesim sanitize fuzz stress

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## the first run: a real trace, then a tour
	cargo run --release

test: fmt lint doc unit loom schedules portable outside lab shop package ## all checks of a change that need no server
	@echo "left out: the tests that start redis-server; make test-redis runs them"

fmt: ## is everything formatted?
	cargo fmt --all --check

lint: ## clippy, warnings denied, with all features and with none; layers, circles and sizes of the sources
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo clippy --package zbz-cache --no-default-features -- -D warnings
	cargo test --quiet --package tidy

doc: ## the documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

unit: ## unit, integration and documentation tests, and the options in a build with one provider
	cargo test --workspace --all-features
	cargo test --package zbz-cache --no-default-features --features memory --test configuration

SHOP := --manifest-path shop/Cargo.toml --target-dir target/shop

REDIS := cargo test --release --package zbz-cache --all-features --test redis -- --ignored

# The server under test: a name, or a path from here.
override REDIS_SERVER := $(or $(REDIS_SERVER),redis-server)
override REDIS_SERVER := $(if $(findstring /,$(REDIS_SERVER)),$(abspath $(REDIS_SERVER)),$(REDIS_SERVER))
# With what makes a round of coherence.
export REDIS_SERVER SEED ROUND

redis-server:
	@command -v "$(REDIS_SERVER)" > /dev/null || { echo "$(REDIS_SERVER) is missing; install it (sudo apt-get install redis-server), or give another one: REDIS_SERVER=path"; exit 1; }
	@"$(REDIS_SERVER)" --version

test-redis: redis-server ## the providers "redis" and "tiered" against servers that the tests start, and how fast they are; REDIS_SERVER=path
	$(REDIS) --skip speed:: --skip coherence::
	$(REDIS) --nocapture --test-threads 1 coherence::
	$(REDIS) --nocapture speed::
	cargo run --quiet $(SHOP) --bin outage -- --short

outage: redis-server ## a web shop under load while its Redis is killed, stopped, slow, full, ...: prints a table; ONLY=row, REDIS_SERVER=path
	cargo run --quiet --release $(SHOP) --bin outage -- --only "$(ONLY)"

demo: redis-server ## three shop processes over one Redis, which is killed and comes back: what became of the requests
	cargo build --quiet --release $(SHOP)
	cargo run --quiet --release $(SHOP) --bin demo

coherence: redis-server ## tiers in several processes over servers that fail, for an hour; HOURS=8, MINUTES=10, SEED=, ROUND=, ONLY=test, REDIS_SERVER=path
	@$(REDIS) --list coherence::$(ONLY) | grep ": test$$" || { echo "no test of coherence is named $(ONLY)"; exit 1; }
	COHERENCE_SECONDS=$$((60 * $(or $(MINUTES),60 * $(or $(HOURS),1)))) LONG_FORM=1 $(REDIS) --nocapture --test-threads 1 coherence::$(ONLY)

near-speed: ## what a near hit costs beside a hit in memory
	cargo test --release --package zbz-cache --features conformance,tiered --test tiered -- --ignored --nocapture speed::

fault-redis: redis-server ## the same, its faults in their long forms: every byte, every verb, little slack (minutes); REDIS_SERVER=path
	LONG_FORM=1 $(REDIS) --skip speed:: --skip coherence:: --test-threads 2

checks: ## what it costs to look whether sets come back, in instructions; takes valgrind
	@command -v valgrind > /dev/null || { echo "valgrind is missing; install it: sudo apt-get install valgrind"; exit 1; }
	cargo build --release --package zbz-cache --example checks
	@for what in bare trusted set get texts numbers; do valgrind --tool=callgrind --callgrind-out-file=/dev/null $${CARGO_TARGET_DIR:-target}/release/examples/checks $$what 2>&1 | sed -n "s/.*refs: */$$what: /p"; done

portable: ## the engine's parts over plain heap memory, as on systems other than Linux
	RUSTFLAGS="--cfg zbz_cache_heap" ZBZ_CACHE_TEST_SEQUENCES=4000 cargo test --package zbz-cache-memory --lib --target-dir target/portable

nightly:
	@cargo +nightly --version > /dev/null 2>&1 || { echo "a nightly compiler is missing; install it: rustup toolchain install nightly"; exit 1; }

SANITIZED := cargo +nightly test --package zbz-cache-memory --lib --test stress --target "$$(rustc -vV | sed -n 's/^host: //p')"

sanitize: nightly ## address and leak sanitizers on the engine's tests, over mappings and over the heap; takes a nightly compiler
	RUSTFLAGS="-Zsanitizer=address" ZBZ_CACHE_TEST_SEQUENCES=4000 $(SANITIZED) --target-dir target/sanitize
	ASAN_OPTIONS=allocator_may_return_null=1 RUSTFLAGS="-Zsanitizer=address --cfg zbz_cache_heap" ZBZ_CACHE_TEST_SEQUENCES=2000 $(SANITIZED) --target-dir target/sanitize-heap

fuzz: nightly ## two minutes of calls made of bytes; takes a nightly compiler and cargo-fuzz
	@cargo +nightly fuzz --version > /dev/null 2>&1 || { echo "cargo-fuzz is missing; install it: cargo install cargo-fuzz"; exit 1; }
	cd fuzz && cargo +nightly fuzz run verbs -- -max_total_time=120

stress: ## the random tests of the engine and of the codecs in their long forms (minutes)
	ZBZ_CACHE_TEST_CASES=5000 cargo test --release --package zbz-cache --features json --test shapes
	ZBZ_CACHE_TEST_SECONDS=60 ZBZ_CACHE_TEST_SEQUENCES=200000 cargo test --release --package zbz-cache-memory --lib -- tests::

outside: ## the contract's program, in a crate that depends on zbz-cache alone
	cargo run --quiet --manifest-path outside/Cargo.toml --target-dir target/outside

shop: ## the web shop, in a workspace of its own: formatted, no warnings, tests
	cargo fmt --manifest-path shop/Cargo.toml --check
	cargo clippy --quiet $(SHOP) --all-targets -- -D warnings
	cargo test --quiet $(SHOP)

LAB := --manifest-path lab/Cargo.toml --target-dir target/lab

lab: ## the policies' simulators, in a workspace of their own: formatted, no warnings, tests
	cargo fmt --manifest-path lab/Cargo.toml --check
	cargo clippy $(LAB) --all-targets -- -D warnings
	cargo test $(LAB)

# Cargo keeps what an earlier run unpacked and built, and takes it again for the same version: it would check old sources.
UNPACKED := $(or $(CARGO_HOME),$(HOME)/.cargo)/registry/src/-*/zbz-cache*

package: ## what would be published builds
	rm -rf $(UNPACKED)
	cargo clean --quiet --package zbz-cache --package zbz-cache-memory
	cargo package --workspace --exclude tidy --all-features --allow-dirty --quiet

loom: ## the models of the engine's concurrent parts
	RUSTFLAGS="--cfg loom" cargo test --package zbz-cache-memory --lib --release --target-dir target/loom model

schedules: ## loads against removals, on schedules chosen by shuttle; every interleaving of a tier's state machine
	RUSTFLAGS="--cfg shuttle" cargo test --package zbz-cache --lib --release --target-dir target/shuttle schedules
	cargo test --package zbz-cache --features tiered --lib --release coherence

loads: ## a thousand tasks on one cold key, 1,000 rounds of each variant (minutes)
	ZBZ_CACHE_TEST_ROUNDS=1000 cargo test --release --package zbz-cache --all-features --test loading

# Where generated traces are written for programs that cannot make them.
GENERATED := target/generated
LAPS := scanhot phase drift onehit zipf10
PATTERNS := loop loopzipf scanhot phase drift mixphase onehit burst zipf08 zipf10 zipf12

compare: generated-laps ## race rival caches on the same work (a quarter of an hour); TRACES=dir adds hit ratios; FULL=1 takes longer
	cargo run --release --manifest-path compare/Cargo.toml -- $(if $(FULL),--full) --markdown docs/comparison.md --traces $(GENERATED)/laps $(if $(TRACES),--traces "$(TRACES)")

REPLAY = cargo run --quiet --release $(LAB) --

generated-laps:
	mkdir -p $(GENERATED)/laps
	for name in $(LAPS); do $(REPLAY) @$$name --write $(GENERATED)/laps/$$name.oracleGeneral || exit 1; done

# A list with commas.
empty :=
space := $(empty) $(empty)
comma := ,
commas = $(subst $(space),$(comma),$(strip $1))

RIVALS := lru sieve s3-fifo s4-fifo s4-fifo:promote=2 clock2q+ merlin-like tide tide-log tide-log-16 tide-log-64-tight s3-fifo-log clock2q+-log belady
PARTS := tide-log:window=0 tide-log:line=off:small=1/10 tide-log:credit=off tide-log:reuse=off tide-log:promote=2 tide-log:hits=1 tide:line=off:small=1/10 tide:reuse=off tide:credit=off
CONSTANTS := window=1/8 window=1/2 small=1/64 small=1/32 small=1/10 small=1/5 step=0 step=1/4096 step=1/1024 step=1/200 margin=0 margin=1/2 margin=1 credits=1/50 credits=1/2 least=1/256 least=1/20 most=1/2 hits=2 hits=7 kept=8 kept=16 kept=64 ghost-keys=8 ghost-keys=4 ghost-bits=8 young=1/33 young=1/8 young=1/4
SHAPES := tide-log-64 tide-log-1024 tide-log-16-tight tide-log-32-tight tide-log-256-tight tide-log-1024-tight tide:reach=1 tide:reach=2 tide:reach=3
HOLES := $(foreach share,10% 30%,tide-log:overwrites=$(share) $(foreach log,tide-log-64-tight tide-log-256-tight,$(foreach clean,0 1/2 3/4,$(log):overwrites=$(share):clean=$(clean))))
TRIED := $(CONSTANTS:%=tide-log:%) $(SHAPES)
MIXES := twitter-04 twitter-19 twitter-24 twitter-26 twitter-29 twitter-50 cachelib-kv cachelib-leader cachelib-follower cachelib-cdn
SIZED = $(wildcard $(TRACES)/adaptsize-cdn.* $(TRACES)/cloudphysics-io.*)
READ_ONLY := twitter-04 twitter-26 cachelib-kv cachelib-leader cachelib-cdn

policy: policy-asked policy-other policy-generated policy-sizes policy-mixes ## the eviction policies on the traces in TRACES=dir and on generated ones (half an hour; -j2)

# Without a folder of traces, the one in the tree.
RECORDED = $(wildcard $(or $(TRACES),data)/*.zst)

policy-asked:
	@$(REPLAY) $(RECORDED) --sizes 1%,10% --policy $(call commas,$(RIVALS) $(PARTS) $(TRIED) $(HOLES)) --yardstick data/yardstick.csv --summary

policy-other:
	@$(REPLAY) $(RECORDED) --sizes 0.5%,3%,5%,20% --policy $(call commas,$(RIVALS) $(PARTS)) --yardstick data/yardstick.csv --summary

policy-generated:
	@$(REPLAY) $(PATTERNS:%=@%) --sizes 1%,10%,30%,90% --policy $(call commas,$(RIVALS) $(PARTS)) --yardstick data/yardstick.csv --summary

policy-sizes: generated-mixes
	@$(REPLAY) $(SIZED) $(READ_ONLY:%=$(GENERATED)/mixes/%.oracleGeneral) --sizes 1%bytes,10%bytes --policy $(call commas,lru sieve s3-fifo clock2q+ tide tide-log tide-log-64-tight) --yardstick data/yardstick.csv

policy-mixes:
	@$(REPLAY) $(MIXES:%=@%) --sizes 1%bytes,10%bytes --policy $(call commas,lru sieve s3-fifo clock2q+ tide tide-log tide-log-64-tight s3-fifo-log) --summary

parity: ## the engine's hit ratio against its simulator's with as many keys; TRACES=dir (minutes)
	cargo build --quiet --release $(LAB)
	python3 data/parity.py target/lab/release/lab $(GENERATED)/parity 1% 2% 5% 10% 20% -- $(RECORDED)

libcachesim:
	@python3 -c "import libcachesim" 2> /dev/null || { echo "the Python package libcachesim is missing; install it: python3 -m pip install libcachesim"; exit 1; }

yardstick: libcachesim generated-mixes ## measure data/yardstick.csv again, TRACES=dir; takes a Python with the package libcachesim
	mkdir -p $(GENERATED)/recorded $(GENERATED)/patterns
	for file in $(RECORDED); do name=$$(basename $$file); $(REPLAY) $$file --write $(GENERATED)/recorded/$${name%%.*}.oracleGeneral || exit 1; done
	for name in $(PATTERNS); do $(REPLAY) @$$name --write $(GENERATED)/patterns/@$$name.oracleGeneral || exit 1; done
	python3 data/yardstick.py $(GENERATED)/recorded $(GENERATED)/recorded.csv 0.5% 1% 3% 5% 10% 20% 1%bytes 10%bytes
	python3 data/yardstick.py $(GENERATED)/patterns $(GENERATED)/patterns.csv 1% 10% 30% 90%
	python3 data/yardstick.py $(GENERATED)/mixes $(GENERATED)/mixes.csv 1%bytes 10%bytes
	cd $(GENERATED) && { cat recorded.csv; tail -qn +2 patterns.csv mixes.csv; } > ../../data/yardstick.csv

generated-mixes:
	@mkdir -p $(GENERATED)/mixes
	@for name in $(READ_ONLY); do $(REPLAY) @$$name --write $(GENERATED)/mixes/$$name.oracleGeneral || exit 1; done

figures: ## the headline figures on this machine; QUICK=1 for seconds
	cargo run --release -- bench $(if $(QUICK),--quick)

bench: figures ## the same, then the engine by keys, value size and threads (criterion, minutes); QUICK=1
	cargo bench --manifest-path benches/Cargo.toml --bench engine -- $(if $(QUICK),--quick)

instructions: ## instructions of one call of the engine, by callgrind (a minute); takes valgrind
	cargo bench --quiet --manifest-path benches/Cargo.toml --bench instructions
