//! Counters of lookups. A lookup is counted after decoding, when its outcome is known.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::stats::Stats;

/// The outcomes of lookups: each is a hit, a miss or a known absence. An undecodable one is a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Lookups {
    /// Lookups that returned a value.
    pub hits: u64,
    /// Lookups that returned none.
    pub misses: u64,
    /// Lookups that found a stored absence: an entry which says that there is no value.
    pub known_absences: u64,
    /// The misses among them whose key held undecodable bytes.
    pub undecodable: u64,
}

impl Lookups {
    /// One lookup that returned a value.
    pub const HIT: Lookups = Lookups { hits: 1, misses: 0, known_absences: 0, undecodable: 0 };
    /// One lookup that found no entry.
    pub const MISS: Lookups = Lookups { hits: 0, misses: 1, known_absences: 0, undecodable: 0 };
    /// One lookup that found a stored absence.
    pub const KNOWN_ABSENCE: Lookups = Lookups { hits: 0, misses: 0, known_absences: 1, undecodable: 0 };
    /// One lookup that found bytes that did not decode.
    pub const UNDECODABLE: Lookups = Lookups { hits: 0, misses: 1, known_absences: 0, undecodable: 1 };
}

impl std::ops::AddAssign for Lookups {
    fn add_assign(&mut self, other: Lookups) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.known_absences += other.known_absences;
        self.undecodable += other.undecodable;
    }
}

/// Counters for providers that have no better place for them. Shared by all threads.
#[derive(Debug, Default)]
pub struct LookupCounters {
    hits: AtomicU64,
    misses: AtomicU64,
    known_absences: AtomicU64,
    undecodable: AtomicU64,
}

impl LookupCounters {
    /// Adds these lookups.
    pub fn record(&self, lookups: Lookups) {
        let counters = [
            (&self.hits, lookups.hits),
            (&self.misses, lookups.misses),
            (&self.known_absences, lookups.known_absences),
            (&self.undecodable, lookups.undecodable),
        ];
        for (counter, count) in counters {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    /// Writes the counters into the four fields of `stats`.
    pub fn fill(&self, stats: &mut Stats) {
        stats.hits = self.hits.load(Ordering::Relaxed);
        stats.misses = self.misses.load(Ordering::Relaxed);
        stats.known_absences = self.known_absences.load(Ordering::Relaxed);
        stats.undecodable = self.undecodable.load(Ordering::Relaxed);
    }
}
