//! The plain map: what the cache should hold, and until when.

use crate::random::Random;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use zbz_cache_memory::{Found, TTL_HORIZON, TtlState};

/// How entries may get lost, or not get in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    Never,
    Eviction,
    Refusal,
}

#[derive(Clone)]
pub struct Expected {
    pub value: Vec<u8>,
    pub deadline: Option<u64>,
    /// The version a read told, if there was a read since the write.
    pub version: Option<u128>,
}

pub struct Model {
    pub now: u64,
    pub loss: Loss,
    entries: HashMap<Vec<u8>, Expected>,
    /// Every version ever told.
    pub versions: HashSet<u128>,
}

/// When an entry with this time to live ends: `Some(None)` is never, `None` is at once.
fn end(now: u64, ttl: Option<Duration>) -> Option<Option<u64>> {
    match ttl {
        Some(Duration::ZERO) => None,
        Some(ttl) if ttl <= TTL_HORIZON => Some(Some(now + (ttl.as_nanos() as u64).max(1_000_000))),
        _ => Some(None),
    }
}

impl Model {
    pub fn new(loss: Loss) -> Model {
        Model { now: 0, loss, entries: HashMap::new(), versions: HashSet::new() }
    }

    pub fn live(&self, key: &[u8]) -> Option<&Expected> {
        let entry = self.entries.get(key)?;
        entry.deadline.is_none_or(|deadline| self.now < deadline).then_some(entry)
    }

    pub fn live_keys(&self) -> Vec<Vec<u8>> {
        self.entries.keys().filter(|key| self.live(key).is_some()).cloned().collect()
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<Expected> {
        let live = self.live(key).cloned();
        self.entries.remove(key);
        live
    }

    pub fn clear(&mut self, prefix: &[u8]) -> usize {
        let keys: Vec<_> = self.entries.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
        keys.iter().filter(|key| self.remove(key).is_some()).count()
    }

    pub fn forget_all_but(&mut self, keys: &[Vec<u8>]) {
        self.entries.retain(|key, _| keys.contains(key));
    }

    pub fn set(&mut self, key: &[u8], value: &[u8], ttl: Option<Duration>) {
        match end(self.now, ttl) {
            None => drop(self.entries.remove(key)),
            Some(deadline) => {
                let entry = Expected { value: value.to_vec(), deadline, version: None };
                self.entries.insert(key.to_vec(), entry);
            }
        }
    }

    /// Sets a value and keeps the deadline of the live one that is there.
    pub fn set_keeping(&mut self, key: &[u8], value: &[u8], otherwise: Option<Duration>) {
        match self.live(key).map(|entry| entry.deadline) {
            None => self.set(key, value, otherwise),
            Some(deadline) => {
                let entry = Expected { value: value.to_vec(), deadline, version: None };
                self.entries.insert(key.to_vec(), entry);
            }
        }
    }

    /// Moves the deadline of a live entry; the version may change with it.
    pub fn expire(&mut self, key: &[u8], ttl: Option<Duration>) -> bool {
        let Some(mut entry) = self.remove(key) else { return false };
        if let Some(deadline) = end(self.now, ttl) {
            entry.deadline = deadline;
            entry.version.take().map(|version| self.versions.remove(&version));
            self.entries.insert(key.to_vec(), entry);
        }
        true
    }

    pub fn ttl(&self, key: &[u8]) -> TtlState {
        match self.live(key).map(|entry| entry.deadline) {
            None => TtlState::Missing,
            Some(None) => TtlState::Never,
            Some(Some(at)) => TtlState::Remaining(Duration::from_nanos(at - self.now)),
        }
    }

    /// Compares a read with what should be there.
    pub fn check_read(&mut self, key: &[u8], read: Option<(&[u8], Found)>) {
        let now = self.now;
        let live = self.live(key).is_some();
        assert_eq!(read.is_some(), live, "{key:?}");
        let Some((value, found)) = read else { return };
        let entry = self.entries.get_mut(key).unwrap();
        assert_eq!(value, entry.value, "{key:?}");
        let left = entry.deadline.map(|deadline| Duration::from_nanos(deadline - now));
        assert_eq!(found.remaining(), left);
        let version = found.version().as_u128();
        if entry.version != Some(version) {
            assert!(entry.version.is_none() || self.loss != Loss::Never, "nothing was written or moved");
            assert!(self.versions.insert(version), "a version was told twice");
        }
        entry.version = Some(version);
    }

    pub fn keys_and_payload(&self) -> (u64, u64) {
        let keys = self.live_keys();
        let payload = keys.iter().map(|key| key.len() + self.live(key).unwrap().value.len());
        (keys.len() as u64, payload.sum::<usize>() as u64)
    }

    /// Nanoseconds to the deadline of some entry, or to the moment before it.
    pub fn until_some_deadline(&self, random: &mut Random) -> u64 {
        let soon = self.now + 10_000_000_000;
        let deadlines = self.entries.values().filter_map(|entry| entry.deadline);
        let mut ahead: Vec<u64> = deadlines.filter(|&at| at > self.now && at < soon).collect();
        ahead.sort_unstable();
        if ahead.is_empty() {
            return 0;
        }
        random.pick(&ahead) - self.now - random.below(2)
    }
}
