//! Queues of keys in order of arrival or use, and the map from a key to its entry that every policy here
//! stands on.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use super::{Capacity, Counts, Outcome, Policy, Request};

/// A map by hashed key.
pub(super) type KeyMap<V> = HashMap<u64, V, BuildHasherDefault<KeyHasher>>;

/// Mixes a key whose bits may be poor: every bit of the result depends on every bit of the key.
pub(super) fn spread(key: u64) -> u64 {
    let mut word = key.wrapping_add(0x9E37_79B9_7F4A_7C15);
    word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ word >> 31
}

/// Hashes keys that are hashes.
#[derive(Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = spread(self.0 ^ u64::from(byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = spread(word);
    }
}

/// What is held of an entry.
struct Entry {
    cost: u64,
    deadline_ms: u64,
    /// Names the entry's newest place in the queue; older places of the key are stale.
    place: u64,
}

/// A queue of keys in which a key may leave stale places behind.
struct Line {
    capacity: Capacity,
    entries: KeyMap<Entry>,
    queue: VecDeque<(u64, u64)>,
    places: u64,
    counts: Counts,
}

impl Line {
    fn new(capacity: Capacity) -> Self {
        Line {
            capacity,
            entries: KeyMap::default(),
            queue: VecDeque::new(),
            places: 0,
            counts: Counts::default(),
        }
    }

    /// Drops the entry if it has expired.
    fn expire(&mut self, request: &Request) {
        let expired = self.entries.get(&request.key).is_some_and(|entry| entry.deadline_ms <= request.now_ms);
        if expired && let Some(entry) = self.entries.remove(&request.key) {
            self.counts.left(entry.cost, entry.deadline_ms, request.now_ms);
        }
    }

    /// Puts a new entry at the end, dropping from the front what no longer fits.
    fn insert(&mut self, request: &Request) {
        let cost = self.capacity.cost(request);
        if cost > self.capacity.units() {
            return;
        }
        while self.counts.live_bytes + cost > self.capacity.units() {
            let Some((key, place)) = self.queue.pop_front() else { return };
            if self.entries.get(&key).is_some_and(|entry| entry.place == place)
                && let Some(entry) = self.entries.remove(&key)
            {
                self.counts.left(entry.cost, entry.deadline_ms, request.now_ms);
            }
        }
        let place = self.enqueue(request.key);
        self.entries.insert(request.key, Entry { cost, deadline_ms: request.deadline_ms(), place });
        self.counts.entered(cost);
    }

    fn enqueue(&mut self, key: u64) -> u64 {
        self.places += 1;
        self.queue.push_back((key, self.places));
        if self.queue.len() > 4 * self.entries.len() + 1024 {
            let entries = &self.entries;
            self.queue.retain(|(key, place)| entries.get(key).is_some_and(|entry| entry.place == *place));
            // The newest place is not yet in its entry.
            self.queue.push_back((key, self.places));
        }
        self.places
    }
}

/// First in, first out.
pub(super) struct Fifo(Line);

impl Fifo {
    /// An empty cache.
    pub(super) fn new(capacity: Capacity) -> Self {
        Fifo(Line::new(capacity))
    }
}

impl Policy for Fifo {
    fn request(&mut self, request: &Request) -> Outcome {
        self.0.expire(request);
        if self.0.entries.contains_key(&request.key) {
            return Outcome::Hit;
        }
        self.0.insert(request);
        Outcome::Miss
    }

    fn counts(&self) -> Counts {
        self.0.counts
    }
}

/// Least recently used.
pub(super) struct Lru(Line);

impl Lru {
    /// An empty cache.
    pub(super) fn new(capacity: Capacity) -> Self {
        Lru(Line::new(capacity))
    }
}

impl Policy for Lru {
    fn request(&mut self, request: &Request) -> Outcome {
        self.0.expire(request);
        if self.0.entries.contains_key(&request.key) {
            let place = self.0.enqueue(request.key);
            if let Some(entry) = self.0.entries.get_mut(&request.key) {
                entry.place = place;
            }
            return Outcome::Hit;
        }
        self.0.insert(request);
        Outcome::Miss
    }

    fn counts(&self) -> Counts {
        self.0.counts
    }
}
