//! [`Tide`]: the eviction policy's numbers and choices: which queue a new item goes to, which queue
//! gives room, where the line between them is. `docs/engine.md`, section 6, explains it.
//!
//! All numbers are moved by relaxed operations, and races between threads that evict change a
//! choice, never an invariant.

use crate::ghosts::Recall;
use crate::sync::{AtomicU64, Ordering};

/// The queues of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// What is new.
    Small,
    /// What was hit, or came back in time.
    Main,
}

pub(crate) const SIDES: [Side; 2] = [Side::Small, Side::Main];

/// What the choices depend on, as it is at one moment.
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

/// See the module's words.
#[derive(Debug)]
pub(crate) struct Tide {
    /// Victims of the small queue so far.
    clock: AtomicU64,
    /// What the small queue should take, in bytes.
    small_target: AtomicU64,
    credit: AtomicU64,
    /// Whether anything was evicted yet.
    evicted: AtomicU64,
}

/// The small queue begins with one over this of the capacity, and keeps one over the next.
const FIRST_SHARE: u64 = 16;
const LEAST_SHARE: u64 = 64;

impl Tide {
    pub(crate) fn new(capacity: u64) -> Tide {
        Tide {
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
    pub(crate) fn side_for(&self, recall: Recall, facts: &Facts) -> Side {
        let step = facts.taken.iter().sum::<u64>() / facts.keys.max(1) + facts.capacity / 2048;
        if recall.young_small && self.spend_credit() {
            self.move_line(facts, |target| target.saturating_add(step));
        }
        if recall.young_main {
            self.move_line(facts, |target| target.saturating_sub(step));
        }
        let filling = !self.has_evicted() && facts.taken[0] >= self.small_target(facts);
        if filling || self.came_back_in_time(recall, facts) { Side::Main } else { Side::Small }
    }

    /// Whether the key came back sooner than the main queue would have let it go. Main keeps an
    /// item that is not hit for as long as its tail is old; a key that takes longer would only
    /// push others out. A quarter of the ghost's age, which is an estimate, is added to it.
    fn came_back_in_time(&self, recall: Recall, facts: &Facts) -> bool {
        let Some(age) = recall.age else { return false };
        if age > facts.keys + facts.keys / 2 {
            return false;
        }
        let clock = self.clock();
        let [stay, lap] = facts.tail_opened.map(|opened| clock.saturating_sub(opened));
        age + age / 4 + stay <= lap
    }

    fn move_line(&self, facts: &Facts, to: impl FnOnce(u64) -> u64) {
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
    pub(crate) fn evicted(&self, side: Side) {
        if !self.has_evicted() {
            self.evicted.store(1, Ordering::Relaxed);
        }
        if side == Side::Small {
            self.clock.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The queue that gives room first. It is judged by what the queues take, not by the capacity:
    /// segments that are free or on their way take of that, too, and small alone would go without.
    pub(crate) fn side_to_walk(&self, facts: &Facts) -> Side {
        let both = facts.taken.iter().sum::<u64>();
        let small_may_take = self.small_target(facts).min(both - both / 8);
        if facts.taken[0] < small_may_take { Side::Main } else { Side::Small }
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
        let tide = Tide::new(64_000);
        assert_eq!(tide.side_for(Recall::default(), &facts([3999, 0])), Side::Small);
        assert_eq!(tide.side_for(Recall::default(), &facts([4000, 0])), Side::Main);
        tide.evicted(Side::Small);
        assert_eq!(tide.side_for(Recall::default(), &facts([4000, 60_000])), Side::Small);
    }

    #[test]
    fn the_line_stands_in_what_the_queues_take_and_not_in_the_whole_capacity() {
        let tide = Tide::new(64_000);
        let walked = |taken| tide.side_to_walk(&facts(taken));
        assert_eq!([walked([3999, 48_000]), walked([4000, 48_000])], [Side::Main, Side::Small]);
        tide.move_line(&facts([0, 0]), |_| 64_000);
        assert_eq!([walked([41_999, 6001]), walked([42_000, 6000])], [Side::Main, Side::Small]);
    }

    #[test]
    fn a_ghost_goes_to_main_if_main_would_have_kept_it() {
        let tide = Tide::new(64_000);
        (0..1000).for_each(|_| tide.evicted(Side::Small));
        let recall = |age| Recall { age: Some(age), ..Recall::default() };
        let facts = Facts { tail_opened: [900, 500], ..facts([4000, 60_000]) };
        assert_eq!(tide.side_for(recall(320), &facts), Side::Main);
        assert_eq!(tide.side_for(recall(321), &facts), Side::Small);
    }

    #[test]
    fn the_line_follows_the_ghosts_and_growth_costs_credit() {
        let tide = Tide::new(64_000);
        let full = facts([4000, 60_000]);
        let (small, main) = (
            Recall { young_small: true, ..Recall::default() },
            Recall { young_main: true, ..Recall::default() },
        );
        assert_eq!(tide.side_to_walk(&full), Side::Small);
        tide.side_for(small, &full);
        assert_eq!(tide.side_to_walk(&full), Side::Small, "without credit nothing moves");
        tide.promoted(640);
        tide.side_for(small, &full);
        assert_eq!(tide.side_to_walk(&full), Side::Main, "small may grow by an item");
        (0..100).for_each(|_| assert_eq!(tide.side_for(main, &full), Side::Main));
        assert_eq!(tide.small_target(&full), 1000);
        assert_eq!(tide.side_to_walk(&facts([0, 60_000])), Side::Main);
    }
}
