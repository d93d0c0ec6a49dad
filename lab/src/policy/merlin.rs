//! Merlin-like: a filter, a staging and a core queue, after a summary of *Merlin* (2026), not after its authors' code.
//!
//! ```text
//! miss --> [ filter 10 % ] --often hit--> [ core 85 % ] --often hit--> back
//!               |                            |
//!               v                            v not often: staging
//!           duels with the oldest of [ staging 5 % ]: the less asked-for key goes, a ghost
//! ghost hit --> core
//! ```
//!
//! Every entry counts its hits in 3 bits. *Often* is the smallest count whose holders, with those of larger counts, fit
//! the core. The duel is by a sketch; this one is ideal: counts of all keys, halved
//! whenever ten times as many requests have come as there are entries.

use std::collections::VecDeque;

use super::keyed::KeyMap;
use super::{Capacity, Counts, Outcome, Policy, Request};

const FILTER: usize = 0;
const STAGING: usize = 1;
const CORE: usize = 2;

/// Where an entry's counter of hits saturates.
const MOST_HITS: u8 = 7;
/// Where the sketch saturates.
const MOST_ASKED: u8 = 15;

#[derive(Clone, Copy, Debug)]
struct Entry {
    queue: usize,
    /// Names its newest place in a queue; older places of the key are stale.
    place: u64,
    cost: u64,
    deadline_ms: u64,
    hits: u8,
}

/// A Merlin-like cache.
pub(super) struct Merlin {
    capacity: Capacity,
    /// What each queue may hold.
    room: [u64; 3],
    entries: KeyMap<Entry>,
    /// Keys with their places, oldest first; stale places are passed over.
    queues: [VecDeque<(u64, u64)>; 3],
    places: u64,
    held: [u64; 3],
    /// What entries with each count of hits hold together.
    population: [u64; MOST_HITS as usize + 1],
    /// When a key became a ghost, in evictions.
    ghosts: KeyMap<u64>,
    ghost_queue: VecDeque<(u64, u64)>,
    evictions: u64,
    asked: KeyMap<u8>,
    requests: u64,
    counts: Counts,
}

impl Merlin {
    /// An empty cache.
    pub(super) fn new(capacity: Capacity) -> Self {
        let units = capacity.units();
        let (filter, staging) = ((units / 10).max(1), (units / 20).max(1));
        Merlin {
            capacity,
            room: [filter, staging, units.saturating_sub(filter + staging)],
            entries: KeyMap::default(),
            queues: Default::default(),
            places: 0,
            held: [0; 3],
            population: [0; MOST_HITS as usize + 1],
            ghosts: KeyMap::default(),
            ghost_queue: VecDeque::new(),
            evictions: 0,
            asked: KeyMap::default(),
            requests: 0,
            counts: Counts::default(),
        }
    }

    /// Counts the key in the sketch.
    fn ask(&mut self, key: u64) {
        let asked = self.asked.entry(key).or_insert(0);
        *asked = (*asked + 1).min(MOST_ASKED);
        self.requests += 1;
        let entries = self.counts.live_entries.max(1);
        if self.requests >= 10 * entries {
            self.requests = 0;
            self.asked.retain(|_, asked| {
                *asked /= 2;
                *asked > 0
            });
        }
    }

    /// The hits that take an entry to the core or keep it there.
    fn often(&self) -> u8 {
        let mut fit = 0;
        let mut often = MOST_HITS;
        for hits in (1..=MOST_HITS).rev() {
            fit += self.population[usize::from(hits)];
            if fit > self.room[CORE] {
                break;
            }
            often = hits;
        }
        often
    }

    fn count(&mut self, key: u64, hits: u8) {
        if let Some(entry) = self.entries.get_mut(&key) {
            self.population[usize::from(entry.hits)] -= entry.cost;
            self.population[usize::from(hits)] += entry.cost;
            entry.hits = hits;
        }
    }

    fn put(&mut self, key: u64, queue: usize) {
        if let Some(entry) = self.entries.get_mut(&key) {
            self.places += 1;
            self.held[queue] += entry.cost;
            (entry.queue, entry.place) = (queue, self.places);
            self.queues[queue].push_back((key, self.places));
        }
    }

    /// The oldest entry of a queue, taken out of it but still held.
    fn pull(&mut self, queue: usize) -> Option<(u64, Entry)> {
        while let Some((key, place)) = self.queues[queue].pop_front() {
            if let Some(&entry) = self.entries.get(&key).filter(|entry| entry.place == place) {
                self.held[queue] -= entry.cost;
                return Some((key, entry));
            }
        }
        None
    }

    fn drop_entry(&mut self, key: u64, now_ms: u64) {
        if let Some(entry) = self.entries.remove(&key) {
            self.population[usize::from(entry.hits)] -= entry.cost;
            self.counts.left(entry.cost, entry.deadline_ms, now_ms);
            self.evictions += 1;
            self.ghosts.insert(key, self.evictions);
            self.ghost_queue.push_back((key, self.evictions));
            while self.ghost_queue.len() as u64 > self.counts.live_entries {
                if let Some((key, at)) = self.ghost_queue.pop_front()
                    && self.ghosts.get(&key) == Some(&at)
                {
                    self.ghosts.remove(&key);
                }
            }
        }
    }

    /// Moves entries on until one is dropped.
    fn evict_one(&mut self, now_ms: u64) {
        loop {
            let full = [CORE, STAGING].into_iter().find(|&queue| self.held[queue] > self.room[queue]);
            let order = [full.unwrap_or(FILTER), FILTER, STAGING, CORE];
            let Some((from, (key, entry))) =
                order.into_iter().find_map(|queue| Some((queue, self.pull(queue)?)))
            else {
                return;
            };
            let often = self.often();
            let kept = entry.hits >= often || (from == CORE && entry.hits > 0 && entry.hits + 1 >= often);
            if kept {
                self.count(key, entry.hits - 1);
                self.put(key, CORE);
            } else if from == CORE && full.is_some() || from == FILTER && self.beats_staging(key) {
                self.put(key, STAGING);
            } else {
                return self.drop_entry(key, now_ms);
            }
        }
    }

    /// Whether a key was asked for more often than the oldest one of staging.
    fn beats_staging(&self, key: u64) -> bool {
        let asked = |key| self.asked.get(&key).copied().unwrap_or(0);
        self.queues[STAGING].front().is_none_or(|&(rival, _)| asked(key) > asked(rival))
    }

    /// Drops an entry that has expired.
    fn expire(&mut self, key: u64, entry: Entry, now_ms: u64) {
        self.entries.remove(&key);
        self.held[entry.queue] -= entry.cost;
        self.population[usize::from(entry.hits)] -= entry.cost;
        self.counts.left(entry.cost, entry.deadline_ms, now_ms);
    }
}

impl Policy for Merlin {
    fn request(&mut self, request: &Request) -> Outcome {
        let (key, now_ms) = (request.key, request.now_ms);
        self.ask(key);
        if let Some(&entry) = self.entries.get(&key) {
            if entry.deadline_ms > now_ms {
                self.count(key, (entry.hits + 1).min(MOST_HITS));
                return Outcome::Hit;
            }
            self.expire(key, entry, now_ms);
        }
        let cost = self.capacity.cost(request);
        if cost > self.capacity.units() {
            return Outcome::Miss;
        }
        let returns = self.ghosts.remove(&key).is_some();
        while self.counts.live_bytes + cost > self.capacity.units() {
            self.evict_one(now_ms);
        }
        let filling = self.evictions == 0 && self.held[FILTER] >= self.room[FILTER];
        self.entries.insert(
            key,
            Entry { queue: FILTER, place: 0, cost, deadline_ms: request.deadline_ms(), hits: 0 },
        );
        self.population[0] += cost;
        self.put(key, if returns || filling { CORE } else { FILTER });
        self.counts.entered(cost);
        Outcome::Miss
    }

    fn counts(&self) -> Counts {
        self.counts
    }
}
