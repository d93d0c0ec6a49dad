//! [`Largest`]: how much room the largest live entry takes, of those that were cut.
//!
//! A cache that rejects keeps as much free, so that it can be overwritten. Entries are told apart by
//! the power of two of their segments only, so what is said may be that of one that went, but never
//! twice as much as there is.

use std::sync::atomic::{AtomicU64, Ordering};

/// Powers of two of segments.
const CLASSES: usize = 20;

/// See the module's words.
#[derive(Debug, Default)]
pub(crate) struct Largest([Class; CLASSES]);

#[derive(Debug, Default)]
struct Class {
    live: AtomicU64,
    /// The most segments that one of them took.
    most: AtomicU64,
}

/// An entry that was counted in, and is counted out again if this is dropped.
#[derive(Debug)]
pub(crate) struct CountedIn<'a> {
    largest: &'a Largest,
    segments: u64,
}

impl CountedIn<'_> {
    /// It stays: who removes the entry counts it out.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for CountedIn<'_> {
    fn drop(&mut self) {
        self.largest.count_out(self.segments);
    }
}

impl Largest {
    fn class(&self, segments: u64) -> &Class {
        &self.0[segments.max(1).ilog2().min(CLASSES as u32 - 1) as usize]
    }

    /// Counts an entry of so many segments.
    pub(crate) fn count_in(&self, segments: u64) -> CountedIn<'_> {
        let class = self.class(segments);
        // Relaxed, here and below: how much is kept free is a matter of about.
        class.live.fetch_add(1, Ordering::Relaxed);
        class.most.fetch_max(segments, Ordering::Relaxed);
        CountedIn { largest: self, segments }
    }

    /// One of so many segments is gone.
    pub(crate) fn count_out(&self, segments: u64) {
        self.class(segments).live.fetch_sub(1, Ordering::Relaxed);
    }

    /// The segments of the largest; one if none is counted.
    pub(crate) fn segments(&self) -> u64 {
        let is_live = |class: &&Class| class.live.load(Ordering::Relaxed) > 0;
        self.0.iter().rev().find(is_live).map_or(1, |class| class.most.load(Ordering::Relaxed))
    }

    /// How many are counted.
    #[cfg(test)]
    pub(crate) fn live(&self) -> u64 {
        self.0.iter().map(|class| class.live.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_went_counts_no_more_and_what_is_left_never_twice() {
        let largest = Largest::default();
        assert_eq!(largest.segments(), 1);
        largest.count_in(20).keep();
        largest.count_in(3).keep();
        let dropped = largest.count_in(u64::MAX);
        assert_eq!((largest.segments(), largest.live()), (u64::MAX, 3));
        drop(dropped);
        assert_eq!(largest.segments(), 20);
        largest.count_in(30).keep();
        largest.count_out(30);
        assert_eq!(largest.segments(), 30, "of a class with 20");
        largest.count_out(20);
        assert_eq!(largest.segments(), 3);
        largest.count_out(3);
        assert_eq!((largest.segments(), largest.live()), (1, 0));
    }
}
