//! Counters of loads, apart from lookups.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::stats::LoadStats;

/// Only reported, and nothing is ordered by them: Relaxed is enough for each.
#[derive(Debug, Default)]
pub(crate) struct LoadCounters {
    pub(crate) loaded: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) coalesced: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) refreshes: AtomicU64,
    pub(crate) unstored: AtomicU64,
    /// Random numbers drawn for jitter.
    pub(super) drawn: AtomicU64,
}

impl LoadCounters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, under_way: u64) -> LoadStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LoadStats {
            loaded: count(&self.loaded),
            failed: count(&self.failed),
            coalesced: count(&self.coalesced),
            stale: count(&self.stale),
            refreshes: count(&self.refreshes),
            unstored: count(&self.unstored),
            under_way,
        }
    }
}
