//! [`Keys`]: whether one map has a key twice.

use std::cell::{Cell, RefCell};

use super::super::digest::hash_of;
use super::{Suspicion, Watch};

/// Finds keys that one map has twice: a tag, which comes first, among the keys of the map that it
/// tags, or a field among those of a map that is flattened beside it.
pub(super) enum Keys {
    /// Of a map that says its length: only a tag can be there twice.
    Counted { first: Cell<Option<Start>> },
    /// Of a map that does not, as flattened ones do not. Hashes.
    Open { met: RefCell<Vec<u64>> },
}

impl Keys {
    #[inline]
    pub(super) fn new(is_open: bool) -> Self {
        if is_open {
            Keys::Open { met: RefCell::default() }
        } else {
            Keys::Counted { first: Cell::new(None) }
        }
    }

    #[inline]
    pub(super) fn meet(&self, key: &str, watch: &Watch) {
        match self {
            Keys::Counted { first } => match first.get() {
                None => first.set(Some(Start::of(key))),
                Some(start) if start.is_of(key) => watch.suspect(Suspicion::TwoAlike),
                Some(_) => {}
            },
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

/// What tells a key from most others, and is cheap to look at.
#[derive(Clone, Copy)]
pub(super) struct Start {
    len: usize,
    head: [u8; 16],
    /// Of keys longer than the head.
    hash: u64,
}

impl Start {
    #[inline]
    fn of(key: &str) -> Self {
        let mut head = [0; 16];
        let shared = key.len().min(head.len());
        head[..shared].copy_from_slice(&key.as_bytes()[..shared]);
        let hash = if key.len() > head.len() { hash_of(key) } else { 0 };
        Start { len: key.len(), head, hash }
    }

    #[inline]
    fn is_of(&self, key: &str) -> bool {
        if self.len != key.len() {
            return false;
        }
        let shared = self.len.min(self.head.len());
        // From the end, where keys that are alike differ.
        let is_alike = self.head[..shared].iter().rev().eq(key.as_bytes()[..shared].iter().rev());
        is_alike && (self.len <= self.head.len() || self.hash == hash_of(key))
    }
}
