//! [`Room`]: the append streams, the budget and the policy; where room for an item comes from without
//! anything being evicted or moved.
//!
//! - *Reserving never evicts*: room comes from a stream's open segment, from a free segment, from one
//!   that is dead and has no readers, or from memory that was not used yet. Freeing more is the
//!   caller's (`space.rs`).
//! - *A reserve*: the last free segments are left to those that free others: moved entries, and
//!   overwrites in a cache that rejects.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::budget::Budget;
use crate::base::call_time::CallTime;
use crate::base::sync::CachePadded;
use crate::base::threads;
use crate::base::ttl::NEVER;
use crate::entries::Entries;
use crate::index::slot::{Location, Slot};
use crate::log::item::{HEADER_BYTES, Layout};
use crate::log::{Reservation, Span};
use crate::policy::ghosts::{GhostHit, Ghosts};
use crate::policy::{Facts, Policy, Queue};
use crate::space::full::usage::Usage;
use crate::space::full::{Full, Priority};
use crate::space::layout::{CacheLayout, KEYS_PER_BUCKET};
use crate::space::streams::{Advance, Stream, Streams, queue_of};

/// An item that takes one over this of a segment, or less, is never chunked to fill the end of one:
/// little is left there.
const UNCHUNKED: usize = 16;

/// Nor is one of so few bytes, if a segment holds it: an entry that is read most is read in place.
const UNCHUNKED_BYTES: usize = 4608;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) streams: Streams,
    pub(crate) budget: Arc<Budget>,
    pub(crate) policy: CachePadded<Policy>,
    pub(crate) ghosts: Ghosts,
    pub(crate) full: Full,
    pub(crate) layout: CacheLayout,
    /// Of segments that are provided from now on.
    segment_bytes: AtomicU64,
    /// The bytes of the parts that neither grow nor shrink, without the index.
    pub(crate) fixed_bytes: u64,
    /// The smallest budget that the parts which cannot shrink leave room in.
    pub(crate) least_budget: u64,
}

/// The parts that a room is made of.
#[derive(Debug)]
pub(crate) struct RoomParts {
    pub(crate) streams: Streams,
    pub(crate) budget: Arc<Budget>,
    pub(crate) policy: Policy,
    pub(crate) ghosts: Ghosts,
    pub(crate) full: Full,
    pub(crate) layout: CacheLayout,
    pub(crate) fixed_bytes: u64,
    /// The smallest budget that the parts which cannot shrink leave room in.
    pub(crate) least_budget: u64,
}

/// The room that is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) stream: Stream,
    pub(crate) span: Span,
    pub(crate) priority: Priority,
}

impl Room {
    pub(crate) fn new(parts: RoomParts) -> Room {
        let RoomParts { streams, budget, policy, ghosts, full, layout, fixed_bytes, least_budget } = parts;
        Room {
            streams,
            budget,
            policy: CachePadded::new(policy),
            ghosts,
            full,
            layout,
            segment_bytes: AtomicU64::new(1 << layout.segment_bits),
            fixed_bytes,
            least_budget,
        }
    }

    /// The bytes of segments that are provided from now on.
    #[inline(always)]
    pub(crate) fn segment_bytes(&self) -> usize {
        // Relaxed: a size for choices; a segment's own is among its words.
        self.segment_bytes.load(Ordering::Relaxed) as usize
    }

    /// Sets it for a budget.
    pub(crate) fn fit_segment_bytes(&self, budget: u64) {
        let bytes = self.full.segment_bytes(budget, self.layout.segment_bits);
        self.segment_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Whether an item is never chunked to fill the end of a segment.
    #[inline(always)]
    pub(crate) fn is_never_chunked(&self, layout: &Layout) -> bool {
        let size = self.segment_bytes();
        layout.len() <= UNCHUNKED_BYTES.max(size / UNCHUNKED).min(size)
    }

    /// Remembers an item that stays whole, where that matters.
    pub(crate) fn note_whole(&self, layout: &Layout) {
        if let Some(rejecting) = self.full.rejecting()
            && self.is_never_chunked(layout)
        {
            rejecting.note_item(layout.len() as u64);
        }
    }

    /// The bytes left in the open segment of a stream.
    pub(crate) fn left_in(&self, entries: &Entries, stream: Stream) -> usize {
        let open = self.streams.current(stream).map(|segment| entries.log.segment(segment));
        open.map_or(0, |segment| segment.size().saturating_sub(segment.fill()) as usize)
    }

    /// Room in a stream; `None` if there is none without freeing some.
    #[inline(always)]
    pub(crate) fn reserve<'a>(&self, entries: &'a Entries, request: Request) -> Option<Reservation<'a>> {
        if let Some(room) = self.reserve_open(entries, request.stream, request.span) {
            return Some(room);
        }
        self.reserve_next(entries, request)
    }

    /// Room in the segment that is open.
    #[inline(always)]
    fn reserve_open<'a>(&self, entries: &'a Entries, stream: Stream, span: Span) -> Option<Reservation<'a>> {
        entries.log.reserve_span(self.streams.current(stream)?, span).ok()
    }

    /// Room in a segment that is opened for it.
    #[cold]
    #[inline(never)]
    fn reserve_next<'a>(&self, entries: &'a Entries, request: Request) -> Option<Reservation<'a>> {
        let Request { stream, span, priority } = request;
        if span.least > self.segment_bytes() {
            // It was written when the cache was larger.
            return None;
        }
        let log = &entries.log;
        loop {
            let current = self.streams.current(stream);
            if let Some(room) = self.reserve_open(entries, stream, span) {
                return Some(room);
            }
            let Some(fresh) = self.free_segment(entries, priority) else {
                return self.reserve_in_other_stripe(entries, stream, span);
            };
            if log.segment(fresh).size() < span.least as u64 {
                // It was provided when the cache was smaller. Its bytes are for a larger one.
                self.streams.put_back(fresh);
                if !self.streams.withdraw_one(log, &self.budget) {
                    return None;
                }
                continue;
            }
            let (clock, window) = (self.policy.clock(), self.policy.window());
            self.streams.advance(log, Advance { stream, seen: current, fresh, clock, window });
        }
    }

    /// Room in the open segment of another stripe of writers, in a cache that rejects: no write is
    /// refused for room that is there.
    fn reserve_in_other_stripe<'a>(
        &self,
        entries: &'a Entries,
        stream: Stream,
        span: Span,
    ) -> Option<Reservation<'a>> {
        if self.full.evicts() {
            return None;
        }
        let stripes = 0..self.streams.counts().stripes;
        let streams = stripes.map(|stripe| Stream { stripe, ..stream });
        streams.into_iter().find_map(|stream| self.reserve_open(entries, stream, span))
    }

    /// A segment with memory that is in no list.
    fn free_segment(&self, entries: &Entries, priority: Priority) -> Option<usize> {
        let log = &entries.log;
        loop {
            if let Some(segment) = self.streams.take_free(self.left_for_others(entries, priority)) {
                return Some(segment);
            }
            // Dead segments are used again before memory that was not touched yet.
            self.streams.collect_dead(log, 4);
            // While another thread is about to free some, freeing more would empty all there is. A dense
            // cache empties as much again soon.
            let waits = || !self.full.evicts() || !self.is_dense(entries);
            let is_short = || self.is_short_of_bytes(entries);
            if self.streams.release_or_wait(log, &self.budget, is_short, waits) {
                continue;
            }
            let size = self.segment_bytes() as u64;
            let segment = self.streams.provide(log, &self.budget, size, self.index_allowance())?;
            if self.full.uses_new_memory(priority) {
                return Some(segment);
            }
            self.streams.put_back(segment);
        }
    }

    pub(crate) fn usage(&self, entries: &Entries) -> Usage {
        Usage {
            present: self.streams.present(),
            segment_bytes: self.segment_bytes() as u64,
            evictors: self.layout.evictors,
            largest_segments: entries.headroom.as_ref().map_or(1, |headroom| headroom.segments()),
        }
    }

    pub(crate) fn left_for_others(&self, entries: &Entries, priority: Priority) -> usize {
        self.full.left_for_others(priority, &self.usage(entries))
    }

    /// Segments that are free, or about to be, while writes pay as they go.
    pub(crate) fn free_ahead(&self, entries: &Entries) -> u64 {
        let kept = self.usage(entries).kept_for_moved() as u64;
        kept + self.streams.counts().stripes as u64 + self.streams.batch()
    }

    /// Whether the budget has room for one more segment, and for the index to grow beside it.
    pub(crate) fn has_bytes_for_segment(&self) -> bool {
        self.budget.left() >= Streams::cost(self.segment_bytes() as u64) + self.index_allowance()
    }

    /// Bytes of the budget that segments leave to the index.
    pub(crate) fn index_allowance(&self) -> u64 {
        (self.budget.limit() / 512).max(1024)
    }

    /// Whether most of what segments hold is alive, by an estimate.
    pub(crate) fn is_dense(&self, entries: &Entries) -> bool {
        let counters = &entries.counters;
        let alive = counters.payload() + counters.keys_about() * HEADER_BYTES as u64;
        alive / 5 >= self.streams.present() * self.segment_bytes() as u64 / 8
    }

    /// Frees segments without readers. While bytes are wanted for the index, or the cache shrinks,
    /// they go to the budget.
    pub(crate) fn release(&self, entries: &Entries) {
        self.streams.release(&entries.log, &self.budget, || self.is_short_of_bytes(entries));
    }

    fn is_short_of_bytes(&self, entries: &Entries) -> bool {
        let few = self.index_allowance() / 2;
        let index_is_full = || entries.counters.keys_about() > entries.index.buckets() * KEYS_PER_BUCKET;
        self.budget.used() > self.budget.limit() || (self.budget.left() < few && index_is_full())
    }

    /// The inputs of the policy's choices.
    pub(crate) fn facts(&self, entries: &Entries) -> Facts {
        let capacity = self.budget.limit().saturating_sub(self.fixed_bytes + entries.index.bytes());
        Facts {
            capacity,
            taken: self.streams.taken(),
            tail_opened: self.streams.tail_opened(),
            keys: entries.counters.keys_about(),
        }
    }

    /// The queue for an entry that is about to be written: that of the entry it replaces, or the
    /// policy's choice. Another writer of the key may make it the wrong one; that does no harm.
    pub(crate) fn queue_of_new(&self, entries: &Entries, hash: u64) -> Queue {
        if let Some(only) = self.full.only_queue() {
            return only;
        }
        if let Some(slot) = prefetch_replaced(entries, hash) {
            return self.queue_at(entries, slot.location());
        }
        self.queue_for_key(entries, hash)
    }

    /// The policy's choice for a key that is not there.
    #[inline(always)]
    fn queue_for_key(&self, entries: &Entries, hash: u64) -> Queue {
        let facts = self.facts(entries);
        let index = &entries.index;
        let ghost = if self.policy.has_evicted() {
            self.ghosts.take(hash, index.bucket_of(hash), index.buckets())
        } else {
            GhostHit::default()
        };
        self.policy.queue_for(ghost, &facts)
    }

    /// The queue that an item is in.
    pub(crate) fn queue_at(&self, entries: &Entries, location: Location) -> Queue {
        queue_of(entries.log.segment_at(location).place())
    }

    /// Remembers a live entry that was evicted from a queue.
    pub(crate) fn note_evicted(&self, entries: &Entries, queue: Queue, hash: u64) {
        self.policy.evicted(queue);
        let bucket = entries.index.bucket_of(hash);
        match queue {
            Queue::Small => self.ghosts.push_small(hash, bucket),
            Queue::Main => self.ghosts.push_main(hash, bucket),
        }
    }

    /// The stream in which this thread appends entries of a queue that end at `deadline`.
    #[inline(always)]
    pub(crate) fn stream(&self, queue: Queue, deadline: u64, now: &CallTime<'_>) -> Stream {
        let counts = self.streams.counts();
        let class = match deadline {
            NEVER => 0,
            _ if counts.classes == 1 => 0,
            deadline => 1 + ttl_class(deadline.saturating_sub(now.get())).min(counts.classes - 2),
        };
        let stripe = threads::number() & (counts.stripes - 1);
        Stream { queue, class, stripe, deadline }
    }
}

/// Asks for the memory of the entry that a write replaces, so that it is there when the write locks the
/// bucket: it comes while the new item is written. Answers the entry's slot, if there seems to be one.
#[inline(always)]
pub(crate) fn prefetch_replaced(entries: &Entries, hash: u64) -> Option<Slot> {
    let slot = entries.index.peek(hash)?;
    entries.log.prefetch_key(slot);
    entries.log.segment_at(slot.location()).prefetch_dead();
    Some(slot)
}

/// A few classes of the time that is left until a deadline, so that entries that expire together lie
/// together.
fn ttl_class(left: u64) -> usize {
    const SECOND: u64 = 1_000_000_000;
    match left / SECOND {
        0..64 => 0,
        64..4096 => 1,
        _ => 2,
    }
}
