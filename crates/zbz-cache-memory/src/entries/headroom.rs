//! [`Headroom`]: how much room the largest live chunked entry takes, in a cache that rejects.
//!
//! Such a cache keeps as much free, so that every entry can be overwritten. Entries are told apart by
//! the power of two of their segments only. So the answer may be the size of an entry that was removed
//! meanwhile, but it is never twice the size of the largest one that is left.

use std::sync::atomic::{AtomicU64, Ordering};

/// Powers of two of segments.
const CLASSES: usize = 20;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Headroom {
    classes: [SizeClass; CLASSES],
    /// The bytes of a segment, which stay the same in a cache that rejects.
    segment_bytes: u64,
}

#[derive(Debug, Default)]
struct SizeClass {
    live: AtomicU64,
    /// The most segments that one of them took.
    most: AtomicU64,
}

/// An entry that was counted in, and is counted out again if this is dropped.
#[derive(Debug)]
pub(crate) struct CountedIn<'a> {
    headroom: &'a Headroom,
    segments: u64,
}

impl CountedIn<'_> {
    /// It stays: the thread that removes the entry counts it out.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for CountedIn<'_> {
    fn drop(&mut self) {
        self.headroom.remove_segments(self.segments);
    }
}

impl Headroom {
    pub(crate) fn new(segment_bytes: u64) -> Headroom {
        Headroom { classes: Default::default(), segment_bytes }
    }

    fn class(&self, segments: u64) -> &SizeClass {
        &self.classes[segments.max(1).ilog2().min(CLASSES as u32 - 1) as usize]
    }

    /// The segments that a chunked entry of so many bytes counts for.
    fn segments_of(&self, payload: u64) -> u64 {
        payload / self.segment_bytes + 2
    }

    /// Counts a chunked entry whose key and value have so many bytes.
    pub(crate) fn count_in(&self, payload: u64) -> CountedIn<'_> {
        self.add_segments(self.segments_of(payload))
    }

    /// Such an entry is gone.
    pub(crate) fn count_out(&self, payload: u64) {
        self.remove_segments(self.segments_of(payload));
    }

    fn add_segments(&self, segments: u64) -> CountedIn<'_> {
        let class = self.class(segments);
        // Relaxed, here and below: how much is kept free need not be exact.
        class.live.fetch_add(1, Ordering::Relaxed);
        class.most.fetch_max(segments, Ordering::Relaxed);
        CountedIn { headroom: self, segments }
    }

    fn remove_segments(&self, segments: u64) {
        self.class(segments).live.fetch_sub(1, Ordering::Relaxed);
    }

    /// The segments of the largest; one if none is counted.
    pub(crate) fn segments(&self) -> u64 {
        let is_live = |class: &&SizeClass| class.live.load(Ordering::Relaxed) > 0;
        self.classes.iter().rev().find(is_live).map_or(1, |class| class.most.load(Ordering::Relaxed))
    }

    /// How many are counted.
    #[cfg(test)]
    pub(crate) fn live(&self) -> u64 {
        self.classes.iter().map(|class| class.live.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_counts_no_more_and_what_is_left_never_twice() {
        let headroom = Headroom::new(1024);
        assert_eq!(headroom.segments(), 1);
        headroom.add_segments(20).keep();
        headroom.add_segments(3).keep();
        let dropped = headroom.add_segments(u64::MAX);
        assert_eq!((headroom.segments(), headroom.live()), (u64::MAX, 3));
        drop(dropped);
        assert_eq!(headroom.segments(), 20);
        headroom.add_segments(30).keep();
        headroom.remove_segments(30);
        assert_eq!(headroom.segments(), 30, "of a class with 20");
        headroom.remove_segments(20);
        assert_eq!(headroom.segments(), 3);
        headroom.remove_segments(3);
        assert_eq!((headroom.segments(), headroom.live()), (1, 0));
    }
}
