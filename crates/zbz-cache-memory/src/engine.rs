//! The inside that all handles share: shards behind locks, one budget, one clock.
//!
//! Invariants:
//! - At most one shard is locked by a call at any moment, and a lock is held for no caller's code
//!   but `Condition::If`.
//! - Every way to a shard passes `lock` or `lock_any`, where a closed cache is refused: after close
//!   has drained a shard, nothing enters it.
//! - Time is read while the key's shard is locked, so no entry is judged by a moment long gone.
//! - An entry leaves through `count_out`, once.

use crate::budget::Budget;
use crate::counters::Counters;
use crate::shard::{Entry, Removed, Shard};
use crate::ttl::{End, NEVER, end_of, remaining};
use crate::{Builder, Clock, Error, Found, Stats, TtlState, Version, WhenFull};
use foldhash::quality::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// No key is longer, whatever the budget.
const LONGEST_KEY: u64 = 32 * 1024;

/// There is one shard for this much of the budget, up to `MOST_SHARDS`.
const SHARD_BYTES: u64 = 16 * 1024;
const MOST_SHARDS: u64 = 64;

pub(crate) struct Engine {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    pub(crate) budget: Budget,
    pub(crate) counters: Counters,
    pub(crate) clock: Clock,
    pub(crate) when_full: WhenFull,
    /// Held by the one resize under way.
    pub(crate) resizing: Mutex<()>,
    started: u64,
    /// Random upper half of every version, so that no version of another cache matches.
    epoch: u64,
    last_version: AtomicU64,
    closed: AtomicBool,
    /// Dropping it ends the background thread.
    background: Mutex<Option<Sender<()>>>,
}

/// A live value that was found: shared, not copied.
pub(crate) struct Hit {
    pub(crate) value: Arc<[u8]>,
    pub(crate) found: Found,
}

/// Why an entry leaves; one whose time has passed counts as expired whatever the reason.
#[derive(Clone, Copy)]
pub(crate) enum Exit {
    Deleted,
    Evicted,
}

impl Engine {
    pub(crate) fn new(builder: &Builder) -> Engine {
        let max_size = builder.max_size;
        let hasher = RandomState::default();
        let count = (max_size / SHARD_BYTES).clamp(1, MOST_SHARDS).next_power_of_two();
        let shards: Box<[Mutex<Shard>]> =
            (0..count).map(|_| Mutex::new(Shard::new(hasher.clone()))).collect();
        let base = size_of::<Engine>() + size_of_val(&*shards);
        let clock = builder.clock.clone();
        Engine {
            shards,
            hasher,
            budget: Budget::new(base as u64, max_size),
            counters: Counters::default(),
            started: clock.now(),
            clock,
            when_full: builder.when_full,
            resizing: Mutex::new(()),
            epoch: RandomState::default().hash_one("epoch"),
            last_version: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            background: Mutex::new(None),
        }
    }

    pub(crate) fn keep_background(&self, sender: Sender<()>) {
        *self.background.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        // SeqCst: pairs with the store in `close`; a call made after close returned sees it.
        if self.closed.load(Ordering::SeqCst) { Err(Error::Closed) } else { Ok(()) }
    }

    pub(crate) fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// The shard of `key`, locked.
    pub(crate) fn lock(&self, key: &[u8]) -> Result<MutexGuard<'_, Shard>, Error> {
        self.lock_any(self.shard_of(key))
    }

    pub(crate) fn shard_of(&self, key: &[u8]) -> usize {
        // Bits of the middle: the maps inside the shards use the lowest and the highest.
        let hash = self.hasher.hash_one(key) >> 24;
        hash as usize & (self.shards.len() - 1)
    }

    pub(crate) fn lock_any(&self, index: usize) -> Result<MutexGuard<'_, Shard>, Error> {
        let shard = self.shards[index].lock().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        Ok(shard)
    }

    /// Refuses a key that could not be in this cache.
    pub(crate) fn check_key(&self, key: &[u8]) -> Result<(), Error> {
        self.check_open()?;
        check_key_len(key, longest_key(self.budget.largest_max()))
    }

    /// Refuses a key that this cache does not take.
    pub(crate) fn check_new_key(&self, key: &[u8]) -> Result<(), Error> {
        self.check_open()?;
        check_key_len(key, self.max_key_len())
    }

    pub(crate) fn max_key_len(&self) -> usize {
        longest_key(self.budget.max())
    }

    pub(crate) fn max_value_len(&self) -> usize {
        usize::try_from(self.budget.max() / 4).unwrap_or(usize::MAX)
    }

    pub(crate) fn next_version(&self) -> u64 {
        self.last_version.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn version_of(&self, entry: &Entry) -> Version {
        Version::from_u128(u128::from(self.epoch) << 64 | u128::from(entry.version))
    }

    fn hit(&self, entry: &Entry, now: u64) -> Hit {
        let found = Found::new(remaining(now, entry.deadline), self.version_of(entry));
        Hit { value: entry.value.clone(), found }
    }

    /// The live value of a key. Counts nothing.
    pub(crate) fn look_up(&self, key: &[u8]) -> Result<Option<Hit>, Error> {
        self.check_key(key)?;
        let mut shard = self.lock(key)?;
        let Some(entry) = shard.read(key) else {
            return Ok(None);
        };
        let now = if entry.deadline == NEVER { 0 } else { self.clock.now() };
        Ok(entry.is_live(now).then(|| self.hit(entry, now)))
    }

    pub(crate) fn ttl(&self, key: &[u8]) -> Result<TtlState, Error> {
        self.check_key(key)?;
        let shard = self.lock(key)?;
        let now = self.clock.now();
        Ok(match shard.get(key) {
            Some(entry) if entry.is_live(now) => {
                remaining(now, entry.deadline).map_or(TtlState::Never, TtlState::Remaining)
            }
            _ => TtlState::Missing,
        })
    }

    /// Moves the deadline of a live entry. True if there was one.
    pub(crate) fn expire(&self, key: &[u8], ttl: Option<Duration>) -> Result<bool, Error> {
        self.check_key(key)?;
        let mut shard = self.lock(key)?;
        let now = self.clock.now();
        self.drop_expired(&mut shard, key, now);
        if shard.get(key).is_none() {
            return Ok(false);
        }
        match end_of(now, ttl) {
            End::At(deadline) => shard.set_deadline(key, deadline),
            End::AtOnce => {
                self.remove(&mut shard, key, now);
            }
        }
        Ok(true)
    }

    /// Removes a key and answers what it held, if it was live.
    pub(crate) fn take(&self, key: &[u8]) -> Result<Option<Hit>, Error> {
        self.check_key(key)?;
        let mut shard = self.lock(key)?;
        let now = self.clock.now();
        let removed = self.remove(&mut shard, key, now);
        drop(shard);
        let live = removed.filter(|removed| removed.entry.is_live(now));
        Ok(live.map(|removed| self.hit(&removed.entry, now)))
    }

    /// Removes a key, live or not, with all that it counts for.
    pub(crate) fn remove(&self, shard: &mut Shard, key: &[u8], now: u64) -> Option<Removed> {
        let removed = shard.remove(key)?;
        self.budget.release(self.count_out(&removed, now, Exit::Deleted));
        Some(removed)
    }

    /// Removes a key whose time has passed, so that what is left is live.
    pub(crate) fn drop_expired(&self, shard: &mut Shard, key: &[u8], now: u64) {
        if shard.get(key).is_some_and(|entry| !entry.is_live(now)) {
            self.remove(shard, key, now);
        }
    }

    /// Counts an entry that left, and answers the bytes it was accounted for: the caller's now.
    #[must_use]
    pub(crate) fn count_out(&self, removed: &Removed, now: u64, exit: Exit) -> u64 {
        let counters = &self.counters;
        match exit {
            _ if !removed.entry.is_live(now) => counters.expirations.add(1),
            Exit::Deleted => counters.deletes.add(1),
            Exit::Evicted => counters.evictions.add(1),
        }
        counters.keys.subtract(1);
        counters.payload_bytes.subtract(removed.payload());
        removed.cost()
    }

    /// Removes what begins with `prefix`, shard by shard, and answers how many were live.
    pub(crate) fn clear_prefix(&self, prefix: &[u8]) -> Result<u64, Error> {
        self.check_open()?;
        let mut live = 0;
        for index in 0..self.shards.len() {
            let mut shard = self.lock_any(index)?;
            live += self.clear_shard(&mut shard, prefix);
        }
        Ok(live)
    }

    fn clear_shard(&self, shard: &mut Shard, prefix: &[u8]) -> u64 {
        let now = self.clock.now();
        let removed = shard.remove_prefix(prefix);
        let freed: u64 = removed.iter().map(|gone| self.count_out(gone, now, Exit::Deleted)).sum();
        self.budget.release(freed);
        removed.iter().filter(|gone| gone.entry.is_live(now)).count() as u64
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        drop(self.background.lock().unwrap_or_else(PoisonError::into_inner).take());
        for shard in &self.shards {
            // Not through `lock_any`: this is the one visitor of a closed cache.
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            self.clear_shard(&mut shard, b"");
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let counters = &self.counters;
        let (memory_bytes, max_bytes) = self.budget.used_and_max();
        Stats {
            hits: counters.hits.get(),
            misses: counters.misses.get(),
            undecodable: counters.undecodable.get(),
            sets: counters.sets.get(),
            replaced: counters.replaced.get(),
            deletes: counters.deletes.get(),
            evictions: counters.evictions.get(),
            expirations: counters.expirations.get(),
            rejections: counters.rejections.get(),
            keys: counters.keys.get(),
            memory_bytes,
            payload_bytes: counters.payload_bytes.get(),
            max_bytes,
            uptime: Duration::from_nanos(self.clock.now().saturating_sub(self.started)),
        }
    }
}

fn longest_key(max_size: u64) -> usize {
    (max_size / 8).min(LONGEST_KEY) as usize
}

fn check_key_len(key: &[u8], max: usize) -> Result<(), Error> {
    match key.len() {
        0 => Err(Error::KeyEmpty),
        len if len > max => Err(Error::KeyTooLong { len, max }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_engine_gives_out_no_shard() {
        let engine = Engine::new(&Builder::new());
        assert!(engine.lock(b"k").is_ok());
        engine.close();
        assert_eq!(engine.lock(b"k").err(), Some(Error::Closed));
        assert!((0..engine.shard_count()).all(|index| engine.lock_any(index).is_err()));
    }

    #[test]
    fn keys_are_spread_over_all_shards_and_the_base_leaves_room_in_the_smallest_cache() {
        let engine = Engine::new(&Builder::new());
        let used: std::collections::HashSet<_> =
            (0..10_000u32).map(|n| engine.shard_of(&n.to_be_bytes())).collect();
        assert_eq!(used.len(), engine.shard_count());
        let largest_base = engine.stats().memory_bytes;
        assert!(largest_base < crate::MIN_MAX_SIZE / 2, "{largest_base}");
    }
}
