//! Appending to the log: an item gets room in its lane's open segment, and a lane a new segment
//! when its own is full.
//!
//! - *Pays as it goes*: in a full cache a write that fills a stretch of a segment evicts about as
//!   much in return, so that the next segment is free before it is needed.
//! - *Something is kept back*: the last free segments are for those who free others: survivors of
//!   an eviction, overwrites in a cache that rejects.

use std::sync::atomic::Ordering;

use crate::engine::{Engine, Moment};
use crate::entry::Entry;
use crate::ghosts::Recall;
use crate::item::{Content, Layout, PIECE_HEADER_BYTES};
use crate::lanes::{Advance, Lane};
use crate::large::Head;
use crate::largest::CountedIn;
use crate::log::Reservation;
use crate::shape;
use crate::slot::{Location, Slot};
use crate::tide::Side;
use crate::ttl::NEVER;
use crate::{WhenFull, threads};

mod obtain;

pub(crate) use obtain::Refused;

/// What room is needed for: whoever comes later in this list may take more of the last of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    New,
    /// An entry that takes no more than the one it replaces, or than what went, where nothing is
    /// evicted.
    Overwrite,
    /// An entry that was there before and is moved.
    Survivor,
}

/// The room of a segment is paid for in so many stretches (as a power of two), in fewer if they
/// would be shorter than the next, but at least in two.
const STRETCHES: u32 = 5;
const LEAST_STRETCH: u32 = 9;

/// An item that takes one over this of a segment, or less, is not cut to fit the end of one: what
/// is left there is little.
const UNCUT: usize = 16;

/// Nor is one of so few bytes, if a segment holds it: what is read most is read in place.
const UNCUT_BYTES: usize = 4608;

/// An item that takes one over this of a segment, or less, is paid for after it was written: nothing
/// is evicted then that is as new.
const SMALL: usize = 8;

/// The smallest piece: more than the head, which is written anew when a piece is moved.
const LEAST_PIECE_BYTES: usize = 256;

/// An entry in the log that no slot names yet. Its room is dead again when it is dropped; its
/// segments are not drained before.
#[derive(Debug)]
pub(crate) struct Appended<'a> {
    room: Reservation<'a>,
    pieces: Vec<Reservation<'a>>,
    counted: Option<CountedIn<'a>>,
}

/// What came of making room for a write that may have to begin anew.
#[derive(Debug)]
pub(crate) struct Kept<R> {
    pub(crate) room: Option<R>,
    /// There was none to be had. It is not asked for again: that may move the very entry which the
    /// write depends on, each time.
    pub(crate) refused: bool,
}

impl<R> Default for Kept<R> {
    fn default() -> Kept<R> {
        Kept { room: None, refused: false }
    }
}

impl<'a> Appended<'a> {
    pub(crate) fn whole(room: Reservation<'a>) -> Appended<'a> {
        Appended { room, pieces: Vec::new(), counted: None }
    }

    pub(crate) fn location(&self) -> Location {
        self.room.location()
    }

    /// A slot names the entry, or did.
    pub(crate) fn publish(self) {
        self.room.publish();
        self.pieces.into_iter().for_each(Reservation::publish);
        self.counted.into_iter().for_each(CountedIn::keep);
    }
}

impl Engine {
    /// Puts a new entry into the log. `None` if there is no room to be had.
    pub(crate) fn append(&self, entry: &Entry<'_>, need: Need, now: &Moment<'_>) -> Option<Appended<'_>> {
        let side = self.side_of_new(entry.key.hash);
        self.append_to(self.lane(side, entry.deadline, now), entry, need)
    }

    /// The same for an entry that makes one small item wherever it is appended; `None` also for
    /// others. The room is to be [paid](Engine::pay) for when it is done.
    #[inline(always)]
    pub(crate) fn append_usual(&self, entry: &Entry<'_>, now: &Moment<'_>) -> Option<Reservation<'_>> {
        let content = entry.content();
        let is_small = |layout: &Layout| layout.len() <= self.segment_size() / SMALL;
        Layout::of(&content, None).filter(|layout| is_small(layout) && self.is_uncut(layout))?;
        let side = self.side_of_new(entry.key.hash);
        self.write(self.lane(side, entry.deadline, now), &content, Need::New)
    }

    /// Whether an item is never cut to fit the end of a segment.
    #[inline(always)]
    fn is_uncut(&self, layout: &Layout) -> bool {
        let size = self.segment_size();
        layout.len() <= UNCUT_BYTES.max(size / UNCUT).min(size)
    }

    /// Puts an entry into a lane. `None` if there is no room to be had.
    pub(crate) fn append_to(&self, lane: Lane, entry: &Entry<'_>, need: Need) -> Option<Appended<'_>> {
        let content = entry.content();
        let size = self.segment_size();
        if let Some(layout) = Layout::of(&content, None).filter(|layout| layout.len() <= size)
            && (self.is_uncut(&layout) || self.room_left(lane) >= layout.len())
        {
            self.note_uncut(&layout);
            let room = self.write(lane, &content, need)?;
            return Some(Appended::whole(self.paid(room, need)));
        }
        self.append_cut(entry, lane, &content, need)
    }

    /// Puts one item into the log. `None` if there is no room to be had, or it is too large for a
    /// segment.
    pub(crate) fn append_item(
        &self,
        lane: Lane,
        content: &Content<'_>,
        need: Need,
    ) -> Option<Reservation<'_>> {
        Layout::of(content, None).filter(|layout| layout.len() <= self.segment_size())?;
        self.write(lane, content, need).map(|room| self.paid(room, need))
    }

    /// Puts an item into a segment, in the form that its deadline has there. Pays nothing.
    #[inline(always)]
    fn write(&self, lane: Lane, content: &Content<'_>, need: Need) -> Option<Reservation<'_>> {
        if content.deadline.is_some() {
            return self.write_due(lane, content, need);
        }
        let layout = Layout::of(content, None)?;
        let mut room = self.reserve_unpaid(lane, (layout.len(), layout.len()), need)?;
        room.write(&layout, content);
        Some(room)
    }

    fn write_due(&self, lane: Lane, content: &Content<'_>, need: Need) -> Option<Reservation<'_>> {
        let mut base = Some(self.lanes.base(&self.log, lane));
        loop {
            let layout = Layout::of(content, base)?;
            let mut room = self.reserve_unpaid(lane, (layout.len(), layout.len()), need)?;
            if !layout.is_from_base() || base == Some(room.base()) {
                room.note_deadline(content.deadline);
                room.write(&layout, content);
                return Some(room);
            }
            // The lane has gone on to a segment of another base. It is in full then, in any.
            base = None;
        }
    }

    /// Cuts an entry, so that the room at the end of a segment is used.
    #[cold]
    fn append_cut(
        &self,
        entry: &Entry<'_>,
        lane: Lane,
        whole: &Content<'_>,
        need: Need,
    ) -> Option<Appended<'_>> {
        let size = self.segment_size();
        let (key, key_rest) = entry.key.bytes.split_at(entry.key.bytes.len().min(size / 4));
        let rest = [key_rest, entry.value];
        let len = key_rest.len() + entry.value.len();
        let counted = self.segments_if_cut(entry.payload()).map(|segments| self.largest.count_in(segments));
        let least = self.least_piece();
        if self.room_left(lane) < least
            && key_rest.is_empty()
            && let Some(room) = self.append_item(lane, whole, need)
        {
            // It begins a new segment, and fits it.
            return Some(Appended::whole(room));
        }
        let (mut pieces, mut at) = (Vec::new(), 0);
        while at < len {
            let most = len - at + PIECE_HEADER_BYTES;
            let mut room = self.reserve(lane, (least.min(most), most), need)?;
            room.note_deadline(whole.deadline);
            room.write_piece(entry.key.hash, rest, at);
            at += room.len() - PIECE_HEADER_BYTES;
            pieces.push(room);
        }
        let locations: Vec<_> = pieces.iter().map(Reservation::location).collect();
        let value = Head::write(entry.key.hash, (key_rest.len(), entry.value.len()), &locations);
        let room = self.append_item(lane, &Content { key, value: &value, head: true, ..*whole }, need)?;
        Some(Appended { room, pieces, counted })
    }

    /// The bytes of the smallest item that a piece makes, unless there is less.
    pub(crate) fn least_piece(&self) -> usize {
        let size = self.segment_size();
        PIECE_HEADER_BYTES + (size / 64).max(LEAST_PIECE_BYTES).min(size / 4)
    }

    /// The segments that an entry with so much payload counts for once it is cut, if that matters.
    pub(crate) fn segments_if_cut(&self, payload: u64) -> Option<u64> {
        // Where nothing is evicted, segments keep their size.
        (self.when_full == WhenFull::Reject).then(|| payload / self.segment_size() as u64 + 2)
    }

    /// The bytes left in the open segment of a lane.
    fn room_left(&self, lane: Lane) -> usize {
        let open = self.lanes.current(lane).map(|segment| self.log.segment(segment));
        open.map_or(0, |segment| segment.size().saturating_sub(segment.fill()) as usize)
    }

    /// The queue for what is about to be written: that of the entry it replaces, or as the policy
    /// says. Another writer of the key may make it the wrong one; that does no harm.
    fn side_of_new(&self, hash: u64) -> Side {
        if self.when_full == WhenFull::Reject {
            return Side::Main;
        }
        if let Some(slot) = self.prefetch_old(hash) {
            return self.side_at(slot.location());
        }
        let facts = self.facts();
        let recall = if self.tide.has_evicted() {
            self.ghosts.take(hash, self.index.bucket_of(hash), self.index.buckets())
        } else {
            Recall::default()
        };
        self.tide.side_for(recall, &facts)
    }

    /// Asks for what a write needs of the entry that it replaces, when it holds the bucket: it comes
    /// while the new item is written. Answers the entry's slot, as it may be.
    #[inline(always)]
    pub(crate) fn prefetch_old(&self, hash: u64) -> Option<Slot> {
        let slot = self.index.peek(hash)?;
        self.log.prefetch_key(slot);
        self.log.segment_at(slot.location()).prefetch_dead();
        Some(slot)
    }

    pub(crate) fn lane(&self, side: Side, deadline: u64, now: &Moment<'_>) -> Lane {
        let shape = self.lanes.shape();
        let class = match deadline {
            NEVER => 0,
            _ if shape.classes == 1 => 0,
            deadline => 1 + class_of(deadline.saturating_sub(now.get())).min(shape.classes - 2),
        };
        // Where nothing is evicted, the small queue is that of entries moved together, a segment at a
        // time: nobody else takes the room that they go to.
        let is_reserved = self.when_full == WhenFull::Reject && side == Side::Small;
        let stripe = if is_reserved { 0 } else { threads::number() & (shape.stripes - 1) };
        Lane { side, class, stripe, deadline }
    }

    /// The bytes of segments that are provided from here on.
    pub(crate) fn segment_size(&self) -> usize {
        self.size.load(Ordering::Relaxed) as usize
    }

    /// Sets it for a budget. A cache that rejects keeps what it has, whatever its size.
    pub(crate) fn fit_segment_size(&self, budget: u64) {
        if self.when_full == WhenFull::Evict {
            let bits = shape::segment_bits(budget).min(self.shape.segment_bits);
            self.size.store(1 << bits, Ordering::Relaxed);
        }
    }

    /// Room in a lane: as much of the second number of bytes as there is, but not less than the
    /// first. `None` if there is none to be had.
    pub(crate) fn reserve(
        &self,
        lane: Lane,
        (least, most): (usize, usize),
        need: Need,
    ) -> Option<Reservation<'_>> {
        self.reserve_unpaid(lane, (least, most), need).map(|room| self.paid(room, need))
    }

    #[inline(always)]
    fn reserve_unpaid(
        &self,
        lane: Lane,
        (least, most): (usize, usize),
        need: Need,
    ) -> Option<Reservation<'_>> {
        if let Some(room) = self.reserve_here(lane, (least, most)) {
            return Some(room);
        }
        self.reserve_anew(lane, (least, most), need)
    }

    /// The same in the segment that is open.
    #[inline(always)]
    fn reserve_here(&self, lane: Lane, (least, most): (usize, usize)) -> Option<Reservation<'_>> {
        self.log.reserve_part(self.lanes.current(lane)?, (least, most)).ok()
    }

    /// The same in one that has more room.
    #[cold]
    #[inline(never)]
    fn reserve_anew(&self, lane: Lane, (least, most): (usize, usize), need: Need) -> Option<Reservation<'_>> {
        if least > self.segment_size() {
            // It was written when the cache was larger.
            return None;
        }
        let mut drained = 0;
        loop {
            let current = self.lanes.current(lane);
            if let Some(room) = self.reserve_here(lane, (least, most)) {
                return Some(room);
            }
            let Some(fresh) = self.obtain(need, &mut drained) else {
                return self.reserve_elsewhere(lane, (least, most));
            };
            let Some(fresh) = fresh else { continue };
            if self.log.segment(fresh).size() < least as u64 {
                // One of the time when the cache was smaller: its bytes are for a larger one.
                self.lanes.put_back(fresh);
                if !self.lanes.withdraw_one(&self.log, &self.budget) {
                    return None;
                }
                continue;
            }
            let (clock, window) = (self.tide.clock(), self.tide.window());
            let advance = Advance { lane, seen: current, fresh, clock, window };
            self.lanes.advance(&self.log, advance);
        }
    }

    /// The same in what another stripe of writers has open, where nothing is evicted: no write is
    /// refused for room that is there.
    fn reserve_elsewhere(&self, lane: Lane, (least, most): (usize, usize)) -> Option<Reservation<'_>> {
        if self.when_full == WhenFull::Evict {
            return None;
        }
        let stripes = 0..self.lanes.shape().stripes;
        stripes.map(|stripe| Lane { stripe, ..lane }).find_map(|lane| self.reserve_here(lane, (least, most)))
    }

    /// The same room; those pay for theirs who bring something.
    fn paid<'a>(&self, room: Reservation<'a>, need: Need) -> Reservation<'a> {
        if need < Need::Survivor {
            self.pay(room.offset(), room.len());
        }
        room
    }

    /// Evicts in return for a stretch that was filled, if the cache is full.
    #[inline(always)]
    pub(crate) fn pay(&self, offset: usize, len: usize) {
        // Segments have a power of two of bytes.
        let size = self.segment_size().ilog2();
        let stretch_bits = size.saturating_sub(STRETCHES).max(LEAST_STRETCH).min(size.saturating_sub(1));
        if offset >> stretch_bits != (offset + len) >> stretch_bits {
            self.pay_for(len.max(1 << stretch_bits));
        }
    }

    #[inline(never)]
    fn pay_for(&self, bytes: usize) {
        if self.when_full == WhenFull::Evict
            && self.lanes.spare() <= self.ahead()
            && !self.has_room_for_segment()
        {
            self.evict_some(bytes);
        }
    }
}

/// A few classes of what is left until a deadline, so that what expires together lies together.
fn class_of(left: u64) -> usize {
    const SECOND: u64 = 1_000_000_000;
    match left / SECOND {
        0..64 => 0,
        64..4096 => 1,
        _ => 2,
    }
}
