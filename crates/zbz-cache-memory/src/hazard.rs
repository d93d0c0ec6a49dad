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
//! After Michael, "Hazard Pointers" (2004), with the asymmetric fences of Folly's.

use std::cell::Cell;
use std::sync::Arc;

use crate::sync::{AtomicU64, Mutex, Ordering, fence};
#[cfg(not(loom))]
use crate::system;

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

/// One thread's announcements, on cache lines of their own. Only that thread writes them.
#[repr(align(128))]
#[derive(Debug)]
struct Record {
    places: [AtomicU64; PLACES],
}

/// A place of the calling thread, for one read. Withdraws when dropped.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    place: &'a AtomicU64,
}

impl Reading<'_> {
    /// Announces a segment in place of what this read announced before. Whatever the index names
    /// after this call stays readable until the next call or the drop.
    #[inline(always)]
    pub(crate) fn announce(&mut self, segment: Announcement) {
        // Relaxed: the fence orders it before the caller's next look at the index. Announcing
        // another segment gives up the one before, whose reads must come first.
        self.place.store(segment.0, Ordering::Release);
        light_fence();
    }
}

impl Drop for Reading<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Pairs with the Acquire in `Domain::announced`: what was read was read before.
        self.place.store(NOTHING, Ordering::Release);
    }
}

/// All threads' announcements. There is one for the process; models make their own.
#[derive(Debug)]
pub(crate) struct Domain {
    records: Mutex<Vec<Arc<Record>>>,
}

impl Domain {
    #[cfg(not(loom))]
    const fn new() -> Domain {
        Domain { records: Mutex::new(Vec::new()) }
    }

    fn register(&self) -> Arc<Record> {
        let record = Arc::new(Record { places: std::array::from_fn(|_| AtomicU64::new(NOTHING)) });
        let mut records = self.records.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Whoever comes clears up after the threads that went.
        records.retain(|record| Arc::strong_count(record) > 1);
        records.push(Arc::clone(&record));
        record
    }

    /// What all threads announce, in order. A segment that was unlinked from the index before
    /// this call and is not among them will not be read any more, and what was read of it was
    /// read before.
    pub(crate) fn announced(&self) -> Vec<Announcement> {
        heavy_fence();
        let records = self.records.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let places = records.iter().flat_map(|record| &record.places);
        // Pairs with the Release of a withdrawal.
        let announced = places.map(|place| place.load(Ordering::Acquire));
        let mut announced: Vec<_> = announced.filter(|&at| at != NOTHING).map(Announcement).collect();
        announced.sort_unstable();
        announced
    }
}

/// A reader's side of the two fences.
#[inline(always)]
fn light_fence() {
    #[cfg(not(loom))]
    if system::has_process_barrier() {
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
        return;
    }
    fence(Ordering::SeqCst);
}

/// The recycler's side: afterwards every thread has passed a full fence since the call began.
fn heavy_fence() {
    fence(Ordering::SeqCst);
    #[cfg(not(loom))]
    if system::has_process_barrier() {
        system::process_barrier();
    }
}

/// A record and how many of its places are in use.
#[derive(Debug)]
struct Own {
    record: Arc<Record>,
    depth: Cell<usize>,
}

impl Own {
    fn register(domain: &Domain) -> Own {
        Own { record: domain.register(), depth: Cell::new(0) }
    }

    /// `None`, and `run` is not called, if this thread is inside too many reads.
    #[inline(always)]
    fn read<R>(&self, run: impl FnOnce(&mut Reading<'_>) -> R) -> Option<R> {
        struct Leave<'a>(&'a Cell<usize>);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }

        let place = self.record.places.get(self.depth.get())?;
        self.depth.set(self.depth.get() + 1);
        let _leave = Leave(&self.depth);
        Some(run(&mut Reading { place }))
    }
}

#[cfg(not(loom))]
pub(crate) static PROCESS: Domain = Domain::new();

#[cfg(not(loom))]
thread_local! {
    static OWN: Own = Own::register(&PROCESS);
}

/// Calls `run` with a place of the calling thread in the process's domain. May be called inside
/// itself, and while the thread's locals are being destroyed.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn reading<R>(run: impl FnOnce(&mut Reading<'_>) -> R) -> R {
    let mut run = Some(run);
    let mut call = |reading: &mut Reading<'_>| run.take().map(|run| run(reading));
    if let Ok(Some(Some(outcome))) = OWN.try_with(|own| own.read(&mut call)) {
        return outcome;
    }
    elsewhere(call)
}

/// The same with a record for this call alone.
#[cfg(not(loom))]
#[cold]
fn elsewhere<R>(mut call: impl FnMut(&mut Reading<'_>) -> Option<R>) -> R {
    loop {
        let own = Own::register(&PROCESS);
        // A new record has places, and `call` was not called before.
        if let Some(Some(outcome)) = own.read(&mut call) {
            return outcome;
        }
    }
}

#[cfg(test)]
mod tests;
