//! The inside that all handles share: the parts, how they are put together, and what every verb
//! asks first.
//!
//! - *One bit at a time*: a call holds at most one bucket's bit, but for steps of the index, and
//!   asks for no room while it does. Under a bit only the innermost locks are taken, those of the
//!   overflow buckets and of the budget.
//! - *Closed under the bit*: who puts an item into a bucket looks whether the cache is closed while
//!   it holds the bit; closing says so first and then takes each bit. So nothing comes in after.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::quality::RandomState;

use crate::append::Refused;
use crate::budget::Budget;
use crate::counters::{Count, Counters};
use crate::entry::Exit;
use crate::evict::Evictor;
use crate::found::Stamp;
use crate::ghosts::Ghosts;
use crate::index::{Held, Index};
use crate::lanes::{self, Lanes};
use crate::largest::Largest;
use crate::log::Log;
use crate::segment::Segment;
use crate::shape::{self, Shape};
use crate::slot::{Location, Slot};
use crate::sync::Apart;
use crate::tide::{Facts, Side, Tide};
use crate::ttl::{self, End, NEVER};
use crate::{Builder, Clock, Error, Stats, Version, WhenFull};

/// No key is longer, whatever the budget.
const LONGEST_KEY: u64 = 32 * 1024;

/// Keys in a bucket, on average, beyond which the index grows, and below which it shrinks.
const MOST_PER_BUCKET: u64 = shape::KEYS_PER_BUCKET;
const LEAST_PER_BUCKET: u64 = 7;

/// What a cache must have for entries.
const LEAST_LOG_BYTES: u64 = 16 * 1024;
const LEAST_SEGMENTS: u64 = 6;

/// Buckets whose ghosts' memory is given back together: pages of both of their tables.
const GHOSTS_GIVEN_BACK: u64 = 2048;

#[derive(Debug)]
pub(crate) struct Engine {
    hasher: RandomState,
    pub(crate) index: Index,
    pub(crate) log: Log,
    pub(crate) lanes: Lanes,
    pub(crate) tide: Apart<Tide>,
    pub(crate) ghosts: Ghosts,
    pub(crate) budget: Arc<Budget>,
    pub(crate) counters: Counters,
    pub(crate) clock: Clock,
    pub(crate) when_full: WhenFull,
    pub(crate) evictors: Box<[Apart<Mutex<Evictor>>]>,
    pub(crate) shape: Shape,
    /// The bytes of segments that are provided from here on.
    pub(crate) size: AtomicU64,
    /// What the user gave; the budget's limit is lower while the cache shrinks.
    pub(crate) max_size: AtomicU64,
    /// The largest there has been: keys taken under it must stay reachable.
    pub(crate) largest_max: AtomicU64,
    /// Held by the one resize under way.
    pub(crate) resizing: Mutex<()>,
    /// The bytes of the parts that neither grow nor shrink, but for the index.
    pub(crate) base: u64,
    /// The smallest budget that the parts which cannot shrink leave room in.
    pub(crate) floor: u64,
    /// Of live entries, where nothing is evicted.
    pub(crate) largest: Largest,
    /// The longest item that was not to be cut since the cache was empty, where nothing is evicted.
    pub(crate) longest: AtomicU64,
    pub(crate) refused: Mutex<Refused>,
    started: u64,
    /// Random upper part of every version, so that no version of another cache matches.
    epoch: u64,
    closed: AtomicBool,
    /// Dropping it ends the background thread.
    background: Mutex<Option<Sender<()>>>,
    /// The bits of hashes that tests leave as they are; the others are zero.
    #[cfg(test)]
    pub(crate) hash_mask: u64,
}

/// A key and its hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HashedKey<'a> {
    pub(crate) hash: u64,
    pub(crate) bytes: &'a [u8],
}

/// The time of a call, read when it is first asked for.
#[derive(Debug)]
pub(crate) struct Moment<'a> {
    clock: &'a Clock,
    read: std::cell::Cell<Option<u64>>,
}

impl Moment<'_> {
    /// A moment of the call, or one shortly after, that is before `deadline` if the deadline is
    /// ahead, and is not if it has passed.
    #[inline]
    pub(crate) fn for_deadline(&self, deadline: u64) -> u64 {
        let told = if self.read.get().is_none() { self.clock.before(deadline) } else { None };
        told.unwrap_or_else(|| self.get())
    }

    /// The end of an entry that is written at this moment; `None` is never.
    pub(crate) fn end_of(&self, ttl: Option<Duration>) -> End {
        match ttl::end_of(self.get(), ttl) {
            End::At(deadline) if deadline != NEVER => End::At(self.clock.whole(deadline)),
            end => end,
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.read.get().unwrap_or_else(|| {
            let now = self.clock.now();
            self.read.set(Some(now));
            now
        })
    }
}

/// Tells the caches of the process apart.
static LAST_CACHE: AtomicU64 = AtomicU64::new(0);

impl Engine {
    /// # Errors
    ///
    /// [`Error::Config`]: the system gives too few addresses for the size.
    pub(crate) fn new(builder: &Builder) -> Result<Engine, Error> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let with_headroom = |headroom| {
            let rejects = builder.when_full == WhenFull::Reject;
            let shape = Shape::new(builder.max_size, headroom, threads, rejects)?;
            Engine::with_shape(builder, shape)
        };
        let [more @ .., least] = shape::HEADROOMS;
        let engine = more.into_iter().find_map(|headroom| with_headroom(headroom).ok());
        engine.map_or_else(|| with_headroom(least), Ok)
    }

    pub(crate) fn with_shape(builder: &Builder, shape: Shape) -> Result<Engine, Error> {
        let cache = LAST_CACHE.fetch_add(1, Ordering::Relaxed) + 1;
        let budget = Arc::new(Budget::new(builder.max_size));
        let index = Index::new(shape.group_bits, shape.most_buckets, Arc::clone(&budget))?;
        let lanes = Lanes::new(lanes::Shape { classes: shape.classes, stripes: shape.stripes });
        let flush_every = (builder.max_size >> 16).clamp(1, 32);
        let counters = Counters::new(shape.counters, flush_every);
        let evictors: Box<[_]> = (0..shape.evictors).map(|_| Apart::default()).collect();
        let base =
            size_of::<Engine>() as u64 + lanes.bytes() + counters.bytes() + size_of_val(&*evictors) as u64;
        let took = budget.take(base);
        // Only where entries may go do segments become smaller.
        let least_log = match builder.when_full {
            WhenFull::Evict => LEAST_LOG_BYTES,
            WhenFull::Reject => LEAST_SEGMENTS * Lanes::cost(1 << shape.segment_bits),
        };
        let floor = (budget.used() + least_log).max(crate::MIN_MAX_SIZE);
        debug_assert!(took, "the smallest budget has room for the parts that do not grow");
        let clock = builder.clock.clone();
        Ok(Engine {
            hasher: RandomState::default(),
            index,
            log: Log::new(shape.segments, shape.segment_bits, cache)?,
            lanes,
            tide: Apart::new(Tide::new(builder.max_size - base)),
            ghosts: Ghosts::new(shape.most_buckets)?,
            counters,
            started: clock.now(),
            clock,
            when_full: builder.when_full,
            evictors,
            shape,
            size: AtomicU64::new(1 << shape.segment_bits),
            max_size: builder.max_size.into(),
            largest_max: builder.max_size.into(),
            resizing: Mutex::new(()),
            base,
            floor,
            largest: Largest::default(),
            longest: AtomicU64::new(0),
            refused: Mutex::default(),
            epoch: RandomState::default().hash_one("epoch"),
            closed: AtomicBool::new(false),
            background: Mutex::new(None),
            #[cfg(test)]
            hash_mask: u64::MAX,
            budget,
        })
    }

    pub(crate) fn keep_background(&self, sender: Sender<()>) {
        *self.background.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    }

    #[inline]
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        // SeqCst: pairs with the store in `close`; a call made after close returned sees it.
        if self.closed.load(Ordering::SeqCst) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Refuses a key that could not be in this cache.
    #[inline]
    pub(crate) fn check_key(&self, key: &[u8]) -> Result<(), Error> {
        self.check_open()?;
        check_key_len(key, &self.largest_max)
    }

    /// Refuses a key that this cache does not take.
    #[inline]
    pub(crate) fn check_new_key(&self, key: &[u8]) -> Result<(), Error> {
        self.check_open()?;
        check_key_len(key, &self.max_size)
    }

    pub(crate) fn max_size(&self) -> u64 {
        self.max_size.load(Ordering::Relaxed)
    }

    pub(crate) fn max_key_len(&self) -> usize {
        longest_key(self.max_size())
    }

    pub(crate) fn max_value_len(&self) -> usize {
        usize::try_from(self.max_size() / 4).unwrap_or(usize::MAX)
    }

    #[inline(always)]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        let hash = self.hasher.hash_one(key);
        #[cfg(test)]
        let hash = hash & self.hash_mask;
        hash
    }

    #[inline(always)]
    pub(crate) fn hashed<'a>(&self, key: &'a [u8]) -> HashedKey<'a> {
        HashedKey { hash: self.hash(key), bytes: key }
    }

    pub(crate) fn moment(&self) -> Moment<'_> {
        Moment { clock: &self.clock, read: std::cell::Cell::new(None) }
    }

    /// What tells the item at this place, which is held in place, from all others.
    pub(crate) fn stamp_at(&self, location: Location) -> Stamp {
        self.stamp_in(self.log.segment_at(location), location)
    }

    /// The same for a caller that knows its segment.
    #[inline(always)]
    pub(crate) fn stamp_in(&self, segment: Segment<'_>, location: Location) -> Stamp {
        Stamp { epoch: self.epoch, turn: segment.turn(), location }
    }

    pub(crate) fn version_at(&self, location: Location) -> Version {
        self.stamp_at(location).version()
    }

    pub(crate) fn facts(&self) -> Facts {
        let capacity = self.budget.limit().saturating_sub(self.base + self.index.bytes());
        Facts {
            capacity,
            taken: self.lanes.taken(),
            tail_opened: self.lanes.tail_opened(),
            keys: self.counters.keys_about(),
        }
    }

    /// The queue that an item is in.
    pub(crate) fn side_at(&self, location: Location) -> Side {
        lanes::side_of(self.log.segment_at(location).place())
    }

    /// Whether the index is to grow.
    pub(crate) fn index_wants_bytes(&self) -> bool {
        self.counters.keys_about() > self.index.buckets() * MOST_PER_BUCKET
    }

    /// Fits the index to the number of keys, by a step at the most.
    #[inline]
    pub(crate) fn fit_index(&self) {
        let (keys, buckets) = (self.counters.keys_about(), self.index.buckets());
        if keys > buckets * MOST_PER_BUCKET {
            self.step_index(true);
        } else if keys < buckets * LEAST_PER_BUCKET {
            self.step_index(false);
        }
    }

    #[inline(never)]
    fn step_index(&self, grow: bool) -> bool {
        let lost = |held: &Held<'_>, slot: Slot| {
            let old = self.describe(held, slot);
            self.let_go(held, &old, Exit::Evicted, &self.moment());
        };
        let stepped = if grow { self.index.grow(lost) } else { self.index.shrink(lost) };
        let buckets = self.index.buckets();
        if grow && !stepped {
            self.give_to_index();
        }
        if stepped && !grow && buckets.is_multiple_of(GHOSTS_GIVEN_BACK) {
            self.ghosts.give_back(buckets..buckets + GHOSTS_GIVEN_BACK);
        }
        stepped
    }

    /// Shrinks the index as far as its keys allow.
    pub(crate) fn shrink_index(&self) {
        while self.counters.keys() < self.index.buckets() * LEAST_PER_BUCKET && self.step_index(false) {}
    }

    pub(crate) fn close(&self) {
        // SeqCst: *Closed under the bit*.
        self.closed.store(true, Ordering::SeqCst);
        drop(self.background.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.empty();
    }

    /// Gives back what a call that a close overtook has opened after it, or kept from being given
    /// back. For whoever may have reserved room, when that is done.
    #[inline]
    pub(crate) fn tidy_if_closed(&self) {
        if self.check_open().is_err() {
            self.reclaim_all();
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let count = |what| self.counters.sum(what);
        let (memory_bytes, max_bytes) = self.budget.used_and_told();
        Stats {
            hits: count(Count::Hits),
            misses: count(Count::Misses),
            absences: count(Count::Absences),
            undecodable: count(Count::Undecodable),
            sets: count(Count::Sets),
            increments: count(Count::Increments),
            replaced: count(Count::Replaced),
            deletes: count(Count::Deletes),
            evictions: count(Count::Evictions),
            expirations: count(Count::Expirations),
            rejections: count(Count::Rejections),
            keys: self.counters.keys(),
            memory_bytes,
            payload_bytes: self.counters.payload(),
            max_bytes,
            uptime: Duration::from_nanos(self.clock.now().saturating_sub(self.started)),
        }
    }
}

fn longest_key(max_size: u64) -> usize {
    (max_size / 8).min(LONGEST_KEY) as usize
}

#[inline]
fn check_key_len(key: &[u8], max_size: &AtomicU64) -> Result<(), Error> {
    // Every cache takes keys of these lengths: no need to look.
    if key.len().wrapping_sub(1) < (crate::MIN_MAX_SIZE / 8) as usize {
        return Ok(());
    }
    check_long_key(key, max_size)
}

#[cold]
fn check_long_key(key: &[u8], max_size: &AtomicU64) -> Result<(), Error> {
    match (key.len(), longest_key(max_size.load(Ordering::Relaxed))) {
        (0, _) => Err(Error::KeyEmpty),
        (len, max) if len > max => Err(Error::KeyTooLong { len, max }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod check;
