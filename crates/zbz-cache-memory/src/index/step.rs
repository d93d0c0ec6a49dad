//! [`Regrouping`]: what a step of growing or shrinking does to the buckets of one group.
//!
//! One more or one fewer bucket moves an item to the next place of its group or not at all, up
//! when the group grows, down when it shrinks. So the buckets are gone through from the end that
//! items move to, each is looked at once, and what leaves one goes into what the one before it
//! has left empty.

use crate::base::sync::{AtomicU64, Ordering, fence};
use crate::index::geometry::{Group, Mark};
use crate::index::slot::Slot;

use super::bucket::{LONGEST_MERGED, LockedBucket};
use super::line::{Bucket, LINE, WORDS, bits};

/// The most buckets of a group.
const MOST: usize = 8;

/// Items that a step left without a slot.
#[derive(Debug, Default)]
struct Unslotted {
    /// Items that are in no bucket any more, because no overflow bucket was left: as if evicted.
    lost: Vec<Slot>,
}

/// All buckets of a group before or after a step, locked.
#[derive(Debug)]
pub(super) struct Regrouping<'a> {
    locked: [Option<LockedBucket<'a>>; MOST],
    group_bits: u32,
    unslotted: Unslotted,
}

/// Which words of a bucket are which, a bit each.
#[derive(Debug, Clone, Copy)]
struct WordMasks {
    empty: u32,
    moving: u32,
}

impl<'a> Regrouping<'a> {
    /// `lock` locks a bucket.
    pub(super) fn new(group: Group, hold: impl Fn(u64) -> LockedBucket<'a>) -> Regrouping<'a> {
        let mut numbers = group.buckets();
        let locked = std::array::from_fn(|_| numbers.next().map(&hold));
        Regrouping { locked, group_bits: group.bits(), unslotted: Unslotted::default() }
    }

    /// Moves what belongs into the last bucket there, from bucket to bucket.
    pub(super) fn spread(&mut self) {
        let count = self.locked.iter().flatten().count();
        self.go(count as u64, (0..count).rev());
    }

    /// Moves everything out of the last bucket, from bucket to bucket.
    pub(super) fn gather(&mut self) {
        let count = self.locked.iter().flatten().count();
        self.go(count as u64 - 1, 0..count);
    }

    /// Tells which items were lost, and lets go of the buckets.
    pub(super) fn finish(self, mut lost: impl FnMut(&LockedBucket<'_>, Slot)) {
        if let [Some(locked), ..] = &self.locked {
            self.unslotted.lost.iter().for_each(|&slot| lost(locked, slot));
        }
    }

    /// Goes through the buckets in this order, so that each gives to the one before it.
    fn go(&mut self, count: u64, order: impl Iterator<Item = usize>) {
        let group_bits = self.group_bits;
        let mut target: Option<Target<'_, '_>> = None;
        for at in order {
            let Some(locked) = &self.locked[at] else { continue };
            let stays = |mark: Mark| mark.place(group_bits, count) == at as u64;
            let mut found = survey(locked, stays);
            if let Some(target) = &mut target {
                for word in bits(found.moving).map(|at| &locked.bucket()[at as usize % WORDS]) {
                    target.receive(locked, word, &mut self.unslotted);
                }
                found.empty |= found.moving;
                if locked.has_chain() {
                    found = move_chain(locked, target, stays, &mut self.unslotted);
                }
            }
            target = Some(Target { locked, empty: found.empty });
        }
        // The stores of moved slots are weaker than those of set ones. After this fence the next store
        // is in one order with all reads nevertheless.
        fence(Ordering::SeqCst);
    }
}

/// The contents of the two lines of a bucket.
fn survey(locked: &LockedBucket<'_>, stays: impl Fn(Mark) -> bool) -> WordMasks {
    let mut found = WordMasks { empty: 0, moving: 0 };
    let bucket: &Bucket = locked.bucket();
    for (at, word) in bucket.iter().enumerate().skip(1) {
        let slot = Slot::from_word(word.load(Ordering::Relaxed));
        found.empty |= u32::from(slot.is_empty()) << at;
        found.moving |= u32::from(slot.is_item() && !stays(locked.mark_of(slot))) << at;
    }
    found
}

/// Moves what belongs elsewhere out of the chain, and shortens it.
#[cold]
fn move_chain(
    locked: &LockedBucket<'_>,
    target: &mut Target<'_, '_>,
    stays: impl Fn(Mark) -> bool,
    unslotted: &mut Unslotted,
) -> WordMasks {
    for word in locked.chain_words() {
        let slot = Slot::from_word(word.load(Ordering::Relaxed));
        if slot.is_item() && !stays(locked.mark_of(slot)) {
            target.receive(locked, word, unslotted);
        }
    }
    locked.settle();
    survey(locked, stays)
}

/// The bucket that items move to.
struct Target<'a, 'b> {
    locked: &'a LockedBucket<'b>,
    /// Its empty words.
    empty: u32,
}

impl Target<'_, '_> {
    /// Moves an item here.
    #[inline(always)]
    fn receive(&mut self, from: &LockedBucket<'_>, word: &AtomicU64, unslotted: &mut Unslotted) {
        const LINES: [u32; 2] = [(1 << LINE) - 2, ((1 << LINE) - 1) << LINE];
        let slot = Slot::from_word(word.load(Ordering::Relaxed));
        let preferred = self.empty & LINES[from.mark_of(slot).line()];
        let at = if preferred != 0 { preferred } else { self.empty }.trailing_zeros();
        if at < u32::BITS {
            self.empty ^= 1 << at;
            // To its new place first. Release: pairs with the loads of a scan; see `go`.
            self.locked.bucket()[at as usize % WORDS].store(slot.word(), Ordering::Release);
        } else if self.locked.insert_within(slot, LONGEST_MERGED).is_err() {
            unslotted.lost.push(slot);
        }
        // Release: a reader that misses the item here sees that the bucket was locked.
        word.store(Slot::EMPTY.word(), Ordering::Release);
    }
}
