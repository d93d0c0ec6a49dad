//! SIEVE: *SIEVE is Simpler than LRU* (NSDI 2024). One queue, one bit an entry, and a hand that drops from
//! anywhere in it.

use super::keyed::KeyMap;
use super::{Capacity, Counts, Outcome, Policy, Request};

/// No node.
const NONE: usize = usize::MAX;

/// An entry, linked to the next newer and the next older one.
#[derive(Clone, Copy, Debug)]
struct Node {
    key: u64,
    cost: u64,
    deadline_ms: u64,
    visited: bool,
    newer: usize,
    older: usize,
}

/// A SIEVE cache.
pub(super) struct Sieve {
    capacity: Capacity,
    index: KeyMap<usize>,
    nodes: Vec<Node>,
    spare: Vec<usize>,
    newest: usize,
    oldest: usize,
    /// Where the next search for a victim starts; it moves towards the newest.
    hand: usize,
    counts: Counts,
}

impl Sieve {
    /// An empty cache.
    pub(super) fn new(capacity: Capacity) -> Self {
        Sieve {
            capacity,
            index: KeyMap::default(),
            nodes: Vec::new(),
            spare: Vec::new(),
            newest: NONE,
            oldest: NONE,
            hand: NONE,
            counts: Counts::default(),
        }
    }

    /// Takes a node out of the queue; a hand on it moves on.
    fn remove(&mut self, at: usize, now_ms: u64) {
        let node = self.nodes[at];
        if self.hand == at {
            self.hand = node.newer;
        }
        match node.newer {
            NONE => self.newest = node.older,
            newer => self.nodes[newer].older = node.older,
        }
        match node.older {
            NONE => self.oldest = node.newer,
            older => self.nodes[older].newer = node.newer,
        }
        self.index.remove(&node.key);
        self.spare.push(at);
        self.counts.left(node.cost, node.deadline_ms, now_ms);
    }

    /// Drops the first entry the hand meets that was not visited since it last passed.
    fn evict_one(&mut self, now_ms: u64) {
        let mut at = if self.hand == NONE { self.oldest } else { self.hand };
        while self.nodes[at].visited {
            self.nodes[at].visited = false;
            at = if self.nodes[at].newer == NONE { self.oldest } else { self.nodes[at].newer };
        }
        self.hand = at;
        self.remove(at, now_ms);
    }

    fn insert(&mut self, node: Node) {
        let at = match self.spare.pop() {
            Some(at) => {
                self.nodes[at] = node;
                at
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        match self.newest {
            NONE => self.oldest = at,
            newest => self.nodes[newest].newer = at,
        }
        self.newest = at;
        self.index.insert(node.key, at);
        self.counts.entered(node.cost);
    }
}

impl Policy for Sieve {
    fn request(&mut self, request: &Request) -> Outcome {
        if let Some(&at) = self.index.get(&request.key) {
            if self.nodes[at].deadline_ms > request.now_ms {
                self.nodes[at].visited = true;
                return Outcome::Hit;
            }
            self.remove(at, request.now_ms);
        }
        let cost = self.capacity.cost(request);
        if cost > self.capacity.units() {
            return Outcome::Miss;
        }
        while self.counts.live_bytes + cost > self.capacity.units() {
            self.evict_one(request.now_ms);
        }
        let deadline_ms = request.deadline_ms();
        self.insert(Node {
            key: request.key,
            cost,
            deadline_ms,
            visited: false,
            newer: NONE,
            older: self.newest,
        });
        Outcome::Miss
    }

    fn counts(&self) -> Counts {
        self.counts
    }
}
