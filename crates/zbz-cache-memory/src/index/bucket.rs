//! [`Bucket`]: two lines of words: a meta word, slots, and perhaps a link to overflow buckets.
//!
//! ```text
//!   line A   | meta | s1 | s2 | s3 | s4 | s5 | s6 | s7  |
//!   line B   | s8   | s9 | s10| s11| s12| s13| s14| s15 |     s15 becomes a link when it overflows
//!
//!   meta     | version: 63 bits | locked |
//! ```
//!
//! *Under the bit*: slots and links change only while the bucket is locked, but for bumps of a
//! slot's hits, and every locking moves the version.

use crate::slot::{Slot, Tag};
use crate::sync::{AtomicU64, Ordering};

use super::overflow::{Line, Overflow};

/// Words of a line; two under loom, whose models would not end otherwise.
pub(super) const LINE: usize = if cfg!(loom) { 2 } else { 8 };
pub(super) const WORDS: usize = 2 * LINE;

/// The longest chain of overflow buckets that an insert makes.
pub(super) const LONGEST_CHAIN: usize = if cfg!(loom) { 1 } else { 4 };

const LOCKED: u64 = 1;
const VERSION: u64 = 2;

/// The word that may be a link.
const LAST: usize = WORDS - 1;

pub(super) type Bucket = [AtomicU64; WORDS];

/// The two lines of a bucket, that which a key prefers first.
#[inline(always)]
pub(super) fn lines(bucket: &Bucket, hash: u64) -> [&[AtomicU64]; 2] {
    // A bit that neither tag, group nor place in the group depends on.
    if hash >> 36 & 1 == 0 {
        [&bucket[1..LINE], &bucket[LINE..]]
    } else {
        [&bucket[LINE..], &bucket[1..LINE]]
    }
}

/// Which of these words may be slots of a key with this tag, a bit each.
#[inline(always)]
pub(super) fn candidates(words: &[AtomicU64], tag: Tag) -> u32 {
    let mut found = 0;
    for (at, word) in words.iter().enumerate() {
        // Acquire: pairs with the store that published the item, before it is looked at.
        found |= u32::from(Slot::from_word(word.load(Ordering::Acquire)).has(tag)) << at;
    }
    found
}

/// What a bucket's meta word said: not locked, this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version(u64);

/// `None` while it is locked.
pub(super) fn version(bucket: &Bucket) -> Option<Version> {
    let meta = bucket[0].load(Ordering::SeqCst);
    (meta & LOCKED == 0).then_some(Version(meta))
}

/// The number of the overflow bucket that the words of `bucket` continue in; zero for none.
fn link_of(bucket: &Bucket) -> u64 {
    let last = bucket[LAST].load(Ordering::Acquire);
    if Slot::from_word(last).is_item() { 0 } else { last }
}

/// The overflow buckets of a bucket, as they are linked at this moment.
pub(super) fn chain<'a>(bucket: &'a Bucket, overflow: &'a Overflow) -> impl Iterator<Item = &'a [AtomicU64]> {
    let mut next = link_of(bucket);
    // A chain that others change while it is walked may lead anywhere, but not on for ever.
    (0..4 * LONGEST_CHAIN + 32).map_while(move |_| {
        let line = overflow.line(next)?;
        next = line[0].load(Ordering::Acquire);
        Some(&line[1..])
    })
}

/// A bucket whose bit the caller holds; let go when dropped.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    bucket: &'a Bucket,
    overflow: &'a Overflow,
    /// What the meta word was before.
    before: u64,
}

/// There is no room in the bucket and its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowded;

impl<'a> Held<'a> {
    /// Takes the bit, if nobody has it.
    pub(super) fn try_take(bucket: &'a Bucket, overflow: &'a Overflow) -> Option<Held<'a>> {
        let before = bucket[0].load(Ordering::Relaxed);
        let free = before & LOCKED == 0;
        // SeqCst, and so Acquire: sees all that the holder before did.
        let taken = free
            && bucket[0]
                .compare_exchange(before, before | LOCKED, Ordering::SeqCst, Ordering::Relaxed)
                .is_ok();
        // Made only when taken: dropping one lets go.
        taken.then(|| Held { bucket, overflow, before })
    }

    /// All words that may be slots, those of the chain last.
    pub(super) fn words(&self) -> impl Iterator<Item = &'a AtomicU64> + use<'a> {
        self.bucket[1..].iter().chain(chain(self.bucket, self.overflow).flatten())
    }

    /// The item with this tag that `is_it` says is meant.
    pub(crate) fn find(&self, tag: Tag, mut is_it: impl FnMut(Slot) -> bool) -> Option<Place<'a>> {
        self.words().find_map(|word| {
            let slot = Slot::from_word(word.load(Ordering::Relaxed));
            (slot.has(tag) && is_it(slot)).then_some(Place { word })
        })
    }

    /// Every item.
    pub(crate) fn items(&self) -> impl Iterator<Item = (Place<'a>, Slot)> + use<'a> {
        self.words().filter_map(|word| {
            let slot = Slot::from_word(word.load(Ordering::Relaxed));
            slot.is_item().then_some((Place { word }, slot))
        })
    }

    /// Puts an item where there is room: in the line it prefers, the other, or the chain.
    ///
    /// # Errors
    ///
    /// [`Crowded`]: the chain is as long as it gets, or there is no overflow bucket left.
    pub(crate) fn insert(&self, hash: u64, slot: Slot) -> Result<Place<'a>, Crowded> {
        self.insert_within(hash, slot, LONGEST_CHAIN)
    }

    pub(super) fn insert_within(&self, hash: u64, slot: Slot, longest: usize) -> Result<Place<'a>, Crowded> {
        let lines = lines(self.bucket, hash).into_iter().flatten();
        let words =
            lines.filter(|word| !std::ptr::eq(*word, &self.bucket[LAST]) || link_of(self.bucket) == 0);
        let words = words.chain(chain(self.bucket, self.overflow).flatten());
        let empty = words.into_iter().find(|word| word.load(Ordering::Relaxed) == Slot::EMPTY.word());
        let word = match empty {
            Some(word) => word,
            None => self.lengthen(longest)?,
        };
        word.store(slot.word(), Ordering::SeqCst);
        Ok(Place { word })
    }

    /// An empty word of a new overflow bucket at the head of the chain.
    fn lengthen(&self, longest: usize) -> Result<&'a AtomicU64, Crowded> {
        if chain(self.bucket, self.overflow).count() >= longest {
            return Err(Crowded);
        }
        let number = self.overflow.take().ok_or(Crowded)?;
        let line: &Line = self.overflow.line(number).ok_or(Crowded)?;
        let last = self.bucket[LAST].load(Ordering::Relaxed);
        // Into the new bucket first: who does not find the item in its old place finds it here.
        if Slot::from_word(last).is_item() {
            line[1].store(last, Ordering::SeqCst);
        } else {
            line[0].store(last, Ordering::SeqCst);
        }
        self.bucket[LAST].store(number, Ordering::SeqCst);
        line[1..].iter().find(|word| word.load(Ordering::Relaxed) == Slot::EMPTY.word()).ok_or(Crowded)
    }

    /// Puts another item in the place of one.
    pub(crate) fn replace(&self, place: &Place<'a>, slot: Slot) {
        place.word.store(slot.word(), Ordering::SeqCst);
    }

    /// Takes an item out. What the chain holds moves up, and its empty buckets go.
    pub(crate) fn remove(&self, place: Place<'a>) {
        place.word.store(Slot::EMPTY.word(), Ordering::SeqCst);
        let head = link_of(self.bucket);
        let Some(line) = self.overflow.line(head) else { return };
        let is_here = line[1..].iter().any(|word| std::ptr::eq(word, place.word));
        let item = line[1..].iter().find(|word| word.load(Ordering::Relaxed) != Slot::EMPTY.word());
        if let Some(item) = item
            && !is_here
        {
            // To its new place first.
            place.word.store(item.load(Ordering::Relaxed), Ordering::SeqCst);
            item.store(Slot::EMPTY.word(), Ordering::SeqCst);
        }
        if line[1..].iter().all(|word| word.load(Ordering::Relaxed) == Slot::EMPTY.word()) {
            self.bucket[LAST].store(line[0].load(Ordering::Relaxed), Ordering::SeqCst);
            self.overflow.give(head);
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Release: the next holder, and who reads the version, sees all that was done.
        self.bucket[0].store(self.before.wrapping_add(VERSION), Ordering::Release);
    }
}

/// Where an item's slot is, for as long as the bucket is held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    word: &'a AtomicU64,
}

impl Place<'_> {
    /// What the slot says; its hits may grow meanwhile.
    pub(crate) fn slot(&self) -> Slot {
        Slot::from_word(self.word.load(Ordering::Relaxed))
    }
}
