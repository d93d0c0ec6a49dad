//! Walking a segment whose items are unlinked.

use crate::index::slot::Location;
use crate::log::item::{HEADER_BYTES, Item};
use crate::log::memory::Log;

/// Leave to unlink the items of one segment; [`Log::begin_drain`] gives it to one thread.
#[derive(Debug)]
pub(crate) struct Draining {
    segment: usize,
    fill: usize,
    cache: u64,
}

impl Log {
    /// Begins to drain a sealed segment; `None` if it has writers, or is not sealed.
    pub(crate) fn begin_drain(&self, segment: usize) -> Option<Draining> {
        let begun = self.segment(segment).begin_drain();
        let fill = self.segment(segment).fill() as usize;
        begun.then_some(Draining { segment, fill, cache: self.cache })
    }

    /// The item that begins at `offset` in a segment that is drained, where it is, and where the
    /// next one begins. `None` at the end.
    #[inline]
    pub(crate) fn item_at<'a>(
        &'a self,
        draining: &'a Draining,
        offset: usize,
    ) -> Option<(Item<'a>, Location, usize)> {
        assert_eq!(draining.cache, self.cache, "a segment of another cache");
        if offset + HEADER_BYTES > draining.fill {
            return None;
        }
        let at = (draining.segment << self.segment_bits) + offset;
        let item = self.item(draining.segment, at);
        Some((item, Location::new(at as u64 + 1)?, offset + item.bytes().len()))
    }

    /// Ends a drain; no slot names an item of the segment any more.
    pub(crate) fn end_drain(&self, draining: Draining) -> usize {
        let ended = self.segment(draining.segment).end_drain();
        debug_assert!(ended && draining.cache == self.cache);
        draining.segment
    }

    /// Ends a drain before its end: the segment is sealed as before.
    pub(crate) fn leave_drain(&self, draining: Draining) -> usize {
        let left = self.segment(draining.segment).leave_drain();
        debug_assert!(left && draining.cache == self.cache);
        draining.segment
    }
}

impl Draining {
    pub(crate) fn segment(&self) -> usize {
        self.segment
    }
}
