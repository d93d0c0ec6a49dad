//! How the chain of a locked bucket grows and shrinks.

use super::{Buckets, Crowded, LONGEST_CHAIN, LockedBucket};
use crate::base::sync::{AtomicU64, Ordering};
use crate::index::line::{LAST, Part, is_empty};
use crate::index::slot::Slot;

impl<'a> LockedBucket<'a> {
    /// An empty word of a new overflow bucket at the head of the chain.
    #[cold]
    pub(super) fn lengthen(&self, longest: usize) -> Result<&'a AtomicU64, Crowded> {
        if self.chain().count() >= longest {
            return Err(Crowded);
        }
        let Buckets { overflow, budget, .. } = self.buckets;
        let taken =
            if longest > LONGEST_CHAIN { overflow.take_for_step(budget) } else { overflow.take(budget) };
        let (number, line) = taken.ok_or(Crowded)?;
        let last = self.bucket[LAST].load(Ordering::Relaxed);
        // Into the new bucket first: a reader that does not find the item in its old place finds it here.
        if Slot::from_word(last).is_item() {
            line[1].store(last, Ordering::SeqCst);
        } else {
            line[0].store(last, Ordering::SeqCst);
        }
        self.bucket[LAST].store(number, Ordering::SeqCst);
        Part::of_chain(line).empty_word().ok_or(Crowded)
    }

    /// Moves items of the chain into empty words of the lines, and gives back overflow buckets
    /// that are empty then. The chain is exhausted, or no word of the lines is empty.
    #[cold]
    pub(in crate::index) fn settle(&self) {
        let lines = [0, 1].into_iter().map(|line| Part::of(self.bucket, line));
        let mut empty = lines.flat_map(|part| part.words(part.slots)).filter(|word| is_empty(word));
        let overflow = &self.buckets.overflow;
        let mut link = &self.bucket[LAST];
        while let number = link.load(Ordering::Relaxed)
            && let Some(line) = overflow.line(number)
        {
            let part = Part::of_chain(line);
            let mut left = false;
            for word in part.words(part.slots).filter(|word| !is_empty(word)) {
                let Some(to) = empty.next() else {
                    left = true;
                    break;
                };
                // To its new place first.
                to.store(word.load(Ordering::Relaxed), Ordering::SeqCst);
                word.store(Slot::EMPTY.word(), Ordering::SeqCst);
            }
            if left {
                link = &line[0];
            } else {
                link.store(line[0].load(Ordering::Relaxed), Ordering::SeqCst);
                overflow.give(number, &self.buckets.budget);
            }
        }
    }
}
