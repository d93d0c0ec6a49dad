//! A two-queue log: a small queue for what is new, a main queue for what came back or was hit, ghosts for
//! what left.
//!
//! ```text
//!              miss                     hit while small, or a ghost that came back in time
//!               |                     +-----------------------------------------------+
//!               v                     |                                               v
//!         [ small: open ... tail ] ---+--> dropped, a ghost        [ main: open ... tail ] --> dropped, a young ghost
//!                                                                       ^            |
//!                                                                       +-- was hit -+
//! ```
//!
//! Both queues are appended to at their open segment and walked at their tail. Which is walked follows from
//! the line between them. The eviction clock counts the victims of the small queue: ghosts' ages and
//! segments' opening times are in its ticks.

use super::balance::{Balance, share};
use super::ghosts::{Ghosts, Recall};
use super::keyed::{KeyMap, spread};
use super::rules::Rules;
use super::segments::{Item, Place, Queue};
use super::{Capacity, Counts, Outcome, Policy, Request};

/// One of the two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Small,
    Main,
}

/// What bounds the log.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// What its live items cost.
    Live,
    /// How many segments it takes.
    Segments(u64),
}

/// Two queues of segments under one set of rules.
pub(super) struct Log<G> {
    rules: Rules,
    capacity: Capacity,
    bound: Bound,
    segment_size: u64,
    index: KeyMap<(Side, Place)>,
    small: Queue,
    main: Queue,
    ghosts: G,
    balance: Balance,
    /// Victims of the small queue so far.
    clock: u64,
    /// Requests so far, where they decide which hits overwrite.
    requests: u64,
    counts: Counts,
}

impl<G: Ghosts> Log<G> {
    /// Every entry a segment of its own, live entries bounded.
    pub(super) fn of_entries(rules: Rules, capacity: Capacity, ghosts: G) -> Self {
        Self::new(rules, capacity, ghosts, 1)
    }

    /// So many segments in the capacity, live entries bounded: open and half walked segments are extra.
    pub(super) fn of_segments(rules: Rules, capacity: Capacity, ghosts: G, segments: u64) -> Self {
        Self::new(rules, capacity, ghosts, capacity.units() / segments)
    }

    /// So many segments and no more, whatever lives in them.
    pub(super) fn in_budget(rules: Rules, capacity: Capacity, ghosts: G, segments: u64) -> Self {
        let mut log = Self::of_segments(rules, capacity, ghosts, segments);
        log.bound = Bound::Segments(capacity.units() / log.segment_size);
        log
    }

    fn new(rules: Rules, capacity: Capacity, ghosts: G, segment_size: u64) -> Self {
        let segment_size = segment_size.max(1);
        Log {
            rules,
            capacity,
            bound: Bound::Live,
            segment_size,
            index: KeyMap::default(),
            small: Queue::new(segment_size),
            main: Queue::new(segment_size),
            ghosts,
            balance: Balance::new(capacity.units(), rules.line),
            clock: 0,
            requests: 0,
            counts: Counts::default(),
        }
    }

    fn queue(&mut self, side: Side) -> &mut Queue {
        match side {
            Side::Small => &mut self.small,
            Side::Main => &mut self.main,
        }
    }

    /// Counts a hit, unless the item is so new that the hit belongs to the miss that brought it.
    fn count_hit(&mut self, side: Side, place: Place) {
        let window = share(self.balance.small(), self.rules.window);
        if side == Side::Small && self.small.appended_since(place) < window {
            return;
        }
        let max_hits = self.rules.max_hits;
        if let Some(item) = self.queue(side).item_mut(place) {
            item.hits = (item.hits + 1).min(max_hits);
        }
    }

    /// Lets what is remembered of a missed key move the line, and names the queue the key goes to.
    fn side_for(&mut self, key: u64) -> Side {
        let recall = self.ghosts.take(key);
        let mean_cost = self.counts.live_bytes / self.counts.live_entries.max(1);
        if recall.small_young {
            self.balance.small_returned(mean_cost);
        }
        if recall.main_young {
            self.balance.main_returned(mean_cost);
        }
        let filling = self.counts.evictions == 0 && self.small.live() >= self.balance.small();
        if filling || self.came_back_in_time(recall) { Side::Main } else { Side::Small }
    }

    /// Whether the key came back sooner than the main queue would have let it go. Main keeps an item that is
    /// not hit for as long as its tail is old; a key that takes longer from insertion to return would
    /// only push others out. The ghost's age is an estimate, so a margin is added to it.
    fn came_back_in_time(&self, recall: Recall) -> bool {
        let Some(age) = recall.small_age else { return false };
        if age > share(self.counts.live_entries, self.rules.reach) {
            return false;
        }
        let stay = self.small.tail_opened().map_or(0, |opened| self.clock - opened);
        let lap = self.main.tail_opened().map_or(0, |opened| self.clock - opened);
        !self.rules.reuse_test || age + share(age, self.rules.margin) + stay <= lap
    }

    fn append(&mut self, side: Side, item: Item) {
        let clock = self.clock;
        let place = self.queue(side).append(item, clock);
        self.index.insert(item.key, (side, place));
    }

    /// Makes room for an item; `false` if there is none to be had.
    fn make_room(&mut self, side: Side, cost: u64, now_ms: u64) -> bool {
        loop {
            let roomy = match self.bound {
                Bound::Live => self.counts.live_bytes + cost <= self.capacity.units(),
                // One segment stays free for what the next walk keeps.
                Bound::Segments(_) => match self.queue(side).opens(cost) {
                    0 => true,
                    opens => self.free_segments() > opens,
                },
            };
            if roomy || !(self.clean_one() || self.evict_one(now_ms)) {
                return roomy;
            }
        }
    }

    /// Moves what lives in a segment of many holes forward, if there is one.
    fn clean_one(&mut self) -> bool {
        let most = share(self.segment_size, self.rules.clean);
        if most == 0 || matches!(self.bound, Bound::Live) {
            return false;
        }
        let small = self.small.emptiest().map(|found| (found, Side::Small));
        let main = self.main.emptiest().map(|found| (found, Side::Main));
        let emptiest = small.into_iter().chain(main).min_by_key(|((live, _), _)| *live);
        let Some(((live, at), side)) = emptiest.filter(|((live, _), _)| *live <= most) else { return false };
        if self.free_segments() == 0 && self.queue(side).opens(live) > 0 {
            return false;
        }
        for item in self.queue(side).clean(at) {
            self.append(side, item);
        }
        true
    }

    fn free_segments(&self) -> u64 {
        match self.bound {
            Bound::Live => u64::MAX,
            Bound::Segments(segments) => segments.saturating_sub(self.small.spans() + self.main.spans()),
        }
    }

    /// The queue whose tail is to be walked.
    fn side_to_walk(&self) -> Side {
        let main = match self.bound {
            Bound::Live => self.main.live(),
            Bound::Segments(_) => self.main.spans() * self.segment_size,
        };
        let main_first = main > self.balance.main() || self.small.live() == 0;
        if main_first && self.main.live() > 0 { Side::Main } else { Side::Small }
    }

    /// Walks until an item is dropped; `false` if there is none. At most `patience` items are kept on the
    /// way.
    fn evict_one(&mut self, now_ms: u64) -> bool {
        let mut patience = self.rules.patience;
        loop {
            let side = self.side_to_walk();
            let Some(item) = self.queue(side).walk() else { return false };
            let opens = self.main.opens(item.cost);
            let room = opens == 0 || self.free_segments() >= opens;
            let wanted = match side {
                Side::Small => item.hits >= self.rules.promote_hits,
                Side::Main => item.hits > 0,
            };
            let keep = wanted && room && patience > 0 && item.deadline_ms > now_ms;
            if keep {
                patience -= 1;
                self.keep(side, item);
            } else {
                self.drop_item(side, item, now_ms);
            }
            self.queue(side).recycle_walked();
            if !keep {
                return true;
            }
        }
    }

    /// Copies an item forward: its hits are spent, all of them in the small queue and one in the main.
    fn keep(&mut self, side: Side, item: Item) {
        let hits = match side {
            Side::Small => {
                self.balance.promoted(self.counts.live_entries);
                0
            }
            Side::Main => item.hits - 1,
        };
        self.append(Side::Main, item.with_hits(hits));
    }

    /// Drops an item that was walked, leaving a ghost unless it expired.
    fn drop_item(&mut self, side: Side, item: Item, now_ms: u64) {
        self.index.remove(&item.key);
        self.counts.left(item.cost, item.deadline_ms, now_ms);
        if item.deadline_ms <= now_ms {
            return;
        }
        let live_entries = self.counts.live_entries + 1;
        match side {
            Side::Small => {
                self.clock += 1;
                self.ghosts.push_small(item.key, live_entries);
            }
            Side::Main => self.ghosts.push_main(item.key, live_entries),
        }
    }

    /// Whether this request, a hit, is one of those that overwrite.
    fn overwrites(&mut self) -> bool {
        if self.rules.overwrites == 0.0 {
            return false;
        }
        self.requests += 1;
        (spread(self.requests) as f64) < self.rules.overwrites * u64::MAX as f64
    }

    /// Appends an item again to its queue, hits kept, and leaves a hole where it was.
    fn write_anew(&mut self, side: Side, place: Place, now_ms: u64) {
        let Some(&mut item) = self.queue(side).item_mut(place) else { return };
        self.queue(side).kill(place);
        self.index.remove(&item.key);
        self.counts.live_entries -= 1;
        self.counts.live_bytes -= item.cost;
        if self.make_room(side, item.cost, now_ms) {
            self.append(side, item);
            self.counts.entered(item.cost);
        } else {
            self.counts.evictions += 1;
        }
    }

    /// The live item of a key, if any; an expired one becomes a hole.
    fn find(&mut self, request: &Request) -> Option<(Side, Place)> {
        let (side, place) = *self.index.get(&request.key)?;
        let item = *self.queue(side).item_mut(place)?;
        if item.deadline_ms > request.now_ms {
            return Some((side, place));
        }
        self.queue(side).kill(place);
        self.index.remove(&request.key);
        self.counts.left(item.cost, item.deadline_ms, request.now_ms);
        None
    }
}

impl<G: Ghosts> Policy for Log<G> {
    fn request(&mut self, request: &Request) -> Outcome {
        if let Some((side, place)) = self.find(request) {
            self.count_hit(side, place);
            if self.overwrites() {
                self.write_anew(side, place, request.now_ms);
            }
            return Outcome::Hit;
        }
        let cost = self.capacity.cost(request);
        if cost > share(self.capacity.units(), self.rules.object).max(1) {
            return Outcome::Miss;
        }
        let side = self.side_for(request.key);
        if self.make_room(side, cost, request.now_ms) {
            self.append(side, Item::new(request.key, cost, request.deadline_ms()));
            self.counts.entered(cost);
        }
        Outcome::Miss
    }

    fn counts(&self) -> Counts {
        self.counts
    }
}
