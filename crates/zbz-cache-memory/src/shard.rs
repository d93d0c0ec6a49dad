//! One part of the cache: a map from key to place, and the places in order of age.
//!
//! Invariants:
//! - A key keeps its place for as long as it is present; a scan leans on this to meet it exactly
//!   once.
//! - `places` and the occupied slots name the same keys, and the list from `oldest` to `newest`
//!   passes every occupied slot once.
//! - No live deadline is earlier than `earliest_deadline`.
//!
//! A shard only arranges entries; bytes and counters are the engine's business.

use crate::ttl::NEVER;
use foldhash::quality::RandomState;
use std::collections::HashMap;
use std::sync::Arc;

/// What an entry costs besides its key and value: two counted allocations with the allocator's
/// headers (64), a slot (96) and a place in the map (48) with their shares of room to grow.
pub(crate) const ENTRY_OVERHEAD: u64 = 208;

/// How many recently read entries one search for a victim passes over.
const SECOND_CHANCES: usize = 64;

const NOWHERE: usize = usize::MAX;

/// A value and what is known of it.
pub(crate) struct Entry {
    pub(crate) value: Arc<[u8]>,
    pub(crate) deadline: u64,
    pub(crate) version: u64,
}

impl Entry {
    pub(crate) fn is_live(&self, now: u64) -> bool {
        now < self.deadline
    }
}

/// An entry that is no longer in its shard, to be counted and its bytes given back.
pub(crate) struct Removed {
    pub(crate) key_len: usize,
    pub(crate) entry: Entry,
}

impl Removed {
    pub(crate) fn payload(&self) -> u64 {
        (self.key_len + self.entry.value.len()) as u64
    }

    pub(crate) fn cost(&self) -> u64 {
        self.payload() + ENTRY_OVERHEAD
    }
}

/// Accounted bytes of an entry with a key and a value of these lengths.
pub(crate) fn cost(key_len: usize, value_len: usize) -> u64 {
    (key_len + value_len) as u64 + ENTRY_OVERHEAD
}

struct Slot {
    key: Arc<[u8]>,
    entry: Entry,
    older: usize,
    newer: usize,
    read: bool,
}

/// Keys that were met from some place on, and where to go on, if there is more.
pub(crate) struct Stretch {
    pub(crate) keys: Vec<Arc<[u8]>>,
    pub(crate) next: Option<usize>,
}

pub(crate) struct Shard {
    places: HashMap<Arc<[u8]>, usize, RandomState>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    oldest: usize,
    newest: usize,
    earliest_deadline: u64,
}

impl Shard {
    pub(crate) fn new(hasher: RandomState) -> Shard {
        Shard {
            places: HashMap::with_hasher(hasher),
            slots: Vec::new(),
            free: Vec::new(),
            oldest: NOWHERE,
            newest: NOWHERE,
            earliest_deadline: NEVER,
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.slot(*self.places.get(key)?).map(|slot| &slot.entry)
    }

    /// The same, remembering that the entry was of use.
    pub(crate) fn read(&mut self, key: &[u8]) -> Option<&Entry> {
        let place = *self.places.get(key)?;
        let slot = self.slot_mut(place)?;
        slot.read = true;
        Some(&slot.entry)
    }

    /// Puts an entry where the key already is, or at a free place as the newest one.
    pub(crate) fn put(&mut self, key: &[u8], entry: Entry) -> Option<Removed> {
        self.earliest_deadline = self.earliest_deadline.min(entry.deadline);
        if let Some(&place) = self.places.get(key) {
            let slot = self.slot_mut(place)?;
            slot.read = true;
            let old = std::mem::replace(&mut slot.entry, entry);
            return Some(Removed { key_len: key.len(), entry: old });
        }
        let key: Arc<[u8]> = key.into();
        let slot = Slot { key: key.clone(), entry, older: NOWHERE, newer: NOWHERE, read: false };
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place] = Some(slot);
                place
            }
            None => {
                self.slots.push(Some(slot));
                self.slots.len() - 1
            }
        };
        self.places.insert(key, place);
        self.link_newest(place);
        None
    }

    pub(crate) fn set_deadline(&mut self, key: &[u8], deadline: u64) {
        let place = self.places.get(key).copied();
        if let Some(slot) = place.and_then(|place| self.slot_mut(place)) {
            slot.entry.deadline = deadline;
            self.earliest_deadline = self.earliest_deadline.min(deadline);
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Removed> {
        let place = self.places.remove(key)?;
        self.vacate(place)
    }

    /// Removes the oldest entry that was not read since it was last passed over, never `spared`.
    pub(crate) fn remove_victim(&mut self, now: u64, spared: Option<&[u8]>) -> Option<Removed> {
        let mut chances = SECOND_CHANCES;
        let mut place = self.oldest;
        loop {
            let slot = self.slot_mut(place)?;
            let next = slot.newer;
            if spared == Some(&*slot.key) {
                place = next;
            } else if slot.read && chances > 0 && slot.entry.is_live(now) {
                chances -= 1;
                slot.read = false;
                self.unlink(place);
                self.link_newest(place);
                place = if next == NOWHERE { self.oldest } else { next };
            } else {
                let key = slot.key.clone();
                return self.remove(&key);
            }
        }
    }

    /// Removes every entry whose time has passed.
    pub(crate) fn remove_expired(&mut self, now: u64) -> Vec<Removed> {
        if self.earliest_deadline > now {
            return Vec::new();
        }
        let removed = self.remove_where(|_, entry| !entry.is_live(now));
        let deadlines = self.slots.iter().flatten().map(|slot| slot.entry.deadline);
        self.earliest_deadline = deadlines.min().unwrap_or(NEVER);
        removed
    }

    /// Removes every entry whose key begins with `prefix`.
    pub(crate) fn remove_prefix(&mut self, prefix: &[u8]) -> Vec<Removed> {
        self.remove_where(|key, _| key.starts_with(prefix))
    }

    /// At most `limit` keys that are live and begin with `prefix`, in order of place from `from`
    /// on.
    pub(crate) fn stretch(&self, from: usize, limit: usize, prefix: &[u8], now: u64) -> Stretch {
        let mut keys = Vec::new();
        for (place, slot) in self.slots.iter().enumerate().skip(from) {
            if keys.len() == limit {
                return Stretch { keys, next: Some(place) };
            }
            if let Some(slot) = slot
                && slot.entry.is_live(now)
                && slot.key.starts_with(prefix)
            {
                keys.push(slot.key.clone());
            }
        }
        Stretch { keys, next: None }
    }

    fn remove_where(&mut self, goes: impl Fn(&[u8], &Entry) -> bool) -> Vec<Removed> {
        let mut removed = Vec::new();
        for place in 0..self.slots.len() {
            if let Some(slot) = self.slot(place)
                && goes(&slot.key, &slot.entry)
            {
                let key = slot.key.clone();
                removed.extend(self.remove(&key));
            }
        }
        removed
    }

    fn slot(&self, place: usize) -> Option<&Slot> {
        self.slots.get(place)?.as_ref()
    }

    fn slot_mut(&mut self, place: usize) -> Option<&mut Slot> {
        self.slots.get_mut(place)?.as_mut()
    }

    /// Empties a place that the map does not name any more.
    fn vacate(&mut self, place: usize) -> Option<Removed> {
        self.unlink(place);
        let slot = self.slots.get_mut(place)?.take()?;
        if self.places.is_empty() {
            // Nothing is left whose place could change: give the memory back.
            *self = Shard::new(self.places.hasher().clone());
        } else {
            self.free.push(place);
        }
        Some(Removed { key_len: slot.key.len(), entry: slot.entry })
    }

    fn unlink(&mut self, place: usize) {
        let Some(slot) = self.slot(place) else { return };
        let (older, newer) = (slot.older, slot.newer);
        match self.slot_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        match self.slot_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
    }

    fn link_newest(&mut self, place: usize) {
        let older = std::mem::replace(&mut self.newest, place);
        match self.slot_mut(older) {
            Some(slot) => slot.newer = place,
            None => self.oldest = place,
        }
        if let Some(slot) = self.slot_mut(place) {
            slot.older = older;
            slot.newer = NOWHERE;
        }
    }
}

#[cfg(test)]
mod tests;
