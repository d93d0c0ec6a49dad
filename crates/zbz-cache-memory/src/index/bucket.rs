//! [`Held`]: a bucket whose bit is held; and what a bucket is: two lines of words.
//!
//! ```text
//!   line A   | meta | s1 | s2 | s3 | s4 | s5 | s6 | s7  |
//!   line B   | s8   | s9 | s10| s11| s12| s13| s14| s15 |     s15 becomes a link when it overflows
//!
//!   meta     | version: 63 bits | locked |
//! ```
//!
//! - *Under the bit*: slots and links change only while the bucket is locked, but for bumps of a
//!   slot's hits, and every locking moves the version.
//! - *Zero is out of use*: no writer takes a bucket whose meta word is zero, unless it is one of
//!   those that are always there. Growth alone puts such a bucket in use.

use crate::geometry::Mark;
use crate::slot::{Location, Slot, Tag};
use crate::sync::{AtomicU64, Ordering};
use crate::words::{prefetch, with_bottom, with_top};

use super::Index;
use super::overflow::Overflow;

mod chain;

/// Words of a line; two under loom, whose models would not end otherwise.
pub(super) const LINE: usize = if cfg!(loom) { 2 } else { 8 };
pub(super) const WORDS: usize = 2 * LINE;

/// The longest chain of overflow buckets that an insert makes.
const LONGEST_CHAIN: usize = if cfg!(loom) { 1 } else { 4 };
/// The longest that there is: growing and shrinking may bring the items of two together.
pub(super) const LONGEST_MERGED: usize = 3 * LONGEST_CHAIN;

const LOCKED: u64 = 1;
const VERSION: u64 = 2;

/// The word that may be a link.
const LAST: usize = WORDS - 1;

pub(super) type Line = [AtomicU64; LINE];
pub(super) type Bucket = [AtomicU64; WORDS];

/// The words of a line but the first, a bit each.
const ALL_BUT_FIRST: u32 = (1 << LINE) - 2;

/// A line, and which of its words may be slots, a bit each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    line: &'a Line,
    slots: u32,
}

impl<'a> Part<'a> {
    /// One of the two lines of a bucket, 0 or 1.
    #[inline(always)]
    pub(super) fn of(bucket: &'a Bucket, line: usize) -> Part<'a> {
        // Only the first one begins with another word.
        Part { line: &bucket.as_chunks().0[line], slots: ALL_BUT_FIRST | line as u32 }
    }

    /// An overflow bucket, which begins with a link.
    fn of_chain(line: &'a Line) -> Part<'a> {
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
    fn words(self, mask: u32) -> impl Iterator<Item = &'a AtomicU64> {
        bits(mask).map(move |at| self.word(at))
    }

    fn empty_word(self) -> Option<&'a AtomicU64> {
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

/// Under the bit.
fn is_empty(word: &AtomicU64) -> bool {
    word.load(Ordering::Relaxed) == Slot::EMPTY.word()
}

/// What a bucket's meta word said: not locked, this version.
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
fn link_of(bucket: &Bucket) -> u64 {
    // Acquire: pairs with the store of the link.
    let last = bucket[LAST].load(Ordering::Acquire);
    if Slot::from_word(last).is_item() { 0 } else { last }
}

#[inline(always)]
pub(super) fn has_chain(bucket: &Bucket) -> bool {
    link_of(bucket) != 0
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

/// A bucket whose bit the caller holds; let go when dropped.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    index: &'a Index,
    bucket: &'a Bucket,
    number: u64,
    /// What the meta word was before.
    before: u64,
}

/// There is no room in the bucket and its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crowded;

impl<'a> Held<'a> {
    /// Takes the bit, if nobody has it and the bucket is in use.
    #[inline(always)]
    pub(super) fn try_take(index: &'a Index, number: u64) -> Option<Held<'a>> {
        let bucket = index.bucket(number);
        let before = bucket[0].load(Ordering::Relaxed);
        let in_use = before != 0 || number < index.least_buckets;
        // SeqCst, and so Acquire: sees all that the holder before did.
        let taken = in_use
            && before & LOCKED == 0
            && bucket[0]
                .compare_exchange(before, before | LOCKED, Ordering::SeqCst, Ordering::Relaxed)
                .is_ok();
        // Made only when taken: dropping one lets go.
        taken.then(|| Held { index, bucket, number, before })
    }

    /// Takes the bit of the bucket that growth adds next; `None` while another has it. Its version
    /// is above `floor` when it is let go. For who holds `stepping` only.
    pub(super) fn try_take_new(index: &'a Index, number: u64, floor: u64) -> Option<Held<'a>> {
        let bucket = index.bucket(number);
        if bucket[0].load(Ordering::Relaxed) == 0 {
            // *Zero is out of use*: nobody else stores here. SeqCst as every taking of a bit.
            bucket[0].store(floor | LOCKED, Ordering::SeqCst);
            return Some(Held { index, bucket, number, before: floor });
        }
        Held::try_take(index, number)
    }

    /// Keeps the bit for ever, until the word is zero. A version above all that the bucket had.
    pub(super) fn retire(self) -> u64 {
        let above = self.before + VERSION;
        std::mem::forget(self);
        above
    }

    pub(super) fn bucket(&self) -> &'a Bucket {
        self.bucket
    }

    /// Whether it is the bucket of this key; it stays so while it is held.
    #[cfg(test)]
    pub(crate) fn is_of(&self, hash: u64) -> bool {
        self.index.geometry().bucket(self.index.mark(hash)) == self.number
    }

    /// What the table knows of the key of one of its slots.
    pub(super) fn mark_of(&self, slot: Slot) -> Mark {
        Mark::of_slot(slot.tag(), self.number, self.index.base_bits)
    }

    /// [`Index::point_of`] the key of one of its slots.
    pub(crate) fn point_of(&self, slot: Slot) -> u64 {
        self.mark_of(slot).point(self.index.base_bits)
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
        chain(self.bucket, &self.index.overflow)
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
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(Slot) -> bool) -> Option<Place<'a>> {
        self.find_map(hash, |slot| is_it(slot).then_some(())).map(|(place, ())| place)
    }

    /// The first item with this key's tag of which `look` makes something, and what it makes.
    #[inline(always)]
    pub(crate) fn find_map<R>(&self, hash: u64, look: impl Fn(Slot) -> Option<R>) -> Option<(Place<'a>, R)> {
        let mark = self.index.mark(hash);
        let look_in = |part: Part<'a>| {
            let mut found = part.candidates(mark.tag());
            while found != 0 {
                let place = Place { word: part.word(found.trailing_zeros()) };
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
    pub(crate) fn find_location(&self, hash: u64, location: Location) -> Option<Place<'a>> {
        self.seek(self.index.mark(hash).line(), |part| {
            let words = part.words(with_bottom(part.line, location.units() as u32) & part.slots);
            // A link may be the same number.
            let is_it = |slot: Slot| slot.is_item() && slot.location() == location;
            words.map(|word| Place { word }).find(|place| is_it(place.slot()))
        })
    }

    /// Every item. Not to be gone on with after an insert or a removal, which move others.
    pub(crate) fn items(&self) -> impl Iterator<Item = (Place<'a>, Slot)> + use<'a> {
        let lines = [Part::of(self.bucket, 0), Part::of(self.bucket, 1)];
        let parts = lines.into_iter().chain(self.chain());
        parts.flat_map(|part| part.words(part.slots)).filter_map(|word| {
            let place = Place { word };
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
    pub(crate) fn insert(&self, hash: u64, slot: Slot) -> Result<Place<'a>, Crowded> {
        debug_assert!(slot.has(self.index.mark(hash).tag()), "a slot of another key");
        self.insert_within(slot, LONGEST_CHAIN)
    }

    pub(super) fn insert_within(&self, slot: Slot, longest: usize) -> Result<Place<'a>, Crowded> {
        let line = self.mark_of(slot).line();
        let word = match self.seek(line, Part::empty_word) {
            Some(word) => word,
            None => self.lengthen(longest)?,
        };
        // SeqCst: the moment at which the key has this value, in one order with all reads.
        word.store(slot.word(), Ordering::SeqCst);
        Ok(Place { word })
    }

    /// Puts another item in the place of one.
    pub(crate) fn replace(&self, place: &Place<'a>, slot: Slot) {
        // SeqCst: as in `insert_within`.
        place.word.store(slot.word(), Ordering::SeqCst);
    }

    /// Takes an item out. What the chain holds moves up, and its empty buckets go.
    pub(crate) fn remove(&self, place: Place<'a>) {
        // SeqCst: as in `insert_within`.
        place.word.store(Slot::EMPTY.word(), Ordering::SeqCst);
        if self.has_chain() {
            self.settle();
        }
    }

    /// The same for one that nobody was told of, who could tell when it went: its time has passed,
    /// or it had to make room.
    #[inline]
    pub(crate) fn drop_item(&self, place: Place<'a>) {
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

    /// An item that can go to make room: another one each time the bucket is held, in turn, so
    /// that among those that came in that way the newest goes last.
    pub(crate) fn crowded_victim(&self) -> Option<Place<'a>> {
        let turn = (self.before / VERSION) as usize;
        let slots = if self.has_chain() { LAST - 1 } else { LAST };
        let words = (0..slots).map(|step| &self.bucket[1 + (turn + step) % slots]);
        words.map(|word| Place { word }).find(|place| place.slot().is_item())
    }
}

impl Drop for Held<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: the next holder, and who reads the version, sees all that was done.
        self.bucket[0].store(self.before + VERSION, Ordering::Release);
    }
}

/// Where an item's slot is, while the bucket is held and no other of its items comes or goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    word: &'a AtomicU64,
}

impl Place<'_> {
    /// What the slot says; its hits may grow meanwhile.
    #[inline(always)]
    pub(crate) fn slot(&self) -> Slot {
        Slot::from_word(self.word.load(Ordering::Relaxed))
    }
}
