//! How room is made: by evicting into a caller's hand, by sweeping, and by changing the budget.

use crate::budget::Held;
use crate::config::check_max_size;
use crate::engine::{Engine, Exit};
use crate::{Error, WhenFull};
use std::sync::PoisonError;

impl Engine {
    /// Evicts, one entry of one shard after another, until `target` bytes are in hand. False if
    /// every shard was visited in turn and none had an entry to give.
    ///
    /// Room for a key is made in its own shard first: what comes in and what goes then balance in
    /// each shard, and none is drained by the luck of the draw. The key itself is spared.
    pub(crate) fn evict_into(
        &self,
        held: &mut Held<'_>,
        target: u64,
        for_key: Option<&[u8]>,
    ) -> Result<bool, Error> {
        let mut index = for_key.map_or(0, |key| self.shard_of(key));
        let mut without = 0;
        while held.bytes() < target {
            if without == self.shard_count() {
                return Ok(false);
            }
            let mut shard = self.lock_any(index)?;
            let now = self.clock.now();
            match shard.remove_victim(now, for_key) {
                Some(victim) => {
                    held.receive(self.count_out(&victim, now, Exit::Evicted));
                    without = 0;
                }
                None => without += 1,
            }
            index = (index + 1) % self.shard_count();
        }
        Ok(true)
    }

    /// Removes every entry whose time has passed and answers how many.
    pub(crate) fn sweep(&self) -> Result<u64, Error> {
        self.check_open()?;
        let mut expired = 0;
        for index in 0..self.shard_count() {
            let mut shard = self.lock_any(index)?;
            let now = self.clock.now();
            for removed in shard.remove_expired(now) {
                self.budget.release(self.count_out(&removed, now, Exit::Deleted));
                expired += 1;
            }
        }
        Ok(expired)
    }

    /// Changes the budget. A smaller one comes into force only when the surplus is in hand, so the
    /// bytes in use never exceed the budget told.
    pub(crate) fn resize(&self, max_size: u64) -> Result<(), Error> {
        check_max_size(max_size)?;
        self.check_open()?;
        let _turn = self.resizing.lock().unwrap_or_else(PoisonError::into_inner);
        let surplus = self.budget.max().saturating_sub(max_size);
        if surplus == 0 {
            self.budget.raise(max_size);
            return Ok(());
        }
        let mut held = Held::nothing(&self.budget);
        self.sweep()?;
        if self.when_full == WhenFull::Reject && !held.fill_or_leave(surplus) {
            return Err(Error::Full);
        }
        while !held.fill(surplus) {
            if !self.evict_into(&mut held, surplus, None)? {
                // The rest is in the hands of writers, who give it back or make entries of it.
                std::thread::yield_now();
            }
        }
        held.lower_max(surplus);
        Ok(())
    }
}
