//! [`Belady`]: the policy that knows the future (*A study of replacement algorithms for a virtual-storage computer*,
//! 1966). It drops the entry that is read again last.
//!
//! Every miss is stored, as by the other policies here and by libCacheSim's Belady, even if what has to go for it is
//! read sooner. Under this rule, and counting entries, no policy has more hits on a trace without TTLs. Entries that
//! expire or are written before they are read count as never read; with TTLs a few more hits may be possible, by
//! dropping an entry so that it comes back with a later deadline.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::future::Future;
use super::keyed::KeyMap;
use super::{Counts, Outcome, Policy, Request};

/// In place of a request's index: no request at all.
const NEVER: u64 = u64::MAX;

/// What is held of an entry.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The index of the request that reads it next, or [`NEVER`].
    next_read: u64,
    deadline_ms: u64,
}

/// A cache that was told its requests before they come.
pub struct Belady {
    capacity_entries: u64,
    future: Rc<Future>,
    /// Requests so far, and so the index of the one that comes.
    requests: usize,
    entries: KeyMap<Entry>,
    /// Next read and key of every entry; the last one goes first.
    by_next_read: BTreeSet<(u64, u64)>,
    counts: Counts,
}

impl Belady {
    /// Its name among policies.
    pub const NAME: &str = "belady";

    /// An empty cache of one entry or more, whose requests will be those of `future`, in order.
    pub fn new(capacity_entries: u64, future: Rc<Future>) -> Belady {
        Belady {
            capacity_entries: capacity_entries.max(1),
            future,
            requests: 0,
            entries: KeyMap::default(),
            by_next_read: BTreeSet::new(),
            counts: Counts::default(),
        }
    }

    /// Takes an entry out of the cache.
    fn remove(&mut self, key: u64, now_ms: u64) {
        if let Some(entry) = self.entries.remove(&key) {
            self.by_next_read.remove(&(entry.next_read, key));
            self.counts.left(1, entry.deadline_ms, now_ms);
        }
    }

    /// Puts an entry where its next read belongs.
    fn place(&mut self, key: u64, entry: Entry) {
        if let Some(old) = self.entries.insert(key, entry) {
            self.by_next_read.remove(&(old.next_read, key));
        }
        self.by_next_read.insert((entry.next_read, key));
    }
}

impl Policy for Belady {
    fn request(&mut self, request: &Request) -> Outcome {
        let (key, now_ms) = (request.key, request.now_ms);
        let index = self.requests;
        self.requests += 1;
        let entry = |future: &Future, deadline_ms: u64| Entry {
            next_read: future.next_read(index, deadline_ms - now_ms).unwrap_or(NEVER),
            deadline_ms,
        };
        if let Some(&Entry { deadline_ms, .. }) = self.entries.get(&key) {
            if deadline_ms > now_ms {
                self.place(key, entry(&self.future, deadline_ms));
                return Outcome::Hit;
            }
            self.remove(key, now_ms);
        }
        if self.counts.live_entries == self.capacity_entries
            && let Some(&(_, last)) = self.by_next_read.last()
        {
            self.remove(last, now_ms);
        }
        self.place(key, entry(&self.future, request.deadline_ms()));
        self.counts.entered(1);
        Outcome::Miss
    }

    fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests;
