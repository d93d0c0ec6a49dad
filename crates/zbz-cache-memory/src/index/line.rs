//! The words of buckets: what a line and a bucket are, and reading them.

use crate::base::sync::{AtomicU64, Ordering};
use crate::base::words::{prefetch, with_top};
use crate::index::slot::{Slot, Tag};

/// Words of a line; two under loom, whose models would not end otherwise.
pub(super) const LINE: usize = if cfg!(loom) { 2 } else { 8 };
pub(super) const WORDS: usize = 2 * LINE;

pub(super) const LOCKED: u64 = 1;
pub(super) const VERSION: u64 = 2;

/// The word that may be a link.
pub(super) const LAST: usize = WORDS - 1;

pub(super) type Line = [AtomicU64; LINE];
pub(super) type Bucket = [AtomicU64; WORDS];

/// The words of a line but the first, a bit each.
const ALL_BUT_FIRST: u32 = (1 << LINE) - 2;

/// A line, and which of its words may be slots, a bit each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) line: &'a Line,
    pub(super) slots: u32,
}

impl<'a> Part<'a> {
    /// One of the two lines of a bucket, 0 or 1.
    #[inline(always)]
    pub(super) fn of(bucket: &'a Bucket, line: usize) -> Part<'a> {
        // Only the first one begins with another word.
        Part { line: &bucket.as_chunks().0[line], slots: ALL_BUT_FIRST | line as u32 }
    }

    /// An overflow bucket, which begins with a link.
    pub(super) fn of_chain(line: &'a Line) -> Part<'a> {
        Part { line, slots: ALL_BUT_FIRST }
    }

    /// Which words may be slots with this tag: a hint.
    #[inline(always)]
    pub(super) fn candidates(self, tag: Tag) -> u32 {
        with_top(self.line, tag.bits()) & self.slots
    }

    #[inline(always)]
    pub(super) fn prefetch(self) {
        prefetch((&raw const self.line[0]).cast());
    }

    #[inline(always)]
    pub(super) fn word(self, at: u32) -> &'a AtomicU64 {
        &self.line[at as usize % LINE]
    }

    /// The words of a mask, the lowest first.
    #[inline(always)]
    pub(super) fn words(self, mask: u32) -> impl Iterator<Item = &'a AtomicU64> {
        bits(mask).map(move |at| self.word(at))
    }

    pub(super) fn empty_word(self) -> Option<&'a AtomicU64> {
        // A link has tag zero, too.
        self.words(with_top(self.line, 0) & self.slots).find(|word| is_empty(word))
    }
}

/// The places of the bits that are set, the lowest first.
#[inline(always)]
pub(super) fn bits(mut mask: u32) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let at = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (at < u32::BITS).then_some(at)
    })
}

/// Under the lock.
pub(super) fn is_empty(word: &AtomicU64) -> bool {
    word.load(Ordering::Relaxed) == Slot::EMPTY.word()
}

/// The meta word of an unlocked bucket: its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version(u64);

/// `None` while it is locked.
#[inline(always)]
pub(super) fn version(bucket: &Bucket) -> Option<Version> {
    // SeqCst: that which decides a miss is one of all threads' order.
    let meta = bucket[0].load(Ordering::SeqCst);
    (meta & LOCKED == 0).then_some(Version(meta))
}

/// The number of the overflow bucket that the words of `bucket` continue in; zero for none.
#[inline(always)]
pub(super) fn link_of(bucket: &Bucket) -> u64 {
    // Acquire: pairs with the store of the link.
    let last = bucket[LAST].load(Ordering::Acquire);
    if Slot::from_word(last).is_item() { 0 } else { last }
}

#[inline(always)]
pub(super) fn has_chain(bucket: &Bucket) -> bool {
    link_of(bucket) != 0
}
