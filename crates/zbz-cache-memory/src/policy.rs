//! [`Policy`]: the eviction policy: which queue a new item goes to, which queue gives room, how large
//! the small queue should be, which entry stays. `docs/engine.md`, section 6, explains it.
//!
//! It decides and touches nothing: `space` asks, and acts. All numbers are moved by relaxed operations,
//! and races between threads that evict change a choice, never an invariant.

pub(crate) mod ghosts;

use crate::base::sync::{AtomicU64, Ordering};
use ghosts::GhostHit;

/// The queues of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    /// New entries.
    Small,
    /// Entries that were hit, or came back in time.
    Main,
}

pub(crate) const QUEUES: [Queue; 2] = [Queue::Small, Queue::Main];

/// The inputs of the policy's choices, at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    /// The bytes that both queues may take.
    pub(crate) capacity: u64,
    /// The bytes of each queue's segments.
    pub(crate) taken: [u64; 2],
    /// The eviction clock when the oldest segment of each queue was opened.
    pub(crate) tail_opened: [u64; 2],
    /// Keys there are, about.
    pub(crate) keys: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Policy {
    /// Victims of the small queue so far.
    clock: AtomicU64,
    /// The target size of the small queue, in bytes.
    small_target: AtomicU64,
    credit: AtomicU64,
    /// Whether anything was evicted yet.
    evicted: AtomicU64,
}

/// The small queue begins with one over this of the capacity, and keeps one over the next.
const FIRST_SHARE: u64 = 16;
const LEAST_SHARE: u64 = 64;

/// Entries in a row that are kept; the next one is evicted whatever its hits.
const PATIENCE: u32 = 32;

/// A segment of which at most this many 256ths are alive is moved together before any entry is
/// evicted.
const SPARSE: u64 = 128;

/// Segments that one write moves together before it has others judged: moving a chunk writes its
/// header anew, and where that is large, nothing is gained.
const MOST_FORWARDED: usize = 16;

/// Where room comes from, first things first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    /// From a segment of which no more 256ths than this are alive: what it holds is moved. `None`: not
    /// from such a one.
    pub(crate) sparse_alive: Option<u64>,
    /// From the oldest segment of one of these: what it holds is judged.
    pub(crate) queues: [Queue; 2],
}

/// The decision about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    Evict,
    Keep(Destination),
}

/// Where an entry goes that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) queue: Queue,
    /// Its hits there.
    pub(crate) hits: u64,
}

impl Policy {
    pub(crate) fn new(capacity: u64) -> Policy {
        Policy {
            clock: AtomicU64::new(0),
            small_target: AtomicU64::new(capacity / FIRST_SHARE),
            credit: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    pub(crate) fn clock(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// Whether anything was evicted yet.
    pub(crate) fn has_evicted(&self) -> bool {
        self.evicted.load(Ordering::Relaxed) != 0
    }

    fn small_target(&self, facts: &Facts) -> u64 {
        let target = self.small_target.load(Ordering::Relaxed);
        target.clamp(facts.capacity / LEAST_SHARE, facts.capacity - facts.capacity / 8)
    }

    /// How many bytes the small queue takes in before a hit on an item counts.
    pub(crate) fn window(&self) -> u64 {
        self.small_target.load(Ordering::Relaxed) / 4
    }

    /// The queue for a key that is not there, of which this is remembered.
    pub(crate) fn queue_for(&self, ghost: GhostHit, facts: &Facts) -> Queue {
        let step = facts.taken.iter().sum::<u64>() / facts.keys.max(1) + facts.capacity / 2048;
        if ghost.young_small && self.spend_credit() {
            self.move_small_target(facts, |target| target.saturating_add(step));
        }
        if ghost.young_main {
            self.move_small_target(facts, |target| target.saturating_sub(step));
        }
        let filling = !self.has_evicted() && facts.taken[0] >= self.small_target(facts);
        if filling || self.came_back_in_time(ghost, facts) { Queue::Main } else { Queue::Small }
    }

    /// Whether the key came back sooner than the main queue would have let it go. Main keeps an
    /// item that is not hit for as long as its tail is old; a key that takes longer would only
    /// push others out. A quarter of the ghost's age, which is an estimate, is added to it.
    fn came_back_in_time(&self, ghost: GhostHit, facts: &Facts) -> bool {
        let Some(age) = ghost.age else { return false };
        if age > facts.keys + facts.keys / 2 {
            return false;
        }
        let clock = self.clock();
        let [stay, lap] = facts.tail_opened.map(|opened| clock.saturating_sub(opened));
        age + age / 4 + stay <= lap
    }

    fn move_small_target(&self, facts: &Facts, to: impl FnOnce(u64) -> u64) {
        let least = facts.capacity / LEAST_SHARE;
        let target = to(self.small_target(facts)).clamp(least, facts.capacity - facts.capacity / 8);
        self.small_target.store(target, Ordering::Relaxed);
    }

    fn spend_credit(&self) -> bool {
        let less = |credit: u64| credit.checked_sub(1);
        self.credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// An item was hit in the small queue and moves to main.
    pub(crate) fn promoted(&self, keys: u64) {
        let most = keys / 16 + 4;
        let more = |credit: u64| (credit < most).then_some(credit + 1);
        let _ = self.credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// An item was evicted from this queue.
    pub(crate) fn evicted(&self, queue: Queue) {
        if !self.has_evicted() {
            self.evicted.store(1, Ordering::Relaxed);
        }
        if queue == Queue::Small {
            self.clock.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The queue that gives room first. It is judged by what the queues take, not by the capacity:
    /// free segments count against the capacity, and the small queue would starve.
    fn queue_to_walk(&self, facts: &Facts) -> Queue {
        let both = facts.taken.iter().sum::<u64>();
        let small_may_take = self.small_target(facts).min(both - both / 8);
        if facts.taken[0] < small_may_take { Queue::Main } else { Queue::Small }
    }

    /// Where the next room comes from, for a write for which `drained` segments were emptied so far.
    /// `is_dense` says whether most of what segments hold is alive.
    pub(crate) fn choose(&self, facts: &Facts, drained: usize, is_dense: impl FnOnce() -> bool) -> Choice {
        // Other writes may have taken what this one freed; then there is room for all.
        let sparse_first = drained < MOST_FORWARDED || !is_dense();
        let first = self.queue_to_walk(facts);
        let second = if first == Queue::Small { Queue::Main } else { Queue::Small };
        Choice { sparse_alive: sparse_first.then_some(SPARSE), queues: [first, second] }
    }

    /// The decision about a live entry of a queue that is walked. `kept` is how many were kept there since
    /// one was evicted.
    pub(crate) fn judge(&self, queue: Queue, hits: u64, kept: u32) -> Judgement {
        match queue {
            _ if hits == 0 || kept >= PATIENCE => Judgement::Evict,
            Queue::Small => Judgement::Keep(Destination { queue: Queue::Main, hits: 0 }),
            Queue::Main => Judgement::Keep(Destination { queue: Queue::Main, hits: hits - 1 }),
        }
    }

    /// The cache was cleared: it fills again before anything is evicted.
    pub(crate) fn forget(&self) {
        self.evicted.store(0, Ordering::Relaxed);
        self.credit.store(0, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn facts(taken: [u64; 2]) -> Facts {
        Facts { capacity: 64_000, taken, tail_opened: [0, 0], keys: 640 }
    }

    #[test]
    fn what_is_new_goes_to_the_small_queue_and_the_rest_of_an_empty_cache_to_main() {
        let policy = Policy::new(64_000);
        assert_eq!(policy.queue_for(GhostHit::default(), &facts([3999, 0])), Queue::Small);
        assert_eq!(policy.queue_for(GhostHit::default(), &facts([4000, 0])), Queue::Main);
        policy.evicted(Queue::Small);
        assert_eq!(policy.queue_for(GhostHit::default(), &facts([4000, 60_000])), Queue::Small);
    }

    #[test]
    fn the_small_target_is_a_share_of_what_the_queues_take_and_not_of_the_capacity() {
        let policy = Policy::new(64_000);
        let walked = |taken| policy.queue_to_walk(&facts(taken));
        assert_eq!([walked([3999, 48_000]), walked([4000, 48_000])], [Queue::Main, Queue::Small]);
        policy.move_small_target(&facts([0, 0]), |_| 64_000);
        assert_eq!([walked([41_999, 6001]), walked([42_000, 6000])], [Queue::Main, Queue::Small]);
    }

    #[test]
    fn a_ghost_goes_to_main_if_main_would_have_kept_it() {
        let policy = Policy::new(64_000);
        (0..1000).for_each(|_| policy.evicted(Queue::Small));
        let ghost = |age| GhostHit { age: Some(age), ..GhostHit::default() };
        let facts = Facts { tail_opened: [900, 500], ..facts([4000, 60_000]) };
        assert_eq!(policy.queue_for(ghost(320), &facts), Queue::Main);
        assert_eq!(policy.queue_for(ghost(321), &facts), Queue::Small);
    }

    #[test]
    fn the_small_target_follows_the_ghosts_and_growth_costs_credit() {
        let policy = Policy::new(64_000);
        let full = facts([4000, 60_000]);
        let (small, main) = (
            GhostHit { young_small: true, ..GhostHit::default() },
            GhostHit { young_main: true, ..GhostHit::default() },
        );
        assert_eq!(policy.queue_to_walk(&full), Queue::Small);
        policy.queue_for(small, &full);
        assert_eq!(policy.queue_to_walk(&full), Queue::Small, "without credit nothing moves");
        policy.promoted(640);
        policy.queue_for(small, &full);
        assert_eq!(policy.queue_to_walk(&full), Queue::Main, "small may grow by an item");
        (0..100).for_each(|_| assert_eq!(policy.queue_for(main, &full), Queue::Main));
        assert_eq!(policy.small_target(&full), 1000);
        assert_eq!(policy.queue_to_walk(&facts([0, 60_000])), Queue::Main);
    }
}
