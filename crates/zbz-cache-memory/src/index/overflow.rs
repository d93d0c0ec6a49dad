//! [`Overflow`]: the buckets that full ones continue in, taken one by one and given back.
//!
//! ```text
//!   | link | s1 | s2 | s3 | s4 | s5 | s6 | s7 |     link: number of the next one, zero for none
//! ```
//!
//! Numbers count from 1. The first word of a bucket that is not in use links the list of those.

use crate::error::Error;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::words::Words;

use super::bucket::LINE;

/// An overflow bucket: one line, of which the first word is the link.
pub(super) type Line = [AtomicU64; LINE];

#[derive(Debug)]
pub(super) struct Overflow {
    words: Words,
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    /// The first of those that were given back.
    first: u64,
    /// Those up to this number were in use at some time.
    reached: u64,
}

impl Overflow {
    /// At most so many buckets.
    pub(super) fn new(most: usize) -> Result<Overflow, Error> {
        Ok(Overflow { words: Words::reserve(most * LINE)?, free: Mutex::new(Free::default()) })
    }

    /// The bucket of this number; `None` for what is no number of one.
    #[inline]
    pub(super) fn line(&self, number: u64) -> Option<&Line> {
        let start = usize::try_from(number).ok()?.checked_sub(1)?.checked_mul(LINE)?;
        self.words.as_slice().get(start..start + LINE)?.try_into().ok()
    }

    /// The number of an empty one; `None` if all are in use.
    pub(super) fn take(&self) -> Option<u64> {
        let mut free = self.free.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let number = if free.first > 0 { free.first } else { free.reached + 1 };
        let line = self.line(number)?;
        if free.first > 0 {
            free.first = line[0].swap(0, Ordering::Release);
        } else {
            free.reached = number;
        }
        Some(number)
    }

    /// Gives back one whose slots are empty.
    pub(super) fn give(&self, number: u64) {
        let mut free = self.free.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(line) = self.line(number) {
            line[0].store(free.first, Ordering::Release);
            free.first = number;
        }
    }
}
