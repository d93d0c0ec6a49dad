//! [`Limits`]: what a cache takes, and whether it is closed. Every verb asks first.
//!
//! - *Closed under the lock*: a write that puts an entry into a bucket looks whether the cache is closed
//!   while it holds the bucket's lock. Closing sets the flag first and then takes each lock. So no entry
//!   comes in after.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::base::error::Error;
use crate::space::layout::MIN_MAX_SIZE;

/// No key is longer, whatever the budget.
const LONGEST_KEY: u64 = 32 * 1024;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Limits {
    /// The budget reported to users; while the cache shrinks the effective one is lower.
    max_size: AtomicU64,
    /// The largest that there was: keys that were taken under it must stay reachable.
    largest_max_size: AtomicU64,
    closed: AtomicBool,
}

impl Limits {
    pub(crate) fn new(max_size: u64) -> Limits {
        Limits {
            max_size: AtomicU64::new(max_size),
            largest_max_size: AtomicU64::new(max_size),
            closed: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        // SeqCst: pairs with the store in `close`; a call made after close returned sees it.
        if self.closed.load(Ordering::SeqCst) { Err(Error::Closed) } else { Ok(()) }
    }

    pub(crate) fn close(&self) {
        // SeqCst: *Closed under the lock*.
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Refuses a key that could not be in this cache.
    #[inline]
    pub(crate) fn check_key(&self, key: &[u8]) -> Result<(), Error> {
        self.check_open()?;
        check_key_len(key, &self.largest_max_size)
    }

    /// Refuses a key that this cache does not take.
    #[inline]
    pub(crate) fn check_new_key(&self, key: &[u8]) -> Result<(), Error> {
        self.check_open()?;
        check_key_len(key, &self.max_size)
    }

    // Relaxed, here and below: limits and choices.
    pub(crate) fn max_size(&self) -> u64 {
        self.max_size.load(Ordering::Relaxed)
    }

    pub(crate) fn set_max_size(&self, max_size: u64) {
        self.max_size.store(max_size, Ordering::Relaxed);
        self.largest_max_size.fetch_max(max_size, Ordering::Relaxed);
    }

    pub(crate) fn max_key_bytes(&self) -> usize {
        longest_key(self.max_size())
    }

    #[inline]
    pub(crate) fn max_value_bytes(&self) -> usize {
        usize::try_from(self.max_size() / 4).unwrap_or(usize::MAX)
    }
}

fn longest_key(max_size: u64) -> usize {
    (max_size / 8).min(LONGEST_KEY) as usize
}

#[inline]
fn check_key_len(key: &[u8], max_size: &AtomicU64) -> Result<(), Error> {
    // Every cache takes keys of these lengths: no need to look.
    if key.len().wrapping_sub(1) < (MIN_MAX_SIZE / 8) as usize {
        return Ok(());
    }
    check_long_key(key, max_size)
}

#[cold]
fn check_long_key(key: &[u8], max_size: &AtomicU64) -> Result<(), Error> {
    match (key.len(), longest_key(max_size.load(Ordering::Relaxed))) {
        (0, _) => Err(Error::KeyEmpty),
        (len, max) if len > max => Err(Error::KeyTooLong { len, max }),
        _ => Ok(()),
    }
}
