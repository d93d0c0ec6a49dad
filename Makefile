# Every command a developer needs; `make` alone lists them.

.DEFAULT_GOAL := help

.PHONY: help run test fmt lint doc unit loom schedules loads portable outside package compare policy figures bench test-redis fault-redis coherence near-speed redis-server sanitize fuzz stress

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## the first run: a real trace, then a tour
	cargo run --release

test: fmt lint doc unit loom schedules portable outside package ## all checks of a change that need no server
	@echo "left out: the tests that start redis-server; make test-redis runs them"

fmt: ## is everything formatted?
	cargo fmt --all --check

lint: ## clippy, warnings denied, with all features and with none
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo clippy --package zbz-cache --no-default-features -- -D warnings

doc: ## the documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

unit: ## unit, integration and documentation tests
	cargo test --workspace --all-features

REDIS := cargo test --release --package zbz-cache --all-features --test redis -- --ignored

redis-server:
	@command -v redis-server > /dev/null || { echo "redis-server is missing; install it: sudo apt-get install redis-server"; exit 1; }

test-redis: redis-server ## the providers "redis" and "tiered" against servers that the tests start, and how fast they are
	$(REDIS) --skip speed:: --skip coherence::
	$(REDIS) --nocapture --test-threads 1 coherence::
	$(REDIS) --nocapture speed::

coherence: redis-server ## tiers in several processes over servers that fail, for an hour; HOURS=8
	COHERENCE_SECONDS=$$((3600 * $(or $(HOURS),1))) LONG_FORM=1 $(REDIS) --nocapture --test-threads 1 coherence::

near-speed: ## what a near hit costs beside a hit in memory
	cargo test --release --package zbz-cache --features conformance,tiered --test tiered -- --ignored --nocapture speed::

fault-redis: redis-server ## the same, its faults in their long forms: every byte, every verb, little slack (minutes)
	LONG_FORM=1 $(REDIS) --skip speed:: --skip coherence:: --test-threads 2

portable: ## the engine's parts over plain heap memory, as on systems other than Linux
	RUSTFLAGS="--cfg zbz_cache_heap" ZBZ_CACHE_TEST_SEQUENCES=4000 cargo test --package zbz-cache-memory --lib --target-dir target/portable

SANITIZED := cargo +nightly test --package zbz-cache-memory --lib --test stress --target "$$(rustc -vV | sed -n 's/^host: //p')"

sanitize: ## address and leak sanitizers on the engine's tests, over mappings and over the heap; takes a nightly compiler
	RUSTFLAGS="-Zsanitizer=address" ZBZ_CACHE_TEST_SEQUENCES=4000 $(SANITIZED) --target-dir target/sanitize
	ASAN_OPTIONS=allocator_may_return_null=1 RUSTFLAGS="-Zsanitizer=address --cfg zbz_cache_heap" ZBZ_CACHE_TEST_SEQUENCES=2000 $(SANITIZED) --target-dir target/sanitize-heap

fuzz: ## two minutes of calls made of bytes; takes a nightly compiler and cargo-fuzz
	cd fuzz && cargo +nightly fuzz run verbs -- -max_total_time=120

stress: ## the engine's random tests in their long forms (minutes)
	ZBZ_CACHE_TEST_SECONDS=60 ZBZ_CACHE_TEST_SEQUENCES=200000 cargo test --release --package zbz-cache-memory --lib -- tests::

outside: ## the contract's program, in a crate that depends on zbz-cache alone
	cargo run --quiet --manifest-path outside/Cargo.toml --target-dir target/outside

package: ## what would be published builds
	cargo package --workspace --all-features --allow-dirty --quiet

loom: ## the models of the engine's concurrent parts
	RUSTFLAGS="--cfg loom" cargo test --package zbz-cache-memory --lib --release --target-dir target/loom model

schedules: ## loads against removals, on schedules chosen by shuttle; every interleaving of a tier's state machine
	RUSTFLAGS="--cfg shuttle" cargo test --package zbz-cache --lib --release --target-dir target/shuttle schedules
	cargo test --package zbz-cache --features tiered --lib --release coherence

loads: ## a thousand tasks on one cold key, 1,000 rounds of each variant (minutes)
	ZBZ_CACHE_TEST_ROUNDS=1000 cargo test --release --package zbz-cache --all-features --test loading

compare: ## race rival caches on the same work; TRACES=dir adds hit ratios (minutes)
	cargo run --release --manifest-path compare/Cargo.toml -- --markdown docs/comparison.md $(if $(TRACES),--traces "$(TRACES)")

policy: ## the eviction policies on the traces in TRACES=dir and on generated ones
	cargo run --release -- replay $(wildcard $(TRACES)/*.zst) @loop @loopzipf @scanhot @phase @drift @mixphase @onehit @burst @zipf08 @zipf10 @zipf12 --policy lru,sieve,s3-fifo,clock2q+,tide,tide-log,belady --sizes 1%,10%

figures: ## the headline figures on this machine; QUICK=1 for seconds
	cargo run --release -- bench $(if $(QUICK),--quick)

bench: figures ## the same, then the engine by keys, value size and threads (criterion, minutes); QUICK=1
	cargo bench --manifest-path benches/Cargo.toml -- $(if $(QUICK),--quick)
