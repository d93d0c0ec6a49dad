//! The line between the small and the main queue, and the votes that move it.
//!
//! A ghost that comes back soon after its eviction is a hit its queue missed for want of a little room. Small
//! victims vote for a larger small queue, main victims for a smaller one, over windows of the same length:
//! the line comes to rest where room is worth the same on both sides. A vote for the small queue also needs a
//! credit, and credits come from items it promoted: in a loop just larger than the cache every ghost comes
//! back soon, no item is hit while small, and more room would be room lost.

use super::rules::LineRules;

/// How the capacity is shared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Balance {
    rules: LineRules,
    capacity: u64,
    small: u64,
    credit: u64,
}

impl Balance {
    /// The small queue has its share of the start.
    pub(super) fn new(capacity: u64, rules: LineRules) -> Self {
        Balance { rules, capacity, small: share(capacity, rules.small).max(1), credit: 0 }
    }

    /// What the small queue should take.
    pub(super) fn small(&self) -> u64 {
        self.small
    }

    /// What the main queue may take.
    pub(super) fn main(&self) -> u64 {
        self.capacity - self.small.min(self.capacity)
    }

    /// An item was hit in the small queue and moves to the main one; credits last for a share of the live keys.
    pub(super) fn promoted(&mut self, live_entries: u64) {
        self.credit = (self.credit + 1).min(share(live_entries, self.rules.credits) + 4);
    }

    /// A small victim came back soon; a vote counts for one item of mean cost and a little.
    pub(super) fn small_returned(&mut self, mean_cost: u64) {
        if self.rules.moves && (self.credit > 0 || !self.rules.credit) {
            self.credit = self.credit.saturating_sub(1);
            self.small = (self.small + self.step(mean_cost)).min(share(self.capacity, self.rules.most));
        }
    }

    /// A main victim came back soon.
    pub(super) fn main_returned(&mut self, mean_cost: u64) {
        if self.rules.moves {
            let least = share(self.capacity, self.rules.least).max(1);
            self.small = self.small.saturating_sub(self.step(mean_cost)).max(least);
        }
    }

    fn step(&self, mean_cost: u64) -> u64 {
        mean_cost + share(self.capacity, self.rules.step)
    }
}

/// A share of a number, rounded down.
pub(super) fn share(of: u64, share: f64) -> u64 {
    (of as f64 * share) as u64
}
