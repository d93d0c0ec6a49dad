//! [`Domain`]: what each thread reads in place, so that it is not written meanwhile.
//!
//! A reader announces a segment in a place of its own, then makes sure that the segment is still
//! named by the index, and reads. A recycler first unlinks a segment from the index, then looks at
//! all announcements. Between its two steps each passes a fence, so at least one sees the other:
//! the reader that the segment is gone, or the recycler that it is read.
//!
//! The reader's fence costs nothing where the system can make all threads pass one on demand
//! (`membarrier`); where it cannot, both are plain ones. Announcements are read again by whoever
//! needs room, so no reader is waited for.
//!
//! A thread has [`PLACES`] places, for reads inside reads: each announces for itself. Whoever needs
//! two segments at once reads the second inside the first, which costs no more than the first did;
//! only beyond `PLACES` levels is a place borrowed, under a lock.
//!
//! After Michael, "Hazard Pointers" (2004), with the asymmetric fences of Folly's.

#[cfg(not(loom))]
use std::cell::Cell;
#[cfg(not(loom))]
use std::marker::PhantomData;

use crate::sync::{AtomicU64, Mutex, Ordering, fence};
#[cfg(not(loom))]
use crate::{system, threads};

/// How many segments one thread can read at once: one, and more for reads inside reads.
const PLACES: usize = 4;

/// What a place holds that announces nothing.
const NOTHING: u64 = 0;

/// Which segment of which cache. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Announcement(u64);

impl Announcement {
    /// Of the segment at `index`, below 2^24, of the cache with this number, counted from 1.
    #[inline(always)]
    pub(crate) fn new(cache: u64, index: u64) -> Announcement {
        Announcement(cache << 24 | index)
    }
}

/// Where one read announces, with all that the read needs to know. Never given up, since any
/// recycler may look at it; used again by the next thread.
#[derive(Debug)]
struct Place {
    /// Written only by the thread whose place it is.
    announced: AtomicU64,
    /// The same thread's place for a read inside this one.
    next: Option<&'static Place>,
    /// Lent for one read, to a thread without places.
    lent: bool,
    /// Whether a reader must pass a fence of its own.
    plain_fence: bool,
}

impl Place {
    fn new(lent: bool) -> Place {
        let announced = AtomicU64::new(NOTHING);
        Place { announced, next: None, lent, plain_fence: !has_process_barrier() }
    }
}

/// One thread's places, on cache lines of their own.
#[repr(align(128))]
#[derive(Debug)]
struct Record([Place; PLACES]);

impl Record {
    /// The first of a new record's places, each of which names the one after it.
    fn first() -> &'static Place {
        let record = Box::leak(Box::new(Record(std::array::from_fn(|_| Place::new(false)))));
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

/// A place of the calling thread, for one read. Withdraws when dropped.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    place: &'a Place,
}

impl Reading<'_> {
    /// Announces a segment in place of what this read announced before. Whatever the index names
    /// after this call stays readable until the next call or the drop.
    #[inline(always)]
    pub(crate) fn announce(&mut self, segment: Announcement) {
        // Release: announcing another segment gives up the one before, whose reads must come
        // first. The fence orders it before the caller's next look at the index.
        self.place.announced.store(segment.0, Ordering::Release);
        light_fence(self.place.plain_fence);
    }
}

impl Drop for Reading<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Pairs with the Acquire in `Domain::announced`: what was read was read before.
        self.place.announced.store(NOTHING, Ordering::Release);
    }
}

/// All threads' announcements. There is one for the process; models make their own.
#[derive(Debug)]
pub(crate) struct Domain {
    places: Mutex<Places>,
}

#[derive(Debug)]
struct Places {
    /// Every record's first place, by its thread's number.
    own: Vec<&'static Place>,
    /// Every place for threads without, and those of them that nobody uses.
    lent: Vec<&'static Place>,
    idle: Vec<&'static Place>,
}

impl Places {
    const NONE: Places = Places { own: Vec::new(), lent: Vec::new(), idle: Vec::new() };
}

impl Domain {
    #[cfg(not(loom))]
    const fn new() -> Domain {
        Domain { places: Mutex::new(Places::NONE) }
    }

    fn with<R>(&self, run: impl FnOnce(&mut Places) -> R) -> R {
        run(&mut self.places.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// The first place of the thread with this number, whose only user the caller is.
    fn of_thread(&self, number: usize) -> &'static Place {
        self.with(|places| {
            while places.own.len() <= number {
                places.own.push(Record::first());
            }
            places.own[number]
        })
    }

    /// A place for one read; to be handed back.
    #[cfg(not(loom))]
    fn lend(&self) -> &'static Place {
        self.with(|places| {
            places.idle.pop().unwrap_or_else(|| {
                let place: &'static Place = Box::leak(Box::new(Place::new(true)));
                places.lent.push(place);
                place
            })
        })
    }

    #[cfg(not(loom))]
    fn hand_back(&self, place: &'static Place) {
        self.with(|places| places.idle.push(place));
    }

    /// Replaces what is in `into` by what all threads announce, in order. A segment that was
    /// unlinked from the index before this call and is not among them will not be read any more,
    /// and what was read of it was read before.
    pub(crate) fn announced(&self, into: &mut Vec<Announcement>) {
        into.clear();
        heavy_fence();
        self.with(|places| {
            for &first in places.own.iter().chain(&places.lent) {
                let thread = std::iter::successors(Some(first), |place| place.next);
                // Acquire: pairs with the Release of a withdrawal.
                let words = thread.map(|place| place.announced.load(Ordering::Acquire));
                into.extend(words.filter(|&word| word != NOTHING).map(Announcement));
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

/// The recycler's side: afterwards every thread has passed a full fence since the call began.
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
    static FREE: Cell<Option<&'static Place>> = const { Cell::new(None) };
}

/// Gives the calling thread its places. The number is the thread's own until `leave`.
#[cfg(not(loom))]
pub(crate) fn enter(number: usize) {
    FREE.set(Some(PROCESS.of_thread(number)));
}

/// Takes them back, in a thread that is about to end.
#[cfg(not(loom))]
pub(crate) fn leave() {
    FREE.set(None);
}

/// Begins a read, with a place of the calling thread in the process's domain. May be called while
/// another is under way, and while the thread's locals are being destroyed. What is begun last is
/// dropped first.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn begin() -> Turn {
    let place = FREE.get().unwrap_or_else(another_place);
    FREE.set(place.next);
    Turn { reading: Reading { place }, _back: Back(place), _of_one_thread: PhantomData }
}

/// Calls `run` with a read that ends with it.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn reading<R>(run: impl FnOnce(&mut Reading<'_>) -> R) -> R {
    run(begin().reading())
}

/// For a thread that has no place: its own, if it was never asked for, or else a lent one.
#[cfg(not(loom))]
#[cold]
#[inline(never)]
fn another_place() -> &'static Place {
    threads::number();
    FREE.get().unwrap_or_else(|| PROCESS.lend())
}

/// A read that is under way. Stays in the thread.
#[cfg(not(loom))]
pub(crate) struct Turn {
    // Dropped in this order: the place is free once it announces nothing.
    reading: Reading<'static>,
    _back: Back,
    /// Not `Send`: the place is the thread's.
    _of_one_thread: PhantomData<*const ()>,
}

#[cfg(not(loom))]
impl Turn {
    #[inline(always)]
    pub(crate) fn reading(&mut self) -> &mut Reading<'static> {
        &mut self.reading
    }
}

/// Makes a place free when dropped.
#[cfg(not(loom))]
struct Back(&'static Place);

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
fn hand_back(place: &'static Place) {
    PROCESS.hand_back(place);
}

#[cfg(test)]
mod tests;
