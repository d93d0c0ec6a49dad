//! The cache and a plain map side by side: random calls under a clock moved by hand, every answer
//! compared. The seed of a run is printed when it fails.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod calls;
mod expected;
#[path = "../random/mod.rs"]
mod random;

use expected::{Loss, Model};
use random::Random;
use std::time::Duration;
use zbz_cache_memory::{Clock, MIN_MAX_SIZE, ManualClock, MemoryCache, WhenFull};

/// A cache, what it should hold, and where the calls come from.
struct Run {
    cache: MemoryCache,
    hand: ManualClock,
    model: Model,
    random: Random,
    hits: u64,
    misses: u64,
    largest_value: usize,
}

impl Run {
    fn new(seed: u64, max_size: u64, loss: Loss) -> Run {
        let (clock, hand) = Clock::manual();
        let when_full = if loss == Loss::Refusal { WhenFull::Reject } else { WhenFull::Evict };
        let builder = MemoryCache::builder().max_size(max_size).when_full(when_full);
        let cache = builder.clock(clock).build().unwrap();
        let largest_value = if loss == Loss::Never { 64 } else { cache.max_value_bytes() + 200 };
        let random = Random::new(seed);
        Run { cache, hand, model: Model::new(loss), random, hits: 0, misses: 0, largest_value }
    }

    fn advance(&mut self) {
        let step = match self.random.below(4) {
            0 => 1,
            1 => self.random.below(2_000_000),
            2 => self.random.below(3_000_000_000),
            _ => self.model.until_some_deadline(&mut self.random),
        };
        self.hand.advance(Duration::from_nanos(step));
        self.model.now += step;
    }

    /// Holds after every call.
    fn check_sums(&self) {
        let stats = self.cache.stats();
        let gone = stats.deletes + stats.evictions + stats.expirations;
        assert_eq!(stats.sets + stats.adds - stats.replaced, stats.keys + gone, "{stats:?}");
        assert_eq!((stats.hits, stats.misses), (self.hits, self.misses));
        assert!(stats.memory_bytes <= stats.max_bytes, "{stats:?}");
        assert_eq!(stats.max_bytes, self.cache.max_size());
        assert_eq!(stats.keys, self.cache.len() as u64);
        if self.model.loss != Loss::Eviction {
            assert_eq!(stats.evictions, 0);
        }
    }

    /// Compares all that is there with all that should be.
    fn check_everything(&mut self) {
        let mut listed = self.list(b"");
        let mut live = self.model.live_keys();
        if self.model.loss == Loss::Eviction {
            live.retain(|key| listed.contains(key));
            self.model.forget_all_but(&live);
        }
        listed.sort();
        live.sort();
        assert_eq!(listed, live);
        for key in live {
            self.call_lookup(&key);
        }
        self.cache.run_maintenance().unwrap();
        let stats = self.cache.stats();
        assert_eq!((stats.keys, stats.payload_bytes), self.model.keys_and_payload());
    }
}

fn replay(seed: u64, max_size: u64, loss: Loss) {
    println!("seed {seed}, {max_size} bytes, {loss:?}");
    let mut run = Run::new(seed, max_size, loss);
    for call in 0..1500 {
        run.call();
        run.check_sums();
        if call % 250 == 249 {
            run.check_everything();
        }
    }
    run.cache.close();
    assert!(run.cache.is_empty());
    assert_eq!(run.cache.stats().payload_bytes, 0);
}

#[test]
fn with_room_for_all_the_cache_is_a_map_with_deadlines() {
    for seed in 0..12 {
        replay(seed, 64 << 20, Loss::Never);
    }
}

#[test]
fn an_evicting_cache_is_a_map_that_forgets() {
    for seed in 100..112 {
        replay(seed, MIN_MAX_SIZE, Loss::Eviction);
        replay(seed, MIN_MAX_SIZE * 4, Loss::Eviction);
    }
}

#[test]
fn a_rejecting_cache_is_a_map_that_refuses() {
    for seed in 200..212 {
        replay(seed, MIN_MAX_SIZE, Loss::Refusal);
        replay(seed, MIN_MAX_SIZE * 4, Loss::Refusal);
    }
}
