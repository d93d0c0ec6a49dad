//! Ghosts that are never mistaken: whole keys in order of eviction, as papers describe them.

use std::collections::VecDeque;

use super::balance::share;
use super::ghosts::{Ghosts, Recall};
use super::keyed::KeyMap;
use super::rules::Rules;

/// Victims of the two queues.
pub(super) struct ExactGhosts {
    small: Evicted,
    main: Evicted,
    rules: Rules,
    live_entries: u64,
}

impl ExactGhosts {
    /// Nothing evicted yet.
    pub(super) fn new(rules: Rules) -> Self {
        ExactGhosts { small: Evicted::default(), main: Evicted::default(), rules, live_entries: 0 }
    }
}

impl Ghosts for ExactGhosts {
    fn push_small(&mut self, key: u64, live_entries: u64) {
        self.live_entries = live_entries;
        self.small.push(key, share(live_entries, self.rules.reach));
    }

    fn push_main(&mut self, key: u64, live_entries: u64) {
        self.live_entries = live_entries;
        self.main.push(key, share(live_entries, self.rules.line.young));
    }

    fn take(&mut self, key: u64) -> Recall {
        let window = share(self.live_entries, self.rules.line.young);
        let small_age = self.small.take(key);
        let main_age = self.main.take(key);
        Recall {
            small_age,
            small_young: small_age.is_some_and(|age| age <= window),
            main_young: main_age.is_some_and(|age| age <= window),
        }
    }
}

/// The last victims of one queue.
#[derive(Default)]
struct Evicted {
    stamps: KeyMap<u64>,
    queue: VecDeque<(u64, u64)>,
    evictions: u64,
}

impl Evicted {
    /// Remembers a key for so many evictions.
    fn push(&mut self, key: u64, lifetime: u64) {
        self.evictions += 1;
        self.stamps.insert(key, self.evictions);
        self.queue.push_back((key, self.evictions));
        while let Some(&(oldest, stamp)) = self.queue.front()
            && self.evictions - stamp >= lifetime
        {
            self.queue.pop_front();
            if self.stamps.get(&oldest) == Some(&stamp) {
                self.stamps.remove(&oldest);
            }
        }
    }

    /// Forgets a key; answers how many evictions ago it was pushed.
    fn take(&mut self, key: u64) -> Option<u64> {
        self.stamps.remove(&key).map(|stamp| self.evictions - stamp)
    }
}
