//! [`Usage`]: how the segments are used, as far as the reserve depends on it.

/// See the module's documentation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Segments that have memory.
    pub(crate) present: u64,
    pub(crate) segment_bytes: u64,
    /// Threads that can free segments at once.
    pub(crate) evictors: usize,
    /// Segments of the largest live chunked entry, in a cache that rejects.
    pub(crate) largest_segments: u64,
}

impl Usage {
    /// Free segments that only moved entries take.
    pub(crate) fn kept_for_moved(&self) -> usize {
        match self.present {
            0..4 => 0,
            4..32 => 1,
            _ => self.evictors,
        }
    }
}
