//! [`Regrouping`]: what a step of growing or shrinking does to the buckets of one group.
//!
//! One more or one fewer bucket moves an item to the next place of its group or not at all, up
//! when the group grows, down when it shrinks. So the buckets are gone through from the end that
//! items move to, each is looked at once, and what leaves one goes into what the one before it
//! has left empty.

use crate::geometry::{Group, Mark};
use crate::slot::Slot;
use crate::sync::{AtomicU64, Ordering, fence};

use super::bucket::{Bucket, Held, LINE, LONGEST_MERGED, WORDS, bits};

/// The most buckets of a group.
const MOST: usize = 8;

/// What a step came to.
#[derive(Debug, Default)]
struct Step {
    /// Items that are in no bucket any more, because no overflow bucket was left: as if evicted.
    lost: Vec<Slot>,
}

/// All buckets of a group before or after a step, held.
#[derive(Debug)]
pub(super) struct Regrouping<'a> {
    held: [Option<Held<'a>>; MOST],
    group_bits: u32,
    step: Step,
}

/// Which words of a bucket are which, a bit each.
#[derive(Debug, Clone, Copy)]
struct Survey {
    empty: u32,
    moving: u32,
}

impl<'a> Regrouping<'a> {
    /// `hold` takes the bit of a bucket.
    pub(super) fn new(group: Group, hold: impl Fn(u64) -> Held<'a>) -> Regrouping<'a> {
        let mut numbers = group.buckets();
        let held = std::array::from_fn(|_| numbers.next().map(&hold));
        Regrouping { held, group_bits: group.bits(), step: Step::default() }
    }

    /// Moves what belongs into the last bucket there, from bucket to bucket.
    pub(super) fn spread(&mut self) {
        let count = self.held.iter().flatten().count();
        self.go(count as u64, (0..count).rev());
    }

    /// Moves everything out of the last bucket, from bucket to bucket.
    pub(super) fn gather(&mut self) {
        let count = self.held.iter().flatten().count();
        self.go(count as u64 - 1, 0..count);
    }

    /// Tells which items were lost, and lets go of the buckets.
    pub(super) fn finish(self, mut lost: impl FnMut(&Held<'_>, Slot)) {
        if let [Some(held), ..] = &self.held {
            self.step.lost.iter().for_each(|&slot| lost(held, slot));
        }
    }

    /// Goes through the buckets in this order, so that each gives to the one before it.
    fn go(&mut self, count: u64, order: impl Iterator<Item = usize>) {
        let group_bits = self.group_bits;
        let mut target: Option<Target<'_, '_>> = None;
        for at in order {
            let Some(held) = &self.held[at] else { continue };
            let stays = |mark: Mark| mark.place(group_bits, count) == at as u64;
            let mut found = survey(held, stays);
            if let Some(target) = &mut target {
                for word in bits(found.moving).map(|at| &held.bucket()[at as usize % WORDS]) {
                    target.receive(held, word, &mut self.step);
                }
                found.empty |= found.moving;
                if held.has_chain() {
                    found = move_chain(held, target, stays, &mut self.step);
                }
            }
            target = Some(Target { held, empty: found.empty });
        }
        // The stores of moved slots are weaker than those of set ones; after this fence whoever
        // stores next is in one order with all reads nevertheless.
        fence(Ordering::SeqCst);
    }
}

/// What is where in the two lines of a bucket.
fn survey(held: &Held<'_>, stays: impl Fn(Mark) -> bool) -> Survey {
    let mut found = Survey { empty: 0, moving: 0 };
    let bucket: &Bucket = held.bucket();
    for (at, word) in bucket.iter().enumerate().skip(1) {
        let slot = Slot::from_word(word.load(Ordering::Relaxed));
        found.empty |= u32::from(slot.is_empty()) << at;
        found.moving |= u32::from(slot.is_item() && !stays(held.mark_of(slot))) << at;
    }
    found
}

/// Moves what belongs elsewhere out of the chain, and shortens it.
#[cold]
fn move_chain(
    held: &Held<'_>,
    target: &mut Target<'_, '_>,
    stays: impl Fn(Mark) -> bool,
    step: &mut Step,
) -> Survey {
    for word in held.chain_words() {
        let slot = Slot::from_word(word.load(Ordering::Relaxed));
        if slot.is_item() && !stays(held.mark_of(slot)) {
            target.receive(held, word, step);
        }
    }
    held.settle();
    survey(held, stays)
}

/// The bucket that items move to.
struct Target<'a, 'b> {
    held: &'a Held<'b>,
    /// Its empty words.
    empty: u32,
}

impl Target<'_, '_> {
    /// Moves an item here.
    #[inline(always)]
    fn receive(&mut self, from: &Held<'_>, word: &AtomicU64, step: &mut Step) {
        const LINES: [u32; 2] = [(1 << LINE) - 2, ((1 << LINE) - 1) << LINE];
        let slot = Slot::from_word(word.load(Ordering::Relaxed));
        let preferred = self.empty & LINES[from.mark_of(slot).line()];
        let at = if preferred != 0 { preferred } else { self.empty }.trailing_zeros();
        if at < u32::BITS {
            self.empty ^= 1 << at;
            // To its new place first. Release: pairs with the loads of a scan; see `go`.
            self.held.bucket()[at as usize % WORDS].store(slot.word(), Ordering::Release);
        } else if self.held.insert_within(slot, LONGEST_MERGED).is_err() {
            step.lost.push(slot);
        }
        // Release: whoever misses the item here sees that the bucket was taken.
        word.store(Slot::EMPTY.word(), Ordering::Release);
    }
}
