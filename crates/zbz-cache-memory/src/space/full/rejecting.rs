//! [`Rejecting`]: what a cache that rejects has to remember.
//!
//! It keeps segments free for overwrites:
//!
//! - as many as its largest entry takes, and four;
//! - one for each sixteen, so that moving a segment's entries elsewhere frees about a sixteenth of it at
//!   the least;
//! - as much as its longest entries leave unused at the ends of segments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::space::full::usage::Usage;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Rejecting {
    /// The longest item since the cache was empty that was not to be chunked.
    longest: AtomicU64,
    refusals: Mutex<Refusals>,
}

/// A record of the writes that were refused room.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// The most bytes of segments that were alive then, since the last resize.
    most_alive: u64,
    /// The last one.
    last: Option<Refusal>,
}

#[derive(Debug, Clone, Copy)]
struct Refusal {
    /// The bytes of keys and values that had come and gone by then.
    written: u64,
    /// How many bytes more it wanted.
    wanted: u64,
}

impl Refusals {
    /// Whether a write that wants so much more would be refused as the last one was, since nothing was
    /// written or removed since.
    pub(crate) fn is_as_last(&self, written: u64, wanted: u64) -> bool {
        self.last.is_some_and(|last| last.written == written && wanted >= last.wanted)
    }

    /// Whether so many bytes were alive before, at a write that was refused. Remembers the most.
    pub(crate) fn was_alive(&mut self, alive: u64, wanted: u64) -> bool {
        self.most_alive = self.most_alive.max(alive);
        alive + wanted <= self.most_alive
    }

    pub(crate) fn remember(&mut self, written: u64, wanted: u64) {
        self.last = Some(Refusal { written, wanted });
    }
}

impl Rejecting {
    /// Free segments that are left to overwrites.
    pub(super) fn kept_for_overwrites(&self, usage: &Usage) -> usize {
        let present = usage.present;
        // Relaxed, here and below: a number for a choice.
        let ends = present * self.longest.load(Ordering::Relaxed) / (8 * usage.segment_bytes);
        let kept = 4 + usage.largest_segments + present / 16 + ends;
        if present < 8 { 0 } else { kept.min(present / 2) as usize }
    }

    /// Remembers the longest item that is never chunked.
    pub(crate) fn note_item(&self, len: u64) {
        // Looked at first, so that other writers need not wait for the line each time.
        if len > self.longest.load(Ordering::Relaxed) {
            self.longest.fetch_max(len, Ordering::Relaxed);
        }
    }

    /// The cache was cleared.
    pub(crate) fn forget_items(&self) {
        self.longest.store(0, Ordering::Relaxed);
    }

    pub(crate) fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The budget was changed.
    pub(crate) fn forget_refusals(&self) {
        *self.refusals() = Refusals::default();
    }
}
