//! What the cache counts. Counters stop at `u64::MAX` rather than wrap, so they never go backwards.
//!
//! Invariant, when no call is under way: `sets - replaced == keys + deletes + evictions +
//! expirations`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Reads that a layer above judged itself, to be counted by
/// [`record_lookups`](crate::MemoryCache::record_lookups).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    /// Reads that found what they looked for.
    pub hits: u64,
    /// Reads that did not, with those whose bytes could not be decoded.
    pub misses: u64,
    /// How many of the misses found bytes that could not be decoded.
    pub undecodable: u64,
}

/// One number that many threads move. Relaxed throughout: it guards nothing.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        if count > 0 {
            let sum = |now: u64| Some(now.saturating_add(count));
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
        }
    }

    pub(crate) fn subtract(&self, count: u64) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything counted, and the two sums that also go down: `keys` and `payload_bytes`.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
    pub(crate) undecodable: Counter,
    pub(crate) sets: Counter,
    pub(crate) replaced: Counter,
    pub(crate) deletes: Counter,
    pub(crate) evictions: Counter,
    pub(crate) expirations: Counter,
    pub(crate) rejections: Counter,
    pub(crate) keys: Counter,
    pub(crate) payload_bytes: Counter,
}

impl Counters {
    pub(crate) fn record(&self, lookups: Lookups) {
        self.hits.add(lookups.hits);
        self.misses.add(lookups.misses);
        self.undecodable.add(lookups.undecodable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_exactly_what_is_given_and_never_wrap() {
        let counters = Counters::default();
        counters.record(Lookups { hits: 2, misses: 3, undecodable: 1 });
        assert_eq!((counters.hits.get(), counters.misses.get(), counters.undecodable.get()), (2, 3, 1));
        counters.record(Lookups { hits: u64::MAX, ..Lookups::default() });
        assert_eq!(counters.hits.get(), u64::MAX);
    }
}
