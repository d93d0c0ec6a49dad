//! [`Keys`]: finds maps with one key twice.

use std::cell::{Cell, RefCell};

use super::super::digest::hash_of;
use super::{Suspicion, Watch};

/// How many of the first keys may be tags: one for each of the tagged types wrapped in each other.
pub(super) const TAGS: usize = 4;

/// Finds a key that one map has twice: a tag, which comes first, that is also a key of the tagged map; or
/// a field that is also a key of a map flattened beside it.
pub(super) enum Keys {
    /// For a map with a known length: only a tag can be there twice.
    Counted { met: Cell<usize>, first: [Cell<Start>; TAGS] },
    /// For a map without a known length, such as a flattened one: the hashes of its keys.
    Open { met: RefCell<Vec<u64>> },
}

impl Keys {
    #[inline]
    pub(super) fn new(is_open: bool) -> Self {
        if is_open {
            Keys::Open { met: RefCell::default() }
        } else {
            Keys::Counted { met: Cell::new(0), first: [const { Cell::new(Start::NONE) }; TAGS] }
        }
    }

    #[inline]
    pub(super) fn meet(&self, key: &str, watch: &Watch) {
        match self {
            Keys::Counted { met, first } => {
                let (start, count) = (Start::of(key), met.get());
                if first.iter().any(|earlier| earlier.get().is_of(start, key)) {
                    watch.suspect(Suspicion::TwoAlike);
                }
                if let Some(free) = first.get(count) {
                    free.set(start.with_hash(key));
                    met.set(count + 1);
                }
            }
            Keys::Open { met } => met.borrow_mut().push(hash_of(key)),
        }
    }

    #[inline]
    pub(super) fn close(self, watch: &Watch) {
        if let Keys::Open { met } = self {
            let mut met = met.into_inner();
            met.sort_unstable();
            if met.windows(2).any(|pair| pair[0] == pair[1]) {
                watch.suspect(Suspicion::TwoAlike);
            }
        }
    }
}

/// A cheap summary that distinguishes a key from most others.
#[derive(Clone, Copy)]
pub(super) struct Start {
    len: usize,
    /// The first and the last eight bytes, where similar keys differ. Together they are the whole of a key
    /// of up to 16 bytes.
    head: u64,
    tail: u64,
    /// The hash of a longer key.
    hash: u64,
}

impl Start {
    /// Equal to no key, since none is that long.
    const NONE: Start = Start { len: usize::MAX, head: 0, tail: 0, hash: 0 };

    #[inline]
    fn of(key: &str) -> Self {
        let bytes = key.as_bytes();
        let (head, tail) = if let (Some(&head), Some(&tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
            (u64::from_le_bytes(head), u64::from_le_bytes(tail))
        } else if let (Some(&head), Some(&tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
            (u64::from(u32::from_le_bytes(head)), u64::from(u32::from_le_bytes(tail)))
        } else {
            (bytes.iter().fold(0, |head, &byte| head << 8 | u64::from(byte)), 0)
        };
        Start { len: bytes.len(), head, tail, hash: 0 }
    }

    #[inline]
    fn is_whole(self) -> bool {
        self.len <= 2 * size_of::<u64>()
    }

    #[inline]
    fn with_hash(self, key: &str) -> Self {
        Start { hash: if self.is_whole() { 0 } else { hash_of(key) }, ..self }
    }

    /// Whether this is the summary of `key`. `start` is the summary of `key` without a hash.
    #[inline]
    fn is_of(self, start: Start, key: &str) -> bool {
        let is_alike = self.tail == start.tail && self.head == start.head && self.len == start.len;
        is_alike && (self.is_whole() || self.hash == hash_of(key))
    }
}
