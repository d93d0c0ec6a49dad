//! [`Domain`]: hazard pointers: the segment that each thread reads in place is not written meanwhile.
//!
//! A reader stores a hazard pointer to a segment in a place of its own, then makes sure that the
//! segment is still named by the index, and reads. A recycler first unlinks a segment from the index,
//! then looks at all hazard pointers. Between its two steps each passes a fence, so at least one sees
//! the other: the reader that the segment is gone, or the recycler that it is read.
//!
//! The reader's fence costs nothing where the system can make all threads pass one on demand
//! (`membarrier`); where it cannot, both are plain ones. The next thread that needs room reads the
//! hazard pointers again, so no reader is waited for.
//!
//! A thread has [`PLACES`] places, one for each level of reads inside reads. A thread that needs two
//! segments at once reads the second inside the first, which costs no more than the first did. Only
//! beyond `PLACES` levels is a place borrowed, under a lock.
//!
//! After Michael, "Hazard Pointers" (2004), with the asymmetric fences of Folly's.

#[cfg(not(loom))]
use std::cell::Cell;
#[cfg(not(loom))]
use std::marker::PhantomData;

use crate::base::sync::{AtomicU64, Mutex, Ordering, fence};
#[cfg(not(loom))]
use crate::base::system;
#[cfg(not(loom))]
use crate::base::threads;

/// How many segments one thread can read at once: one, and more for reads inside reads.
const PLACES: usize = 4;

/// The word of a place that protects nothing.
const NOTHING: u64 = 0;

/// Which segment of which cache. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HazardPointer(u64);

impl HazardPointer {
    /// Of the segment at `index`, below 2^24, of the cache with this number, counted from 1.
    #[inline(always)]
    pub(crate) fn new(cache: u64, index: u64) -> HazardPointer {
        HazardPointer(cache << 24 | index)
    }
}

/// Where one read stores its hazard pointer, with all that the read needs to know. Never given up, since any
/// recycler may look at it; used again by the next thread.
#[derive(Debug)]
struct HazardCell {
    /// Written only by the thread whose place it is.
    protected: AtomicU64,
    /// The place of this thread for a read inside this one.
    next: Option<&'static HazardCell>,
    /// Lent for one read, to a thread without places.
    lent: bool,
    /// Whether a reader must pass a fence of its own.
    plain_fence: bool,
}

impl HazardCell {
    fn new(lent: bool) -> HazardCell {
        let protected = AtomicU64::new(NOTHING);
        HazardCell { protected, next: None, lent, plain_fence: !has_process_barrier() }
    }
}

/// One thread's places, on cache lines of their own.
#[repr(align(128))]
#[derive(Debug)]
struct Record([HazardCell; PLACES]);

impl Record {
    /// The first of a new record's places, each of which names the one after it.
    fn first() -> &'static HazardCell {
        let record = Box::leak(Box::new(Record(std::array::from_fn(|_| HazardCell::new(false)))));
        let [first, rest @ ..] = &mut record.0;
        let mut next = None;
        for place in rest.iter_mut().rev() {
            place.next = next;
            next = Some(&*place);
        }
        first.next = next;
        first
    }
}

/// A place of the calling thread, for one read. Cleared when dropped.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    place: &'a HazardCell,
}

impl Reading<'_> {
    /// Protects a segment, and no longer the one that this read protected before. Whatever the index names
    /// after this call stays readable until the next call or the drop.
    #[inline(always)]
    pub(crate) fn protect(&mut self, segment: HazardPointer) {
        // Release: protecting another segment gives up the one before, whose reads must come
        // first. The fence orders it before the caller's next look at the index.
        self.place.protected.store(segment.0, Ordering::Release);
        light_fence(self.place.plain_fence);
    }
}

impl Drop for Reading<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Pairs with the Acquire in `Domain::protected`: what was read was read before.
        self.place.protected.store(NOTHING, Ordering::Release);
    }
}

/// All threads' hazard pointers. There is one for the process; models make their own.
#[derive(Debug)]
pub(crate) struct Domain {
    places: Mutex<Cells>,
}

#[derive(Debug)]
struct Cells {
    /// Every record's first place, by its thread's number.
    own: Vec<&'static HazardCell>,
    /// Every place for threads without a record, and those of them that are unused.
    lent: Vec<&'static HazardCell>,
    idle: Vec<&'static HazardCell>,
}

impl Cells {
    const NONE: Cells = Cells { own: Vec::new(), lent: Vec::new(), idle: Vec::new() };
}

impl Domain {
    #[cfg(not(loom))]
    const fn new() -> Domain {
        Domain { places: Mutex::new(Cells::NONE) }
    }

    fn with<R>(&self, run: impl FnOnce(&mut Cells) -> R) -> R {
        run(&mut self.places.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// The first place of the thread with this number, whose only user the caller is.
    fn of_thread(&self, number: usize) -> &'static HazardCell {
        self.with(|places| {
            while places.own.len() <= number {
                places.own.push(Record::first());
            }
            places.own[number]
        })
    }

    /// A place for one read; to be handed back.
    #[cfg(not(loom))]
    fn lend(&self) -> &'static HazardCell {
        self.with(|places| {
            places.idle.pop().unwrap_or_else(|| {
                let place: &'static HazardCell = Box::leak(Box::new(HazardCell::new(true)));
                places.lent.push(place);
                place
            })
        })
    }

    #[cfg(not(loom))]
    fn hand_back(&self, place: &'static HazardCell) {
        self.with(|places| places.idle.push(place));
    }

    /// Replaces what is in `into` by what all threads protect, in order. A segment that was
    /// unlinked from the index before this call and is not among them will not be read any more,
    /// and what was read of it was read before.
    pub(crate) fn protected(&self, into: &mut Vec<HazardPointer>) {
        into.clear();
        heavy_fence();
        self.with(|places| {
            for &first in places.own.iter().chain(&places.lent) {
                let thread = std::iter::successors(Some(first), |place| place.next);
                // Acquire: pairs with the Release that clears a place.
                let words = thread.map(|place| place.protected.load(Ordering::Acquire));
                into.extend(words.filter(|&word| word != NOTHING).map(HazardPointer));
            }
        });
        into.sort_unstable();
    }
}

/// Whether the recycler's fence is enough for all threads.
fn has_process_barrier() -> bool {
    #[cfg(not(loom))]
    return system::has_process_barrier();
    #[cfg(loom)]
    false
}

/// A reader's side of the two fences.
#[inline(always)]
fn light_fence(plain: bool) {
    if plain {
        fence(Ordering::SeqCst);
    } else {
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
    }
}

/// The recycler's queue: afterwards every thread has passed a full fence since the call began.
fn heavy_fence() {
    fence(Ordering::SeqCst);
    #[cfg(not(loom))]
    if system::has_process_barrier() {
        system::process_barrier();
    }
}

#[cfg(not(loom))]
pub(crate) static PROCESS: Domain = Domain::new();

#[cfg(not(loom))]
thread_local! {
    /// The place for the calling thread's next read, if it has one. Constant and without a
    /// destructor: read by one instruction, at any time.
    static FREE: Cell<Option<&'static HazardCell>> = const { Cell::new(None) };
    /// Whether the thread was ever given its places.
    static ENTERED: Cell<bool> = const { Cell::new(false) };
}

/// Begins a read, with a place of the calling thread in the process's domain. May be called while
/// another is under way, and while the thread's locals are being destroyed. What is begun last is
/// dropped first.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn begin() -> Guard {
    let place = FREE.get().unwrap_or_else(another_place);
    FREE.set(place.next);
    Guard { reading: Reading { place }, _back: Back(place), _of_one_thread: PhantomData }
}

/// Calls `run` with a read that ends with it.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn reading<R>(run: impl FnOnce(&mut Reading<'_>) -> R) -> R {
    run(begin().reading())
}

/// For a thread that has no free place: its own, if it was never asked for, or else a lent one.
#[cfg(not(loom))]
#[cold]
#[inline(never)]
fn another_place() -> &'static HazardCell {
    if !ENTERED.get()
        && let Some(number) = threads::number_until(leave)
    {
        ENTERED.set(true);
        FREE.set(Some(PROCESS.of_thread(number)));
    }
    FREE.get().unwrap_or_else(|| PROCESS.lend())
}

/// Takes the places back, in a thread that is about to end: the next thread with its number gets them.
#[cfg(not(loom))]
fn leave() {
    FREE.set(None);
}

/// A read that is under way. Stays in the thread.
#[cfg(not(loom))]
pub(crate) struct Guard {
    // Dropped in this order: the place is free once it protects nothing.
    reading: Reading<'static>,
    _back: Back,
    /// Not `Send`: the place is the thread's.
    _of_one_thread: PhantomData<*const ()>,
}

#[cfg(not(loom))]
impl Guard {
    #[inline(always)]
    pub(crate) fn reading(&mut self) -> &mut Reading<'static> {
        &mut self.reading
    }
}

/// Makes a place free when dropped.
#[cfg(not(loom))]
struct Back(&'static HazardCell);

#[cfg(not(loom))]
impl Drop for Back {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.lent {
            hand_back(self.0);
        } else {
            // Unlike `set`, inlined here.
            FREE.with(|free| free.set(Some(self.0)));
        }
    }
}

#[cfg(not(loom))]
#[cold]
#[inline(never)]
fn hand_back(place: &'static HazardCell) {
    PROCESS.hand_back(place);
}

#[cfg(test)]
mod tests;
