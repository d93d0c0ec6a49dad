//! Counters of loads, apart from lookups.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::stats::{LoadStats, Stats};

/// Only reported, and nothing is ordered by them: Relaxed is enough for each.
#[derive(Debug, Default)]
pub(crate) struct LoadCounters {
    pub(crate) loaded: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) coalesced: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) refreshes: AtomicU64,
    pub(crate) unstored: AtomicU64,
    pub(crate) around: AtomicU64,
    pub(crate) failed_reads: AtomicU64,
    pub(crate) dropped_sets: AtomicU64,
    /// Random numbers drawn for jitter.
    pub(super) drawn: AtomicU64,
}

impl LoadCounters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// These stats with what was counted here.
    pub(crate) fn fill(&self, stats: Stats, under_way: u64) -> Stats {
        Stats {
            failed_reads: self.failed_reads.load(Ordering::Relaxed),
            dropped_sets: self.dropped_sets.load(Ordering::Relaxed),
            loads: self.read(under_way),
            ..stats
        }
    }

    pub(super) fn read(&self, under_way: u64) -> LoadStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LoadStats {
            loaded: count(&self.loaded),
            failed: count(&self.failed),
            coalesced: count(&self.coalesced),
            stale: count(&self.stale),
            refreshes: count(&self.refreshes),
            unstored: count(&self.unstored),
            around: count(&self.around),
            under_way,
        }
    }
}
