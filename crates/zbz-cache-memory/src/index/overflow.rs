//! [`Overflow`]: the buckets that full ones continue in, taken one by one and given back.
//!
//! ```text
//!   | link | s1 | s2 | s3 | s4 | s5 | s6 | s7 |     link: number of the next one, zero for none
//! ```
//!
//! Numbers count from 1. The first word of a bucket that is not in use links the list of those.

use std::ops::DerefMut;

use crate::base::budget::Budget;
use crate::base::error::Error;
use crate::base::sync::{AtomicU64, CachePadded, Mutex, Ordering};
use crate::base::words::Words;

use super::line::{LINE, Line};

/// The cost of one, in bytes.
pub(super) const BYTES: u64 = 64;

/// Memory is given back only when so many buckets were in use at some time.
const WORTH_GIVING_BACK: u64 = 1024;

/// How many one step may need, unless keys were made to crowd a bucket.
const PREPAID: u64 = if cfg!(loom) { 0 } else { 8 };
pub(super) const PREPAID_BYTES: u64 = PREPAID * BYTES;

#[derive(Debug)]
pub(super) struct Overflow {
    words: Words,
    free: CachePadded<Mutex<Free>>,
    /// How many are in use or paid for; a copy for choices.
    paid: AtomicU64,
}

#[derive(Debug, Default)]
struct Free {
    /// The first of those that were given back.
    first: u64,
    /// Those up to this number were in use since there was none the last time.
    reached: u64,
    in_use: u64,
    /// Buckets whose bytes were taken before they are in use: for steps of growing and shrinking,
    /// which cannot go back.
    prepaid: u64,
}

impl Overflow {
    /// At most so many buckets; the caller has taken the bytes of those that are paid for before.
    pub(super) fn new(most: usize) -> Result<Overflow, Error> {
        let words = Words::reserve(most.saturating_mul(LINE))?;
        let free = CachePadded::new(Mutex::new(Free { prepaid: PREPAID, ..Free::default() }));
        Ok(Overflow { words, free, paid: AtomicU64::new(PREPAID) })
    }

    /// The bucket of this number; `None` for what is no number of one.
    #[inline(always)]
    pub(super) fn line(&self, number: u64) -> Option<&Line> {
        self.words.get_run(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    fn free(&self) -> impl DerefMut<Target = Free> {
        self.free.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    #[cfg(test)]
    pub(super) fn in_use(&self) -> u64 {
        self.free().in_use
    }

    /// The bytes that were taken from the budget.
    pub(super) fn bytes(&self) -> u64 {
        // Relaxed: it guards no other data.
        self.paid.load(Ordering::Relaxed) * BYTES
    }

    /// Makes sure that a step finds as many as it may need; false if the budget has no bytes.
    pub(super) fn prepay(&self, budget: &Budget) -> bool {
        let mut free = self.free();
        while free.prepaid < PREPAID {
            if !budget.take(BYTES) {
                return false;
            }
            free.prepaid += 1;
            self.paid.fetch_add(1, Ordering::Relaxed);
        }
        true
    }

    /// Keeps what is needed of bytes that were taken for something else; answers what is left.
    pub(super) fn prepay_from(&self, mut bytes: u64) -> u64 {
        let mut free = self.free();
        while free.prepaid < PREPAID && bytes >= BYTES {
            bytes -= BYTES;
            free.prepaid += 1;
            self.paid.fetch_add(1, Ordering::Relaxed);
        }
        bytes
    }

    /// An empty one and its number; `None` if all are in use, or there is no budget.
    pub(super) fn take(&self, budget: &Budget) -> Option<(u64, &Line)> {
        let mut free = self.free();
        let next = self.next(&free)?;
        if !budget.take(BYTES) {
            return None;
        }
        self.paid.fetch_add(1, Ordering::Relaxed);
        Some(self.take_next(&mut free, next))
    }

    /// [`take`](Overflow::take) for a step, which may use buckets that were paid for before.
    pub(super) fn take_for_step(&self, budget: &Budget) -> Option<(u64, &Line)> {
        let mut free = self.free();
        let next = self.next(&free)?;
        if free.prepaid > 0 {
            free.prepaid -= 1;
        } else if budget.take(BYTES) {
            self.paid.fetch_add(1, Ordering::Relaxed);
        } else {
            return None;
        }
        Some(self.take_next(&mut free, next))
    }

    fn next(&self, free: &Free) -> Option<(u64, &Line)> {
        let number = if free.first > 0 { free.first } else { free.reached + 1 };
        Some((number, self.line(number)?))
    }

    fn take_next<'a>(&self, free: &mut Free, (number, line): (u64, &'a Line)) -> (u64, &'a Line) {
        if free.first > 0 {
            // Release: readers of a chain that led here go on from what they find.
            free.first = line[0].swap(0, Ordering::Release);
        } else {
            free.reached = number;
        }
        free.in_use += 1;
        (number, line)
    }

    /// Gives back one whose slots are empty and that no link leads to.
    pub(super) fn give(&self, number: u64, budget: &Budget) {
        let mut free = self.free();
        if let Some(line) = self.line(number) {
            // Release: as above.
            line[0].store(free.first, Ordering::Release);
            free.first = number;
            free.in_use -= 1;
            if free.in_use == 0 && free.reached >= WORTH_GIVING_BACK {
                // Readers that are still on a chain find empty slots, and then another version.
                self.words.give_back(0..free.reached as usize * LINE);
                (free.first, free.reached) = (0, 0);
            }
            if free.prepaid < PREPAID {
                free.prepaid += 1;
            } else {
                self.paid.fetch_sub(1, Ordering::Relaxed);
                budget.give(BYTES);
            }
        }
    }

    /// The numbers of those that are not in use, among those that were.
    #[cfg(test)]
    pub(super) fn unused(&self) -> Vec<u64> {
        let free = self.free();
        let next = |&number: &u64| self.line(number).map(|line| line[0].load(Ordering::Relaxed));
        let unused: Vec<u64> =
            std::iter::successors(Some(free.first), next).take_while(|&number| number > 0).collect();
        assert_eq!(unused.len() as u64 + free.in_use, free.reached, "an overflow bucket is lost");
        unused
    }
}
