//! [`Budget`]: how many bytes the cache may use, and how many it uses.
//!
//! - *Taken before touched*: a part that needs memory takes its bytes here first and gives them back
//!   after the memory was given back. So what is in use is never more than what was taken.
//! - *Never more than reported*: while the cache shrinks, the limit is lowered first and reported last, and
//!   nothing is taken beyond the limit. So the bytes used never exceed the reported budget.
//! - The lock is the innermost one: nothing else is locked while it is held.

use crate::base::sync::{AtomicU64, Mutex, Ordering};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: Mutex<Bytes>,
    /// Copies of numbers that the lock guards, for choices. Relaxed: they guard no other data.
    used: AtomicU64,
    limit: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Bytes {
    used: u64,
    limit: u64,
    told: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Budget {
        let bytes = Bytes { used: 0, limit, told: limit };
        Budget { bytes: Mutex::new(bytes), used: AtomicU64::new(0), limit: AtomicU64::new(limit) }
    }

    fn change<R>(&self, change: impl FnOnce(&mut Bytes) -> R) -> R {
        let mut bytes = self.bytes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let answer = change(&mut bytes);
        self.used.store(bytes.used, Ordering::Relaxed);
        self.limit.store(bytes.limit, Ordering::Relaxed);
        answer
    }

    /// Takes bytes, if there are as many.
    pub(crate) fn take(&self, wanted: u64) -> bool {
        self.change(|bytes| {
            let enough = bytes.used.checked_add(wanted).is_some_and(|sum| sum <= bytes.limit);
            bytes.used += if enough { wanted } else { 0 };
            enough
        })
    }

    /// Gives back bytes that were taken.
    pub(crate) fn give(&self, back: u64) {
        self.change(|bytes| bytes.used -= back);
    }

    /// Sets the limit for later takes.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.change(|bytes| bytes.limit = limit);
    }

    /// Reports the limit, now that the bytes used have come down to it.
    pub(crate) fn tell_limit(&self) {
        self.change(|bytes| bytes.told = bytes.limit);
    }

    /// The bytes used and the reported budget, in one step.
    pub(crate) fn used_and_told(&self) -> (u64, u64) {
        self.change(|bytes| (bytes.used, bytes.told))
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// The bytes that could be taken at this moment.
    pub(crate) fn left(&self) -> u64 {
        self.limit().saturating_sub(self.used())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_while_there_are_any() {
        let budget = Budget::new(100);
        assert!(budget.take(60) && !budget.take(41) && budget.take(40));
        assert!(!budget.take(u64::MAX) && !budget.take(1));
        budget.give(30);
        assert_eq!((budget.used(), budget.left()), (70, 30));
    }

    #[test]
    fn a_lower_limit_holds_at_once_and_is_told_at_the_end() {
        let budget = Budget::new(100);
        assert!(budget.take(70));
        budget.set_limit(50);
        assert!(!budget.take(1));
        assert_eq!((budget.left(), budget.used_and_told()), (0, (70, 100)));
        budget.give(30);
        budget.tell_limit();
        assert_eq!(budget.used_and_told(), (40, 50));
    }
}
