//! The bytes that may be used and the bytes that are: the one place that says yes or no to room.
//!
//! Invariants:
//! - `used <= max` at every moment. Bytes are reserved here before an entry that needs them is put
//!   in place.
//! - The lock is the innermost one: nothing else is locked while it is held.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A budget of accounted bytes.
pub(crate) struct Budget {
    used: Mutex<u64>,
    /// Changed only under the lock of `used`. Read without it where a moment's difference does no
    /// harm: limits on lengths. Relaxed: it guards no other data.
    max: AtomicU64,
    /// The largest `max` there has been: keys taken under it must stay reachable.
    largest_max: AtomicU64,
}

impl Budget {
    pub(crate) fn new(base: u64, max: u64) -> Budget {
        Budget { used: Mutex::new(base), max: max.into(), largest_max: max.into() }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes used and bytes allowed, read in one step.
    pub(crate) fn used_and_max(&self) -> (u64, u64) {
        let used = self.lock();
        (*used, self.max())
    }

    pub(crate) fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    pub(crate) fn largest_max(&self) -> u64 {
        self.largest_max.load(Ordering::Relaxed)
    }

    pub(crate) fn release(&self, bytes: u64) {
        *self.lock() -= bytes;
    }

    /// Raises the budget; a lower one is left alone.
    pub(crate) fn raise(&self, max: u64) {
        let _used = self.lock();
        self.max.fetch_max(max, Ordering::Relaxed);
        self.largest_max.fetch_max(max, Ordering::Relaxed);
    }
}

/// Bytes of a budget in one caller's hand: already counted as used, given back on drop.
pub(crate) struct Held<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl<'a> Held<'a> {
    pub(crate) fn nothing(budget: &'a Budget) -> Held<'a> {
        Held { budget, bytes: 0 }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes free bytes until `target` are in hand, or nothing at all. True if there were enough.
    pub(crate) fn fill_or_leave(&mut self, target: u64) -> bool {
        let missing = target.saturating_sub(self.bytes);
        let mut used = self.budget.lock();
        if missing > self.budget.max() - *used {
            return false;
        }
        *used += missing;
        self.bytes += missing;
        true
    }

    /// Takes what free bytes there are towards `target`. True if that many are in hand now.
    pub(crate) fn fill(&mut self, target: u64) -> bool {
        let mut used = self.budget.lock();
        let taken = target.saturating_sub(self.bytes).min(self.budget.max() - *used);
        *used += taken;
        self.bytes += taken;
        self.bytes >= target
    }

    /// Takes over bytes that are counted as used by an entry which is gone.
    pub(crate) fn receive(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Hands `bytes` to an entry, which keeps them counted as used. The caller made sure to hold as
    /// many.
    pub(crate) fn hand_over(&mut self, bytes: u64) {
        self.bytes -= bytes;
    }

    /// Takes `bytes` of those in hand out of the budget altogether.
    pub(crate) fn lower_max(mut self, bytes: u64) {
        self.bytes -= bytes;
        let mut used = self.budget.lock();
        *used -= bytes;
        self.budget.max.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.release(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_bytes_come_back_when_they_were_not_handed_over() {
        let budget = Budget::new(10, 100);
        let mut held = Held::nothing(&budget);
        assert!(!held.fill_or_leave(91));
        assert_eq!(budget.used_and_max(), (10, 100));
        assert!(held.fill_or_leave(60));
        held.hand_over(20);
        assert_eq!(budget.used_and_max(), (70, 100));
        drop(held);
        assert_eq!(budget.used_and_max(), (30, 100));
    }

    #[test]
    fn a_budget_is_lowered_only_by_bytes_in_hand() {
        let budget = Budget::new(10, 100);
        let mut held = Held::nothing(&budget);
        assert!(!held.fill(95));
        assert_eq!(held.bytes(), 90);
        held.lower_max(50);
        assert_eq!(budget.used_and_max(), (10, 50));
        budget.raise(u64::MAX);
        assert_eq!((budget.max(), budget.largest_max()), (u64::MAX, u64::MAX));
        let mut held = Held::nothing(&budget);
        assert!(!held.fill_or_leave(u64::MAX));
    }
}
