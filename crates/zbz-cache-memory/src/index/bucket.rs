//! [`LockedBucket`]: a bucket of two cache lines of words, while the caller holds its lock.
//!
//! ```text
//!   line A   | meta | s1 | s2 | s3 | s4 | s5 | s6 | s7  |
//!   line B   | s8   | s9 | s10| s11| s12| s13| s14| s15 |     s15 becomes a link when it overflows
//!
//!   meta     | version: 63 bits | locked |
//! ```
//!
//! - *Under the lock*: slots and links change only while the bucket is locked, except the hits of a
//!   slot. Every locking moves the version.
//! - *Zero is out of use*: no writer takes a bucket whose meta word is zero, unless it is one of
//!   those that are always there. Growth alone puts such a bucket in use.

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::base::error::Error;
use crate::base::sync::{AtomicU64, Ordering};
use crate::base::words::{Words, prefetch, with_bottom};
use crate::index::geometry::Mark;
use crate::index::line::{Bucket, LAST, LINE, LOCKED, Part, VERSION, WORDS, has_chain, link_of};
use crate::index::overflow::Overflow;
use crate::index::slot::{Location, Slot};

mod chain;

/// The longest chain of overflow buckets that an insert makes.
const LONGEST_CHAIN: usize = if cfg!(loom) { 1 } else { 4 };
/// The longest that there is: growing and shrinking may bring the items of two together.
pub(super) const LONGEST_MERGED: usize = 3 * LONGEST_CHAIN;

/// The memory of all buckets, with the overflow buckets that they continue in.
#[derive(Debug)]
pub(super) struct Buckets {
    pub(super) words: Words,
    pub(super) overflow: Overflow,
    pub(super) budget: Arc<Budget>,
    /// Bits of a group number that are a key's hash; further ones are its tag.
    pub(super) base_bits: u32,
    /// The buckets that are always there.
    pub(super) least: u64,
}

impl Buckets {
    /// Memory for so many buckets at most, of which `least` are always there; it comes when it is
    /// written.
    ///
    /// # Errors
    ///
    /// [`Error::Config`]: the system refuses the addresses.
    pub(super) fn new(
        most: usize,
        least: u64,
        base_bits: u32,
        budget: Arc<Budget>,
    ) -> Result<Buckets, Error> {
        let words = Words::reserve(most.saturating_mul(WORDS))?;
        Ok(Buckets { words, overflow: Overflow::new(most)?, budget, base_bits, least })
    }

    #[inline(always)]
    pub(super) fn bucket(&self, number: u64) -> &Bucket {
        self.words.run(number as usize)
    }

    #[inline(always)]
    pub(super) fn mark(&self, hash: u64) -> Mark {
        Mark::new(hash, self.base_bits)
    }

    /// Asks for both lines of a bucket.
    #[inline(always)]
    pub(super) fn prefetch(&self, number: u64) {
        let bucket = self.bucket(number);
        prefetch((&raw const bucket[0]).cast());
        prefetch((&raw const bucket[LINE]).cast());
    }
}

/// The overflow buckets of a bucket, as they are linked at this moment.
#[inline(always)]
pub(super) fn chain<'a>(bucket: &Bucket, overflow: &'a Overflow) -> impl Iterator<Item = Part<'a>> + use<'a> {
    let mut next = link_of(bucket);
    // A chain that others change while it is walked may lead anywhere, but not on for ever.
    (0..LONGEST_MERGED).map_while(move |_| {
        let line = overflow.line(next)?;
        // Acquire: pairs with the store of the link.
        next = line[0].load(Ordering::Acquire);
        Some(Part::of_chain(line))
    })
}

/// A bucket that the caller has locked; unlocked when dropped.
#[derive(Debug)]
pub(crate) struct LockedBucket<'a> {
    buckets: &'a Buckets,
    bucket: &'a Bucket,
    number: u64,
    /// The previous meta word.
    before: u64,
}

/// There is no room in the bucket and its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowded;

impl<'a> LockedBucket<'a> {
    /// Locks a bucket, if no other thread has and it is in use.
    #[inline(always)]
    pub(super) fn try_take(buckets: &'a Buckets, number: u64) -> Option<LockedBucket<'a>> {
        let bucket = buckets.bucket(number);
        let before = bucket[0].load(Ordering::Relaxed);
        let in_use = before != 0 || number < buckets.least;
        // SeqCst, and so Acquire: sees all that the holder before did.
        let taken = in_use
            && before & LOCKED == 0
            && bucket[0]
                .compare_exchange(before, before | LOCKED, Ordering::SeqCst, Ordering::Relaxed)
                .is_ok();
        // Made only when taken: dropping one lets go.
        taken.then(|| LockedBucket { buckets, bucket, number, before })
    }

    /// Locks the bucket that growth adds next; `None` while another thread has. Its version is above
    /// `floor` when it is unlocked. Only for the thread that holds `stepping`.
    pub(super) fn try_take_new(buckets: &'a Buckets, number: u64, floor: u64) -> Option<LockedBucket<'a>> {
        let bucket = buckets.bucket(number);
        if bucket[0].load(Ordering::Relaxed) == 0 {
            // *Zero is out of use*: no other thread stores here. SeqCst as every locking.
            bucket[0].store(floor | LOCKED, Ordering::SeqCst);
            return Some(LockedBucket { buckets, bucket, number, before: floor });
        }
        LockedBucket::try_take(buckets, number)
    }

    /// Keeps the lock for ever, until the word is zero. A version above all that the bucket had.
    pub(super) fn retire(self) -> u64 {
        let above = self.before + VERSION;
        std::mem::forget(self);
        above
    }

    pub(super) fn bucket(&self) -> &'a Bucket {
        self.bucket
    }

    /// Which bucket it is.
    #[cfg(test)]
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The parts of a slot's key that the table knows.
    pub(super) fn mark_of(&self, slot: Slot) -> Mark {
        Mark::of_slot(slot.tag(), self.number, self.buckets.base_bits)
    }

    /// The point of the key of one of its slots: the same for ever, and in the order of visits.
    pub(crate) fn point_of(&self, slot: Slot) -> u64 {
        self.mark_of(slot).point(self.buckets.base_bits)
    }

    /// What `look` finds, in one line, the other, or the chain.
    #[inline(always)]
    pub(super) fn seek<R>(
        &self,
        first_line: usize,
        mut look: impl FnMut(Part<'a>) -> Option<R>,
    ) -> Option<R> {
        for line in [first_line, 1 - first_line] {
            if let Some(found) = look(Part::of(self.bucket, line)) {
                return Some(found);
            }
        }
        if self.has_chain() { self.chain().find_map(look) } else { None }
    }

    #[inline(always)]
    fn chain(&self) -> impl Iterator<Item = Part<'a>> + use<'a> {
        chain(self.bucket, &self.buckets.overflow)
    }

    #[inline(always)]
    pub(super) fn has_chain(&self) -> bool {
        has_chain(self.bucket)
    }

    /// The words of the chain that may be slots.
    pub(super) fn chain_words(&self) -> impl Iterator<Item = &'a AtomicU64> + use<'a> {
        self.chain().flat_map(|part| part.words(part.slots))
    }

    /// The item of this key, if `is_it` says so of one with its tag.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(Slot) -> bool) -> Option<SlotRef<'a>> {
        self.find_map(hash, |slot| is_it(slot).then_some(())).map(|(place, ())| place)
    }

    /// The first item with this key's tag of which `look` makes something, and what it makes.
    #[inline(always)]
    pub(crate) fn find_map<R>(
        &self,
        hash: u64,
        look: impl Fn(Slot) -> Option<R>,
    ) -> Option<(SlotRef<'a>, R)> {
        let mark = self.buckets.mark(hash);
        let look_in = |part: Part<'a>| {
            let mut found = part.candidates(mark.tag());
            while found != 0 {
                let place = SlotRef { word: part.word(found.trailing_zeros()) };
                if let Some(answer) = look(place.slot()) {
                    return Some((place, answer));
                }
                found &= found - 1;
            }
            None
        };
        self.seek(mark.line(), look_in)
    }

    /// The item of this key at this location.
    #[inline]
    pub(crate) fn find_location(&self, hash: u64, location: Location) -> Option<SlotRef<'a>> {
        self.seek(self.buckets.mark(hash).line(), |part| {
            let words = part.words(with_bottom(part.line, location.units() as u32) & part.slots);
            // A link may be the same number.
            let is_it = |slot: Slot| slot.is_item() && slot.location() == location;
            words.map(|word| SlotRef { word }).find(|place| is_it(place.slot()))
        })
    }

    /// Every item. Not to be gone on with after an insert or a removal, which move others.
    pub(crate) fn items(&self) -> impl Iterator<Item = (SlotRef<'a>, Slot)> + use<'a> {
        let lines = [Part::of(self.bucket, 0), Part::of(self.bucket, 1)];
        let parts = lines.into_iter().chain(self.chain());
        parts.flat_map(|part| part.words(part.slots)).filter_map(|word| {
            let place = SlotRef { word };
            let slot = place.slot();
            slot.is_item().then_some((place, slot))
        })
    }

    /// How many items are in the line that their key prefers, in the other, and in the chain.
    pub(crate) fn items_by_line(&self) -> [u64; 3] {
        let is_item = |word: &&AtomicU64| Slot::from_word(word.load(Ordering::Relaxed)).is_item();
        let mut counts = [0; 3];
        for line in [0, 1] {
            let part = Part::of(self.bucket, line);
            for word in part.words(part.slots).filter(is_item) {
                let slot = Slot::from_word(word.load(Ordering::Relaxed));
                counts[usize::from(self.mark_of(slot).line() != line)] += 1;
            }
        }
        counts[2] = self.chain_words().filter(is_item).count() as u64;
        counts
    }

    /// Puts an item of this key where there is room: in the line it prefers, the other, or the
    /// chain.
    ///
    /// # Errors
    ///
    /// [`Crowded`]: the chain is as long as it gets, or there is no overflow bucket or no budget
    /// for one.
    pub(crate) fn insert(&self, hash: u64, slot: Slot) -> Result<SlotRef<'a>, Crowded> {
        debug_assert!(slot.has(self.buckets.mark(hash).tag()), "a slot of another key");
        self.insert_within(slot, LONGEST_CHAIN)
    }

    pub(super) fn insert_within(&self, slot: Slot, longest: usize) -> Result<SlotRef<'a>, Crowded> {
        let line = self.mark_of(slot).line();
        let word = match self.seek(line, Part::empty_word) {
            Some(word) => word,
            None => self.lengthen(longest)?,
        };
        // SeqCst: the moment at which the key has this value, in one order with all reads.
        word.store(slot.word(), Ordering::SeqCst);
        Ok(SlotRef { word })
    }

    /// Puts another item in the place of one.
    pub(crate) fn replace(&self, place: &SlotRef<'a>, slot: Slot) {
        // SeqCst: as in `insert_within`.
        place.word.store(slot.word(), Ordering::SeqCst);
    }

    /// Takes an item out. What the chain holds moves up, and its empty buckets go.
    pub(crate) fn remove(&self, place: SlotRef<'a>) {
        // SeqCst: as in `insert_within`.
        place.word.store(Slot::EMPTY.word(), Ordering::SeqCst);
        if self.has_chain() {
            self.settle();
        }
    }

    /// Weaker than [`remove`](LockedBucket::remove): expiry and eviction need no place in the total order
    /// of all stores, since no caller could tell when they happened.
    #[inline]
    pub(crate) fn drop_item(&self, place: SlotRef<'a>) {
        // Release: as every store of a slot; it need not stand in one order with other keys' stores.
        place.word.store(Slot::EMPTY.word(), Ordering::Release);
        if self.has_chain() {
            self.settle();
        }
    }

    /// Takes out all items that `keep` does not want.
    pub(crate) fn retain(&self, mut keep: impl FnMut(Slot) -> bool) {
        for (place, _) in self.items().filter(|&(_, slot)| !keep(slot)) {
            // SeqCst: as in `insert_within`.
            place.word.store(Slot::EMPTY.word(), Ordering::SeqCst);
        }
        if self.has_chain() {
            self.settle();
        }
    }

    /// An item that can be removed to make room: another one each time the bucket is locked, in turn, so
    /// that among those that came in that way the newest is removed last.
    pub(crate) fn crowded_victim(&self) -> Option<SlotRef<'a>> {
        let turn = (self.before / VERSION) as usize;
        let slots = if self.has_chain() { LAST - 1 } else { LAST };
        let words = (0..slots).map(|step| &self.bucket[1 + (turn + step) % slots]);
        words.map(|word| SlotRef { word }).find(|place| place.slot().is_item())
    }
}

impl Drop for LockedBucket<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: the next holder, and a thread that reads the version, sees all that was done.
        self.bucket[0].store(self.before + VERSION, Ordering::Release);
    }
}

/// Where an item's slot is, while the bucket is locked and no other item enters or leaves it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotRef<'a> {
    word: &'a AtomicU64,
}

impl SlotRef<'_> {
    /// The slot's word; its hits may grow meanwhile.
    #[inline(always)]
    pub(crate) fn slot(&self) -> Slot {
        Slot::from_word(self.word.load(Ordering::Relaxed))
    }
}
