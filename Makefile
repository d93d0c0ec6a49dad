# Every command a developer needs; `make` alone lists them.

.DEFAULT_GOAL := help

.PHONY: help run test fmt lint doc unit loom portable outside package compare policy bench

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## the first run: a real trace, then a tour
	cargo run --release

test: fmt lint doc unit loom portable outside package ## all checks of a change, as CI runs them

fmt: ## is everything formatted?
	cargo fmt --all --check

lint: ## clippy, warnings denied, with all features and with none
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo clippy --package zbz-cache --no-default-features -- -D warnings

doc: ## the documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

unit: ## unit, integration and documentation tests
	cargo test --workspace --all-features

portable: ## the engine's parts over plain heap memory, as on systems other than Linux
	RUSTFLAGS="--cfg zbz_cache_heap" cargo test --package zbz-cache-memory --lib --target-dir target/portable

outside: ## the contract's program, in a crate that depends on zbz-cache alone
	cargo run --quiet --manifest-path outside/Cargo.toml --target-dir target/outside

package: ## what would be published builds
	cargo package --workspace --all-features --allow-dirty --quiet

loom: ## the models of the engine's concurrent parts
	RUSTFLAGS="--cfg loom" cargo test --package zbz-cache-memory --lib --release --target-dir target/loom model

compare: ## race rival caches on the same work; TRACES=dir adds hit ratios (minutes)
	cargo run --release --manifest-path compare/Cargo.toml -- --markdown docs/comparison.md $(if $(TRACES),--traces "$(TRACES)")

policy: ## the eviction policies on the traces in TRACES=dir and on generated ones
	cargo run --release -- replay $(wildcard $(TRACES)/*.zst) @loop @loopzipf @scanhot @phase @drift @mixphase @onehit @burst @zipf08 @zipf10 @zipf12 --policy lru,sieve,s3-fifo,clock2q+,tide,tide-log,belady --sizes 1%,10%

bench: ## the headline figures on this machine
	cargo run --release -- bench
