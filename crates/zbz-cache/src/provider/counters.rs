//! Counting lookups where their outcome is known: after decoding.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::stats::Stats;

/// How some lookups ended. An undecodable one is also a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lookups {
    /// Lookups that returned a value.
    pub hits: u64,
    /// Lookups that returned none.
    pub misses: u64,
    /// The misses among them whose key was there with bytes that did not decode.
    pub undecodable: u64,
}

impl Lookups {
    /// One lookup that returned a value.
    pub const HIT: Lookups = Lookups { hits: 1, misses: 0, undecodable: 0 };
    /// One lookup that found no entry.
    pub const MISS: Lookups = Lookups { hits: 0, misses: 1, undecodable: 0 };
    /// One lookup that found bytes that did not decode.
    pub const UNDECODABLE: Lookups = Lookups { hits: 0, misses: 1, undecodable: 1 };
}

impl std::ops::AddAssign for Lookups {
    fn add_assign(&mut self, other: Lookups) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.undecodable += other.undecodable;
    }
}

/// Counters for providers that have no better place for them. Shared by all threads.
#[derive(Debug, Default)]
pub struct LookupCounters {
    hits: AtomicU64,
    misses: AtomicU64,
    undecodable: AtomicU64,
}

impl LookupCounters {
    /// Adds these lookups.
    pub fn record(&self, lookups: Lookups) {
        let counters = [
            (&self.hits, lookups.hits),
            (&self.misses, lookups.misses),
            (&self.undecodable, lookups.undecodable),
        ];
        for (counter, count) in counters {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    /// Writes what was counted into the three fields of `stats`.
    pub fn fill(&self, stats: &mut Stats) {
        stats.hits = self.hits.load(Ordering::Relaxed);
        stats.misses = self.misses.load(Ordering::Relaxed);
        stats.undecodable = self.undecodable.load(Ordering::Relaxed);
    }
}
