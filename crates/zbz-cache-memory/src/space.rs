//! [`Space`]: room for what is written: reserving, and freeing where that is not enough.
//!
//! May reserve room, evict, move entries, and grow or shrink the index. One loop stands above reserving
//! (`space/room.rs`, which never evicts) and freeing (`space/evictors.rs`): [`Space::reserve_or_free`]. It
//! serves writers; entries that are moved are reserved for without it, so freeing never frees again.
//!
//! - *Pays as it goes*: in a full cache a write that fills a stretch of a segment evicts about as
//!   much in return, so that the next segment is free before it is needed. New data triggers eviction;
//!   moved data does not.

pub(crate) mod append;
pub(crate) mod evictors;
pub(crate) mod full;
pub(crate) mod layout;
pub(crate) mod room;
pub(crate) mod streams;
pub(crate) mod walk;

use crate::base::counters::Count;
use crate::entries::Entries;
use crate::entries::entry::Entry;
use crate::entries::removal::Call;
use crate::log::item::Layout;
use crate::log::{Reservation, SegmentRange, Span};
use append::{Appended, Reserve, append_entry, append_to_next};
use evictors::Evictors;
use full::{FullAction, Priority};
use layout::KEYS_PER_BUCKET;
use room::{Request, Room};
use streams::Stream;
use walk::Walker;

/// The room of a segment is paid for in so many stretches (as a power of two), in fewer if they
/// would be shorter than the next, but at least in two.
const STRETCHES: u32 = 5;
const LEAST_STRETCH: u32 = 9;

/// An item that takes one over this of a segment, or less, is paid for after it was published, so that
/// nothing equally new is evicted.
const SMALL: usize = 8;

/// Keys in a bucket, on average, beyond which the index grows, and below which it shrinks.
const MOST_PER_BUCKET: u64 = KEYS_PER_BUCKET;
const LEAST_PER_BUCKET: u64 = 7;

/// Steps by which the index follows the entries that one step of a walk evicted.
const STEPS_AFTER_WALK: usize = 8;

/// Buckets whose ghosts' memory is given back together: pages of both of their tables.
const GHOSTS_GIVEN_BACK: u64 = 2048;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) room: Room,
    pub(crate) evictors: Evictors,
}

/// Reserves room for a write, and has some freed if there is none. What is reserved is paid for at once.
pub(crate) struct Writer<'a, 'c, 't> {
    space: &'a Space,
    entries: &'a Entries,
    priority: Priority,
    call: &'c mut Call<'t>,
}

impl<'a> Reserve<'a> for Writer<'a, '_, '_> {
    fn room(&self) -> &'a Room {
        &self.space.room
    }

    fn entries(&self) -> &'a Entries {
        self.entries
    }

    fn reserve(&mut self, stream: Stream, span: Span) -> Option<Reservation<'a>> {
        let Writer { space, entries, priority, .. } = *self;
        let room = space.reserve_or_free(entries, Request { stream, span, priority }, self.call)?;
        if priority < Priority::Moved {
            space.pay(entries, room.range(), self.call);
        }
        Some(room)
    }
}

/// The [`Writer`] of a new entry that is paid for later.
struct LaterPaid<'a, 'c, 't>(Writer<'a, 'c, 't>);

impl<'a> Reserve<'a> for LaterPaid<'a, '_, '_> {
    fn room(&self) -> &'a Room {
        &self.0.space.room
    }

    fn entries(&self) -> &'a Entries {
        self.0.entries
    }

    fn reserve(&mut self, stream: Stream, span: Span) -> Option<Reservation<'a>> {
        let Writer { space, entries, priority, .. } = self.0;
        space.reserve_or_free(entries, Request { stream, span, priority }, self.0.call)
    }
}

impl Space {
    pub(crate) fn walker<'a>(&'a self, entries: &'a Entries) -> Walker<'a> {
        Walker { entries, room: &self.room }
    }

    /// Writes a new entry into the log. `None` if there is no room to be had.
    pub(crate) fn append<'a>(
        &'a self,
        entries: &'a Entries,
        entry: &Entry<'_>,
        priority: Priority,
        call: &mut Call<'_>,
    ) -> Option<Appended<'a>> {
        let queue = self.room.queue_of_new(entries, entry.key.hash);
        let stream = self.room.stream(queue, entry.deadline, &call.now);
        append_entry(&mut self.writer(entries, priority, call), stream, entry)
    }

    /// [`append`](Space::append) for an entry that makes one small item wherever it is appended; `None`
    /// also for others, and in a cache that rejects. The room is to be [paid](Space::pay) for when the
    /// entry is published.
    #[inline(always)]
    pub(crate) fn append_usual<'a>(
        &'a self,
        entries: &'a Entries,
        entry: &Entry<'_>,
        call: &mut Call<'_>,
    ) -> Option<Reservation<'a>> {
        if !self.room.full.evicts() {
            return None;
        }
        let content = entry.content();
        let layout = Layout::of(&content, None)?;
        if layout.len() > self.room.segment_bytes() / SMALL || !self.room.is_never_chunked(&layout) {
            return None;
        }
        let queue = self.room.queue_of_new(entries, entry.key.hash);
        let stream = self.room.stream(queue, entry.deadline, &call.now);
        let (log, open) = (&entries.log, self.room.streams.current(stream));
        if content.deadline.is_none() {
            // It has the same layout in every segment.
            if let Some(open) = open
                && let Ok(mut room) = log.reserve_span(open, Span::exactly(layout.len()))
            {
                room.write(&layout, &content);
                return Some(room);
            }
        } else if let Some(open) = open {
            let base = log.segment(open).base();
            let layout = Layout::of(&content, Some(base))?;
            // The segment may have been opened anew since its base was read: then what was reserved is given up.
            if let Ok(mut room) = log.reserve_span(open, Span::exactly(layout.len()))
                && (!layout.is_from_base() || base == room.base())
            {
                room.note_deadline(content.deadline);
                room.write(&layout, &content);
                return Some(room);
            }
        }
        append_to_next(LaterPaid(self.writer(entries, Priority::New, call)), stream, &content)
    }

    /// The appender for a write with this priority.
    pub(crate) fn writer<'a, 'c, 't>(
        &'a self,
        entries: &'a Entries,
        priority: Priority,
        call: &'c mut Call<'t>,
    ) -> Writer<'a, 'c, 't> {
        Writer { space: self, entries, priority, call }
    }

    /// Room in a stream: what is free, or else what can be freed.
    #[inline(always)]
    fn reserve_or_free<'a>(
        &self,
        entries: &'a Entries,
        request: Request,
        call: &mut Call<'_>,
    ) -> Option<Reservation<'a>> {
        if let Some(room) = self.room.reserve(entries, request) {
            return Some(room);
        }
        self.free_and_reserve(entries, request, call)
    }

    #[cold]
    #[inline(never)]
    fn free_and_reserve<'a>(
        &self,
        entries: &'a Entries,
        request: Request,
        call: &mut Call<'_>,
    ) -> Option<Reservation<'a>> {
        if request.span.least > self.room.segment_bytes() {
            return None;
        }
        let mut drained = 0;
        loop {
            drained += self.free(entries, request.priority, drained, call)?;
            if let Some(room) = self.room.reserve(entries, request) {
                return Some(room);
            }
        }
    }

    /// A step towards a free segment for a write that had `drained` emptied so far. Answers how many more
    /// were emptied; `None` if nothing can be done.
    fn free(
        &self,
        entries: &Entries,
        priority: Priority,
        drained: usize,
        call: &mut Call<'_>,
    ) -> Option<usize> {
        let walker = self.walker(entries);
        match self.room.full.without_room(priority, drained, &self.room.usage(entries)) {
            FullAction::GiveUp => None,
            FullAction::Evict => self.evict_for_segment(entries, drained, call),
            // Others may use what it gains, so it counts as one whatever it comes to.
            FullAction::Compact => self.evictors.compact_for_segment(walker, call).map(|more| more.max(1)),
        }
    }

    /// A step of an eviction towards a free segment; see [`Evictors::evict_for_segment`].
    pub(crate) fn evict_for_segment(
        &self,
        entries: &Entries,
        drained: usize,
        call: &mut Call<'_>,
    ) -> Option<usize> {
        let more = self.evictors.evict_for_segment(self.walker(entries), drained, call);
        self.fit_index_after_walk(entries, call);
        more
    }

    /// Evicts in return for a part of a segment that was filled, if that ends a stretch and the cache is full.
    #[inline(always)]
    pub(crate) fn pay(&self, entries: &Entries, filled: SegmentRange, call: &mut Call<'_>) {
        let SegmentRange { offset, len } = filled;
        // Segments have a power of two of bytes.
        let size = self.room.segment_bytes().ilog2();
        let stretch_bits = size.saturating_sub(STRETCHES).max(LEAST_STRETCH).min(size.saturating_sub(1));
        if offset >> stretch_bits != (offset + len) >> stretch_bits {
            self.pay_for(entries, len.max(1 << stretch_bits), call);
        }
    }

    #[inline(never)]
    fn pay_for(&self, entries: &Entries, bytes: usize, call: &mut Call<'_>) {
        let room = &self.room;
        if !room.full.evicts()
            || room.streams.spare() > room.free_ahead(entries)
            || room.has_bytes_for_segment()
        {
            return;
        }
        self.evictors.evict_some(self.walker(entries), bytes as u64, call);
        self.fit_index_after_walk(entries, call);
        if room.streams.spare() <= 1 {
            room.release(entries);
        }
    }

    /// Fits the index to the number of keys, by a step at the most. Whether there was one.
    #[inline]
    pub(crate) fn fit_index(&self, entries: &Entries, call: &mut Call<'_>) -> bool {
        let (keys, buckets) = (entries.counters.keys_about(), entries.index.buckets());
        if keys > buckets * MOST_PER_BUCKET {
            self.grow_index(entries, call)
        } else if keys < buckets * LEAST_PER_BUCKET {
            self.shrink_index_once(entries, call)
        } else {
            false
        }
    }

    fn fit_index_after_walk(&self, entries: &Entries, call: &mut Call<'_>) {
        for _ in 0..STEPS_AFTER_WALK {
            if !self.fit_index(entries, call) {
                return;
            }
        }
    }

    #[inline(never)]
    fn grow_index(&self, entries: &Entries, call: &mut Call<'_>) -> bool {
        let has_grown = entries.grow_index(call);
        if !has_grown {
            self.give_to_index(entries, call);
        }
        has_grown
    }

    #[inline(never)]
    fn shrink_index_once(&self, entries: &Entries, call: &mut Call<'_>) -> bool {
        let has_shrunk = entries.shrink_index(call);
        let buckets = entries.index.buckets();
        if has_shrunk && buckets.is_multiple_of(GHOSTS_GIVEN_BACK) {
            self.room.ghosts.give_back(buckets..buckets + GHOSTS_GIVEN_BACK);
        }
        has_shrunk
    }

    /// Shrinks the index as far as its keys allow.
    pub(crate) fn shrink_index(&self, entries: &Entries, call: &mut Call<'_>) {
        while entries.counters.keys() < entries.index.buckets() * LEAST_PER_BUCKET
            && self.shrink_index_once(entries, call)
        {}
    }

    /// Has segments make room for an index that cannot grow, in a cache that rejects. In one that evicts,
    /// the entries that are evicted do that by themselves.
    #[cold]
    pub(crate) fn give_to_index(&self, entries: &Entries, call: &mut Call<'_>) {
        let (room, log) = (&self.room, &entries.log);
        let is_short = || room.budget.left() < room.index_allowance() / 2;
        if room.full.evicts() || !is_short() {
            return;
        }
        room.streams.collect_dead(log, 4);
        let kept = room.left_for_others(entries, Priority::New) as u64;
        if self.leaves(entries, kept, room.segment_bytes() as u64) {
            self.evictors.compact_if_idle(self.walker(entries), call);
        }
        room.streams.release(log, &room.budget, is_short);
        if is_short() && room.streams.spare() > kept {
            room.streams.withdraw_one(log, &room.budget);
        }
    }

    /// Whether so many bytes more would leave so many segments free, once entries are moved together.
    fn leaves(&self, entries: &Entries, segments: u64, more: u64) -> bool {
        let streams = &self.room.streams;
        let most = streams.present().saturating_sub(segments) * self.room.segment_bytes() as u64;
        streams.occupied(&entries.log) + more <= most
    }

    /// Whether a cache that rejects has room for a write that was refused and that brings so many bytes
    /// more, once entries are moved together:
    ///
    /// - what is kept free for overwrites stays free; or
    /// - as much was alive before, and was removed. Then moving entries may have used a part of what is
    ///   kept free, at the ends of segments.
    pub(crate) fn fits_when_compacted(&self, entries: &Entries, more: u64) -> bool {
        let Some(rejecting) = self.room.full.rejecting() else { return false };
        let written = entries.counters.sum(Count::PayloadIn) + entries.counters.sum(Count::PayloadOut);
        let mut refusals = rejecting.refusals();
        if refusals.is_as_last(written, more) {
            // Looking at all segments again would come to the same.
            return false;
        }
        let streams = &self.room.streams;
        let was_alive = refusals.was_alive(streams.alive(&entries.log), more);
        let kept = self.room.left_for_others(entries, Priority::New) as u64;
        let part = streams.present() / 32 + 2;
        let fits = self.leaves(entries, kept, more)
            || (was_alive && self.leaves(entries, kept.saturating_sub(part), more));
        if !fits {
            refusals.remember(written, more);
        }
        fits
    }

    /// Gives the memory back of all segments that are dead, and of the index that is not needed.
    pub(crate) fn release_all(&self, entries: &Entries, call: &mut Call<'_>) {
        let (streams, log, budget) = (&self.room.streams, &entries.log, &self.room.budget);
        streams.close_streams(log, |_| true);
        self.evictors.finish_dead(self.walker(entries), call);
        streams.collect_dead(log, usize::MAX);
        streams.release_all(log, budget);
        while streams.withdraw_one(log, budget) {}
        streams.forget_absent();
        self.shrink_index(entries, call);
    }
}
