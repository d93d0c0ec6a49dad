//! [`Lanes`]: which segment is where: open in a lane, in a queue, in limbo, free, or absent.
//!
//! A *lane* is where one stripe of writers appends items of one queue and one class of deadlines;
//! it has one open segment at a time. A sealed segment waits in its queue, oldest first, until it
//! is drained; then in limbo, until nobody reads it; then it is free.
//!
//! - *One place*: a segment is in one lane, queue or list at a time, or one thread is moving it.
//!   Lists change under the lock, which is held for a few list operations and nothing else.
//! - *Paid for*: a segment that is not absent has its bytes taken from the budget.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::budget::Budget;
use crate::hazard::{self, Announcement};
use crate::log::{Draining, Log};
use crate::segment::{Opening, Phase};
use crate::tide::{SIDES, Side};

/// What a segment costs beside its bytes: its words, its links, and its place in a list.
const TABLE_BYTES: u64 = 160;

/// Segments of a queue that are looked at for one that can be drained.
const LOOKS: usize = 8;

/// Segments that are looked at for one that is nearly empty.
const SAMPLE: usize = 64;

const NOWHERE: u32 = u32::MAX;

/// Where in the cache an item of one kind is appended by one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) side: Side,
    /// Of deadlines; zero for items without.
    pub(crate) class: usize,
    pub(crate) stripe: usize,
}

impl Lane {
    fn place(self) -> u32 {
        self.side as u32 | (self.class as u32) << 1
    }
}

/// The queue that a segment was opened for.
#[inline(always)]
pub(crate) fn side_of(place: u32) -> Side {
    SIDES[place as usize & 1]
}

/// A lane that goes on to another segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Advance {
    pub(crate) lane: Lane,
    /// Its segment as the caller saw it.
    pub(crate) seen: Option<usize>,
    /// The one that it gets; the caller's, and free.
    pub(crate) fresh: usize,
    /// The eviction clock.
    pub(crate) clock: u64,
    /// The newest bytes of the small queue, whose hits do not count.
    pub(crate) window: u64,
}

/// How many lanes there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) classes: usize,
    pub(crate) stripes: usize,
}

/// The open segment of a lane, plus one; zero for none.
#[repr(align(64))]
#[derive(Debug, Default)]
struct Open(AtomicU64);

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
}

const UNLINKED: Link = Link { before: NOWHERE, after: NOWHERE };

#[derive(Debug, Clone, Copy)]
struct Queue {
    oldest: u32,
    newest: u32,
}

#[derive(Debug, Default)]
struct Lists {
    links: Vec<Link>,
    queues: [Queue; 2],
    free: Vec<u32>,
    limbo: Vec<u32>,
    /// Those whose memory was given back.
    absent: Vec<u32>,
    turns: u64,
    /// Segments that the small queue has opened.
    small_opened: u64,
    /// Where the next look for a nearly empty one begins.
    looked_at: usize,
}

impl Default for Queue {
    fn default() -> Queue {
        Queue { oldest: NOWHERE, newest: NOWHERE }
    }
}

impl Lists {
    fn push(&mut self, side: Side, segment: u32) {
        let queue = &mut self.queues[side as usize];
        let before = std::mem::replace(&mut queue.newest, segment);
        self.links[segment as usize] = Link { before, after: NOWHERE };
        match before {
            NOWHERE => queue.oldest = segment,
            before => self.links[before as usize].after = segment,
        }
    }

    fn unlink(&mut self, side: Side, segment: u32) {
        let Link { before, after } = std::mem::replace(&mut self.links[segment as usize], UNLINKED);
        let queue = &mut self.queues[side as usize];
        match before {
            NOWHERE => queue.oldest = after,
            before => self.links[before as usize].after = after,
        }
        match after {
            NOWHERE => queue.newest = before,
            after => self.links[after as usize].before = before,
        }
    }

    fn queue(&self, side: Side) -> impl Iterator<Item = u32> {
        let mut next = self.queues[side as usize].oldest;
        std::iter::from_fn(move || {
            let segment = (next != NOWHERE).then_some(next)?;
            next = self.links[segment as usize].after;
            Some(segment)
        })
    }
}

/// What whoever frees segments from limbo works with.
#[derive(Debug, Default)]
struct Recycler {
    limbo: Vec<u32>,
    announced: Vec<Announcement>,
}

/// See the module's words.
#[derive(Debug)]
pub(crate) struct Lanes {
    shape: Shape,
    open: Box<[Open]>,
    lists: Mutex<Lists>,
    recycler: Mutex<Recycler>,
    /// Segments that are free or in limbo.
    spare: AtomicU64,
    /// Segments that are not absent.
    present: AtomicU64,
    /// Bytes of each queue's segments.
    taken: [AtomicU64; 2],
    /// See `counts_through`.
    counts_through: AtomicU64,
    /// The eviction clock when the oldest segment of each queue was opened.
    tail_opened: [AtomicU64; 2],
}

impl Lanes {
    pub(crate) fn new(shape: Shape) -> Lanes {
        let lanes = 2 * shape.classes * shape.stripes;
        Lanes {
            shape,
            open: (0..lanes).map(|_| Open::default()).collect(),
            lists: Mutex::default(),
            recycler: Mutex::default(),
            spare: AtomicU64::new(0),
            present: AtomicU64::new(0),
            taken: [const { AtomicU64::new(0) }; 2],
            counts_through: AtomicU64::new(0),
            tail_opened: [const { AtomicU64::new(u64::MAX) }; 2],
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn bytes(&self) -> u64 {
        size_of_val(&*self.open) as u64
    }

    /// What a segment of this size costs the budget.
    pub(crate) fn cost(size: u64) -> u64 {
        size + TABLE_BYTES
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cell(&self, lane: Lane) -> &AtomicU64 {
        let Shape { classes, stripes } = self.shape;
        &self.open[(lane.side as usize * classes + lane.class) * stripes + lane.stripe].0
    }

    /// The open segment of a lane.
    #[inline]
    pub(crate) fn current(&self, lane: Lane) -> Option<usize> {
        // Acquire: pairs with the Release of `advance`, so that the segment is seen open.
        self.cell(lane).load(Ordering::Acquire).checked_sub(1).map(|segment| segment as usize)
    }

    // Relaxed, here and below: numbers for choices.
    pub(crate) fn spare(&self) -> u64 {
        self.spare.load(Ordering::Relaxed)
    }

    pub(crate) fn present(&self) -> u64 {
        self.present.load(Ordering::Relaxed)
    }

    pub(crate) fn taken(&self) -> [u64; 2] {
        [self.taken[0].load(Ordering::Relaxed), self.taken[1].load(Ordering::Relaxed)]
    }

    pub(crate) fn tail_opened(&self) -> [u64; 2] {
        [self.tail_opened[0].load(Ordering::Relaxed), self.tail_opened[1].load(Ordering::Relaxed)]
    }

    /// Hits on items of segments that were opened later do not count. Starts of main are all zero.
    #[inline(always)]
    pub(crate) fn counts_through(&self) -> u64 {
        self.counts_through.load(Ordering::Relaxed)
    }

    /// Segments that ever had memory have numbers below this.
    pub(crate) fn reached(&self) -> usize {
        self.lock().links.len()
    }

    /// The bytes of all segments in use that are not dead.
    pub(crate) fn alive(&self, log: &Log) -> u64 {
        let segments = (0..self.reached()).map(|segment| log.segment(segment));
        let used = segments
            .filter(|segment| matches!(segment.phase(), Phase::Open | Phase::Sealed | Phase::Draining));
        used.map(|segment| match segment.phase() {
            Phase::Open => segment.fill().saturating_sub(segment.dead()),
            _ => segment.alive(),
        })
        .sum()
    }

    /// The bytes that moving entries together would gain: of entries that went, and of segments
    /// that were sealed long before they were full.
    pub(crate) fn holes(&self, log: &Log) -> u64 {
        let segments = (0..self.reached()).map(|segment| log.segment(segment));
        let holes = segments.map(|segment| match segment.phase() {
            Phase::Open => segment.dead(),
            Phase::Sealed if segment.dead() > segment.size() / 8 => segment.dead(),
            // What was left at the end would be left again.
            Phase::Sealed => segment.dead().saturating_sub(segment.size().saturating_sub(segment.fill())),
            _ => 0,
        });
        holes.sum()
    }

    fn update_tail(&self, lists: &Lists, log: &Log, side: Side) {
        let oldest = lists.queues[side as usize].oldest;
        let opened = if oldest == NOWHERE { u64::MAX } else { log.segment(oldest as usize).opened() };
        self.tail_opened[side as usize].store(opened, Ordering::Relaxed);
    }

    /// Takes a free segment, if at least `leave` others are left.
    pub(crate) fn take_free(&self, leave: usize) -> Option<usize> {
        if self.spare() == 0 {
            return None;
        }
        let mut lists = self.lock();
        if lists.free.len() <= leave {
            return None;
        }
        let segment = lists.free.pop()?;
        self.spare.fetch_sub(1, Ordering::Relaxed);
        Some(segment as usize)
    }

    /// Gives memory to a segment that has none, if the budget has as much and `leave` more.
    pub(crate) fn provide(&self, log: &Log, budget: &Budget, size: u64, leave: u64) -> Option<usize> {
        self.provide_large(log, budget, size, leave).or_else(|| self.provide_one(log, budget, size, leave))
    }

    /// Gives memory to all segments that share a large page, while the cache is far from full, and
    /// no longer small: until they are used, they are memory that is taken for nothing. The others
    /// than the answer are free.
    fn provide_large(&self, log: &Log, budget: &Budget, size: u64, leave: u64) -> Option<usize> {
        let count = log.segments_in_large()?;
        let cost = Lanes::cost(size) * count as u64;
        if size as usize != log.segment_bytes() || budget.left() / 4 < cost + leave {
            return None;
        }
        let mut lists = self.lock();
        let first = lists.links.len();
        let is_next = first >= count && first.is_multiple_of(count) && first + count <= log.segments();
        if !is_next || !lists.absent.is_empty() || !budget.take(cost) {
            return None;
        }
        log.allow_large(first);
        for segment in first..first + count {
            lists.links.push(UNLINKED);
            let provided = log.segment(segment).provide(size as u32);
            debug_assert!(provided);
        }
        // The lowest is used next.
        lists.free.extend((first + 1..first + count).rev().map(|segment| segment as u32));
        self.present.fetch_add(count as u64, Ordering::Relaxed);
        self.spare.fetch_add(count as u64 - 1, Ordering::Relaxed);
        Some(first)
    }

    fn provide_one(&self, log: &Log, budget: &Budget, size: u64, leave: u64) -> Option<usize> {
        let cost = Lanes::cost(size);
        if budget.left() < cost.saturating_add(leave) || !budget.take(cost) {
            return None;
        }
        let mut lists = self.lock();
        let segment = match lists.absent.pop() {
            Some(segment) => segment,
            None if lists.links.len() < log.segments() => {
                lists.links.push(UNLINKED);
                lists.links.len() as u32 - 1
            }
            None => {
                budget.give(cost);
                return None;
            }
        };
        let provided = log.segment(segment as usize).provide(size as u32);
        debug_assert!(provided);
        self.present.fetch_add(1, Ordering::Relaxed);
        Some(segment as usize)
    }

    /// Puts a segment back that was taken and not used.
    pub(crate) fn put_back(&self, segment: usize) {
        self.lock().free.push(segment as u32);
        self.spare.fetch_add(1, Ordering::Relaxed);
    }

    /// Opens `fresh` as the segment of a lane in place of the one that was seen there, which joins
    /// its queue. If another thread was faster, `fresh` is free again.
    pub(crate) fn advance(&self, log: &Log, advance: Advance) {
        let Advance { lane, seen, fresh, clock, window } = advance;
        let mut lists = self.lock();
        if self.current(lane) != seen {
            lists.free.push(fresh as u32);
            self.spare.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if lane.side == Side::Small {
            lists.small_opened += 1;
            let newest = window.div_ceil(log.segment(fresh).size().max(1));
            self.counts_through.store(lists.small_opened.saturating_sub(newest), Ordering::Relaxed);
        }
        self.open(&mut lists, log, fresh, (lane, clock));
        self.cell(lane).store(fresh as u64 + 1, Ordering::Release);
        if let Some(seen) = seen {
            self.close(&mut lists, log, seen);
        }
    }

    fn open(&self, lists: &mut Lists, log: &Log, segment: usize, (lane, clock): (Lane, u64)) {
        lists.turns += 1;
        let start = if lane.side == Side::Small { lists.small_opened } else { 0 };
        let opening = Opening { place: lane.place(), start, opened: clock, turn: lists.turns };
        let opened = log.segment(segment).open(opening);
        debug_assert!(opened);
        self.taken[lane.side as usize].fetch_add(log.segment(segment).size(), Ordering::Relaxed);
    }

    /// Seals an open segment that no lane has any more, and queues it.
    fn close(&self, lists: &mut Lists, log: &Log, segment: usize) {
        let side = side_of(log.segment(segment).place());
        if log.segment(segment).seal() {
            lists.push(side, segment as u32);
            self.update_tail(lists, log, side);
        }
    }

    /// Seals the open segments of all lanes that `which` says; true if there was one.
    pub(crate) fn close_lanes(&self, log: &Log, mut which: impl FnMut(usize) -> bool) -> bool {
        let mut lists = self.lock();
        let mut closed = false;
        for Open(cell) in &self.open {
            let open = cell.load(Ordering::Acquire);
            if open > 0 && which(open as usize - 1) {
                cell.store(0, Ordering::Release);
                self.close(&mut lists, log, open as usize - 1);
                closed = true;
            }
        }
        closed
    }

    /// Begins to drain the oldest segment of a queue that has no writers.
    pub(crate) fn pick_oldest(&self, log: &Log, side: Side) -> Option<Draining> {
        let mut lists = self.lock();
        let (segment, draining) = lists
            .queue(side)
            .take(LOOKS)
            .find_map(|segment| Some((segment, log.begin_drain(segment as usize)?)))?;
        self.take_out(&mut lists, log, side, segment);
        Some(draining)
    }

    fn take_out(&self, lists: &mut Lists, log: &Log, side: Side, segment: u32) {
        lists.unlink(side, segment);
        self.update_tail(lists, log, side);
    }

    /// Begins to drain this segment, if it waits in a queue and is wholly dead: it may be another
    /// opening of it than the one that the caller looked at.
    pub(crate) fn pick_dead(&self, log: &Log, segment: usize) -> Option<Draining> {
        let mut lists = self.lock();
        let draining = log.begin_drain(segment)?;
        if !log.segment(segment).is_dead() {
            log.leave_drain(draining);
            return None;
        }
        let side = side_of(log.segment(segment).place());
        self.take_out(&mut lists, log, side, segment as u32);
        Some(draining)
    }

    /// Begins to drain the segment with the least alive of those in queues; some are looked at,
    /// or all if `all`. `None` if more than `most` of its size is alive in 256ths.
    pub(crate) fn pick_sparse(&self, log: &Log, most: u64, all: bool) -> Option<Draining> {
        let mut lists = self.lock();
        let count = lists.links.len();
        let looks = if all { count } else { SAMPLE.min(count) };
        let mut best: Option<(u64, usize)> = None;
        for step in 0..looks {
            let number = (lists.looked_at + step) % count;
            let segment = log.segment(number);
            if segment.phase() != Phase::Sealed {
                continue;
            }
            let alive = segment.alive() * 256 / segment.size().max(1);
            if best.is_none_or(|(least, _)| alive < least) {
                best = Some((alive, number));
            }
        }
        lists.looked_at = (lists.looked_at + looks) % count.max(1);
        let (_, segment) = best.filter(|&(alive, _)| alive <= most)?;
        let draining = log.begin_drain(segment)?;
        let side = side_of(log.segment(segment).place());
        self.take_out(&mut lists, log, side, segment as u32);
        Some(draining)
    }

    /// Sends the oldest segments of both queues to limbo if they are wholly dead; true if one went.
    pub(crate) fn collect_dead(&self, log: &Log, most: usize) -> bool {
        let mut lists = self.lock();
        let mut collected = 0;
        for side in SIDES {
            while collected < most {
                let oldest = lists.queues[side as usize].oldest;
                if oldest == NOWHERE || !log.segment(oldest as usize).is_dead() {
                    break;
                }
                // No writers, sealed, and each byte dead: there is nothing to unlink.
                let Some(draining) = log.begin_drain(oldest as usize) else { break };
                self.take_out(&mut lists, log, side, oldest);
                self.to_limbo(&mut lists, log, draining, side);
                collected += 1;
            }
        }
        collected > 0
    }

    /// Ends a drain: no slot names the segment any more.
    pub(crate) fn drained(&self, log: &Log, draining: Draining, side: Side) {
        self.to_limbo(&mut self.lock(), log, draining, side);
    }

    fn to_limbo(&self, lists: &mut Lists, log: &Log, draining: Draining, side: Side) {
        let segment = log.end_drain(draining);
        self.taken[side as usize].fetch_sub(log.segment(segment).size(), Ordering::Relaxed);
        lists.limbo.push(segment as u32);
        self.spare.fetch_add(1, Ordering::Relaxed);
    }

    /// Leaves a segment that was to be drained, and is not wholly, for another time.
    pub(crate) fn requeue(&self, log: &Log, draining: Draining) {
        let mut lists = self.lock();
        let segment = log.leave_drain(draining);
        let side = side_of(log.segment(segment).place());
        lists.push(side, segment as u32);
        self.update_tail(&lists, log, side);
    }

    /// Frees what is in limbo and not announced. While `withdraw` says so, it goes back to the
    /// system and to the budget. Answers how many are free now that were not: none if another
    /// thread is at it.
    pub(crate) fn release(&self, log: &Log, budget: &Budget, withdraw: impl FnMut() -> bool) -> usize {
        let Ok(mut recycler) = self.recycler.try_lock() else { return 0 };
        self.release_with(&mut recycler, log, budget, withdraw)
    }

    /// The same, which waits for whoever is at it: that one may not have seen all.
    pub(crate) fn release_all(&self, log: &Log, budget: &Budget) {
        let mut recycler = self.recycler.lock().unwrap_or_else(PoisonError::into_inner);
        self.release_with(&mut recycler, log, budget, || true);
    }

    fn release_with(
        &self,
        recycler: &mut Recycler,
        log: &Log,
        budget: &Budget,
        mut withdraw: impl FnMut() -> bool,
    ) -> usize {
        let Recycler { limbo, announced } = recycler;
        limbo.clear();
        std::mem::swap(&mut self.lock().limbo, limbo);
        if limbo.is_empty() {
            return 0;
        }
        hazard::PROCESS.announced(announced);
        let mut freed = 0;
        for &segment in limbo.iter() {
            let number = segment as usize;
            if announced.binary_search(&log.announcement(number)).is_ok() {
                self.lock().limbo.push(segment);
                continue;
            }
            let released = log.segment(number).release();
            debug_assert!(released);
            if withdraw() {
                self.spare.fetch_sub(1, Ordering::Relaxed);
                self.withdraw(log, budget, segment);
            } else {
                self.lock().free.push(segment);
                freed += 1;
            }
        }
        freed
    }

    /// Gives the memory of a free segment that is in no list back to the system and the budget.
    fn withdraw(&self, log: &Log, budget: &Budget, segment: u32) {
        let cost = Lanes::cost(log.segment(segment as usize).size());
        let withdrawn = log.give_back(segment as usize);
        debug_assert!(withdrawn);
        self.present.fetch_sub(1, Ordering::Relaxed);
        self.lock().absent.push(segment);
        budget.give(cost);
    }

    /// Begins anew with the first segment, if none has memory.
    pub(crate) fn forget_absent(&self) {
        let mut lists = self.lock();
        if lists.absent.len() == lists.links.len() {
            lists.absent.clear();
            lists.links.clear();
        }
    }

    /// Gives the memory of one free segment back; false if there is none.
    pub(crate) fn withdraw_one(&self, log: &Log, budget: &Budget) -> bool {
        let Some(segment) = self.take_free(0) else { return false };
        self.withdraw(log, budget, segment as u32);
        true
    }
}

#[cfg(test)]
mod check;
