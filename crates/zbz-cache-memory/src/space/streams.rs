//! [`Streams`]: the state of each segment: open in a stream, in a queue, in limbo, free, or absent.
//!
//! A *stream* is where one stripe of writers appends items of one queue and one class of deadlines;
//! it has one open segment at a time. A sealed segment waits in its queue, oldest first, until it
//! is drained; then in limbo, until it has no readers; then it is free.
//!
//! - *One place*: a segment is in one stream, queue or list at a time, or one thread is moving it.
//!   Lists change under the lock, which is held for a few list operations and nothing else.
//! - *Paid for*: a segment that is not absent has its bytes taken from the budget.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::base::hazard::HazardPointer;
use crate::base::sync::CachePadded;
use crate::base::ttl::NEVER;
use crate::log::Log;
use crate::log::deadline::base_for;
use crate::log::segment::{Opening, Phase, Segment};
use crate::policy::{QUEUES, Queue};

mod lists;
mod pick;
mod supply;

use lists::{Lists, NOWHERE};

/// The cost of a segment beside its bytes: its words, its links, and its place in a list.
const TABLE_BYTES: u64 = 160;

/// Segments of a queue that are looked at for one that can be drained.
const LOOKS: usize = 8;

/// Segments that are looked at for one that is nearly empty: more where they are larger and fewer
/// looks are due.
const SAMPLE: std::ops::RangeInclusive<usize> = 32..=128;

/// Where in the cache an item of one kind is appended by one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) queue: Queue,
    /// Of deadlines; zero for items without.
    pub(crate) class: usize,
    pub(crate) stripe: usize,
    /// A deadline of what is to be written there, `NEVER` for none: says what others are counted
    /// from in its next segment.
    pub(crate) deadline: u64,
}

impl Stream {
    fn place(self) -> u32 {
        self.queue as u32 | (self.class as u32) << 1
    }
}

/// The queue that a segment was opened for.
#[inline(always)]
pub(crate) fn queue_of(place: u32) -> Queue {
    QUEUES[place as usize & 1]
}

/// A stream that goes on to another segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Advance {
    pub(crate) stream: Stream,
    /// Its segment as the caller saw it.
    pub(crate) seen: Option<usize>,
    /// The one that it gets; the caller's, and free.
    pub(crate) fresh: usize,
    /// The eviction clock.
    pub(crate) clock: u64,
    /// The newest bytes of the small queue, whose hits do not count.
    pub(crate) window: u64,
}

/// How many streams there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamCounts {
    pub(crate) classes: usize,
    pub(crate) stripes: usize,
}

/// The open segment of a stream, plus one; zero for none.
type Open = AtomicU64;

/// The state of the thread that frees segments from limbo.
#[derive(Debug, Default)]
struct Recycler {
    limbo: Vec<u32>,
    protected: Vec<HazardPointer>,
    /// When the last look at the hazard pointers ended.
    looked: Option<Instant>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Streams {
    counts: StreamCounts,
    open: Box<[CachePadded<Open>]>,
    lists: CachePadded<Mutex<Lists>>,
    recycler: CachePadded<Mutex<Recycler>>,
    gauges: CachePadded<Gauges>,
}

/// Counts about the lists that are read without their lock.
#[derive(Debug)]
struct Gauges {
    /// Segments that are free or in limbo.
    spare: AtomicU64,
    /// Segments that are not absent.
    present: AtomicU64,
    /// See `batch`.
    batch: AtomicU64,
    /// Bytes of each queue's segments.
    taken: [AtomicU64; 2],
    /// See `counts_through`.
    counts_through: AtomicU64,
    /// The eviction clock when the oldest segment of each queue was opened.
    tail_opened: [AtomicU64; 2],
}

impl Streams {
    pub(crate) fn new(counts: StreamCounts) -> Streams {
        let streams = 2 * counts.classes * counts.stripes;
        Streams {
            counts,
            open: (0..streams).map(|_| CachePadded::default()).collect(),
            lists: CachePadded::default(),
            recycler: CachePadded::default(),
            gauges: CachePadded::new(Gauges {
                spare: AtomicU64::new(0),
                present: AtomicU64::new(0),
                batch: AtomicU64::new(0),
                taken: [const { AtomicU64::new(0) }; 2],
                counts_through: AtomicU64::new(0),
                tail_opened: [const { AtomicU64::new(u64::MAX) }; 2],
            }),
        }
    }

    pub(crate) fn counts(&self) -> StreamCounts {
        self.counts
    }

    pub(crate) fn bytes(&self) -> u64 {
        size_of_val(&*self.open) as u64
    }

    /// The cost of a segment of this size to the budget.
    pub(crate) fn cost(size: u64) -> u64 {
        size + TABLE_BYTES
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cell(&self, stream: Stream) -> &AtomicU64 {
        let StreamCounts { classes, stripes } = self.counts;
        &self.open[(stream.queue as usize * classes + stream.class) * stripes + stream.stripe]
    }

    /// The open segment of a stream.
    #[inline]
    pub(crate) fn current(&self, stream: Stream) -> Option<usize> {
        // Acquire: pairs with the Release of `advance`, so that the segment is seen open.
        self.cell(stream).load(Ordering::Acquire).checked_sub(1).map(|segment| segment as usize)
    }

    /// The base of the deadlines in the open segment of a stream, or in its first.
    #[inline]
    pub(crate) fn base(&self, log: &Log, stream: Stream) -> u64 {
        let open = self.current(stream).map(|open| log.segment(open).base());
        open.unwrap_or_else(|| base_for(stream.deadline, 0))
    }

    // Relaxed, here and below: numbers for choices.
    pub(crate) fn spare(&self) -> u64 {
        self.gauges.spare.load(Ordering::Relaxed)
    }

    pub(crate) fn present(&self) -> u64 {
        self.gauges.present.load(Ordering::Relaxed)
    }

    /// Segments that are emptied ahead, so that one look at the hazard pointers frees several.
    pub(crate) fn batch(&self) -> u64 {
        self.gauges.batch.load(Ordering::Relaxed)
    }

    pub(crate) fn taken(&self) -> [u64; 2] {
        [self.gauges.taken[0].load(Ordering::Relaxed), self.gauges.taken[1].load(Ordering::Relaxed)]
    }

    pub(crate) fn tail_opened(&self) -> [u64; 2] {
        [
            self.gauges.tail_opened[0].load(Ordering::Relaxed),
            self.gauges.tail_opened[1].load(Ordering::Relaxed),
        ]
    }

    /// Hits on items of segments that were opened later do not count. Starts of main are all zero.
    #[inline(always)]
    pub(crate) fn counts_through(&self) -> u64 {
        self.gauges.counts_through.load(Ordering::Relaxed)
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

    /// The bytes of all segments in use without their holes: what moving entries together would
    /// leave of them.
    pub(crate) fn occupied(&self, log: &Log) -> u64 {
        let segments = (0..self.reached()).map(|segment| log.segment(segment));
        let occupied = segments.map(|segment| match segment.phase() {
            Phase::Open => segment.fill().saturating_sub(segment.dead()),
            Phase::Sealed => segment.size().saturating_sub(hole(segment)),
            Phase::Draining => segment.alive(),
            _ => 0,
        });
        occupied.sum()
    }

    fn update_tail(&self, lists: &Lists, log: &Log, queue: Queue) {
        let oldest = lists.queues[queue as usize].oldest;
        let opened = if oldest == NOWHERE { u64::MAX } else { log.segment(oldest as usize).opened() };
        self.gauges.tail_opened[queue as usize].store(opened, Ordering::Relaxed);
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
        self.gauges.spare.fetch_sub(1, Ordering::Relaxed);
        Some(segment as usize)
    }

    /// Puts a segment back that was taken and not used.
    pub(crate) fn put_back(&self, segment: usize) {
        self.lock().free.push(segment as u32);
        self.gauges.spare.fetch_add(1, Ordering::Relaxed);
    }

    /// Opens `fresh` as the segment of a stream in place of the one that was seen there, which joins
    /// its queue. If another thread was faster, `fresh` is free again.
    pub(crate) fn advance(&self, log: &Log, advance: Advance) {
        let Advance { stream, seen, fresh, clock: _, window } = advance;
        let mut lists = self.lock();
        if self.current(stream) != seen {
            lists.free.push(fresh as u32);
            self.gauges.spare.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if stream.queue == Queue::Small {
            lists.small_opened += 1;
            let newest = window.div_ceil(log.segment(fresh).size().max(1));
            self.gauges.counts_through.store(lists.small_opened.saturating_sub(newest), Ordering::Relaxed);
        }
        let base = seen.map_or(0, |seen| log.segment(seen).base());
        self.open(&mut lists, log, &advance, base);
        self.cell(stream).store(fresh as u64 + 1, Ordering::Release);
        if let Some(seen) = seen {
            self.close(&mut lists, log, seen);
        }
    }

    /// Opens the fresh segment of an advance; `base` is that of the segment before.
    fn open(&self, lists: &mut Lists, log: &Log, advance: &Advance, base: u64) {
        let &Advance { stream, fresh: segment, clock, .. } = advance;
        lists.generations += 1;
        let start = if stream.queue == Queue::Small { lists.small_opened } else { 0 };
        let base = if stream.deadline == NEVER { base } else { base_for(stream.deadline, base) };
        let opening =
            Opening { place: stream.place(), start, opened: clock, generation: lists.generations, base };
        let opened = log.segment(segment).open(opening);
        debug_assert!(opened);
        self.gauges.taken[stream.queue as usize].fetch_add(log.segment(segment).size(), Ordering::Relaxed);
    }

    /// Seals an open segment that no stream has any more, and queues it.
    fn close(&self, lists: &mut Lists, log: &Log, segment: usize) {
        let queue = queue_of(log.segment(segment).place());
        if log.segment(segment).seal() {
            lists.push(queue, segment as u32);
            self.update_tail(lists, log, queue);
        }
    }

    /// Seals the open segments of all streams that `which` says; true if there was one.
    pub(crate) fn close_streams(&self, log: &Log, mut which: impl FnMut(usize) -> bool) -> bool {
        let mut lists = self.lock();
        let mut closed = false;
        for cell in &self.open {
            let open = cell.load(Ordering::Acquire);
            if open > 0 && which(open as usize - 1) {
                cell.store(0, Ordering::Release);
                self.close(&mut lists, log, open as usize - 1);
                closed = true;
            }
        }
        closed
    }
}

/// The bytes that moving the entries of a sealed segment elsewhere would gain: of entries that went,
/// and most of what was left at its end, where that is much.
fn hole(segment: Segment<'_>) -> u64 {
    let (size, dead) = (segment.size(), segment.dead());
    if dead == size {
        return size;
    }
    // A little would be left at the end again.
    let tail = size.saturating_sub(segment.fill()).min(size / 2);
    dead.saturating_sub(tail)
}

#[cfg(test)]
mod check;
