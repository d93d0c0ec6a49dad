//! The supply of free segments: memory that was not used yet, and segments that have lost their last
//! reader; and the return of memory to the system.

use std::ops::Range;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::lists::UNLINKED;
use super::{Recycler, Streams};
use crate::base::budget::Budget;
use crate::base::hazard;
use crate::log::Log;
use crate::log::segment::Phase;

/// Lets the system make one large page of the memory of these segments, which share it, when it gets to it:
/// if each has memory, and all the bytes that it has addresses for. One that was provided in a smaller
/// cache has fewer, and a large page would make more resident than was taken from the budget.
fn allow_large_if_paid(log: &Log, sharing: Range<usize>) {
    if is_paid_for(log, sharing.clone()) {
        log.allow_large(sharing.start);
        // One may be given back at this moment. If its state says so only after this second look, the large
        // page is forbidden after it was allowed.
        if !is_paid_for(log, sharing.clone()) {
            log.forbid_large(sharing.start);
        }
    }
}

/// Whether all the addresses of these segments are paid for.
fn is_paid_for(log: &Log, mut segments: Range<usize>) -> bool {
    segments.all(|number| {
        let segment = log.segment(number);
        segment.phase() != Phase::Absent && segment.size() as usize == log.segment_bytes()
    })
}

/// How many segments to empty ahead, after a look at the hazard pointers that took so long, so long
/// after the one before. A look stops every processor that runs one of the process's threads: where
/// small segments are filled fast, it would take most of the time.
fn batch_after(batch: u64, took: Duration, since: Duration) -> u64 {
    if took > since / 8 {
        batch + 1
    } else if took < since / 16 {
        batch.saturating_sub(1)
    } else {
        batch
    }
}

impl Streams {
    /// Gives memory to a segment that has none, if the budget has as much and `leave` more.
    pub(crate) fn provide(&self, log: &Log, budget: &Budget, size: u64, leave: u64) -> Option<usize> {
        self.provide_large(log, budget, size, leave).or_else(|| self.provide_one(log, budget, size, leave))
    }

    /// Gives memory to all segments that share a large page, while the cache is far from full, and
    /// larger than one: until they are used, they are memory that is taken for nothing. The others
    /// than the answer are free.
    fn provide_large(&self, log: &Log, budget: &Budget, size: u64, leave: u64) -> Option<usize> {
        let count = log.segments_in_large()?;
        let cost = Streams::cost(size) * count as u64;
        if size as usize != log.segment_bytes() || budget.left() / 2 < cost + leave {
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
        self.gauges.present.fetch_add(count as u64, Ordering::Relaxed);
        self.gauges.spare.fetch_add(count as u64 - 1, Ordering::Relaxed);
        Some(first)
    }

    fn provide_one(&self, log: &Log, budget: &Budget, size: u64, leave: u64) -> Option<usize> {
        let cost = Streams::cost(size);
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
        self.gauges.present.fetch_add(1, Ordering::Relaxed);
        if let Some(count) = log.segments_in_large()
            && (segment as usize + 1).is_multiple_of(count)
        {
            allow_large_if_paid(log, segment as usize + 1 - count..segment as usize + 1);
        }
        Some(segment as usize)
    }

    /// Frees what is in limbo and not protected. While `withdraw` says so, it goes back to the
    /// system and to the budget. Answers how many are free now that were not: none if another
    /// thread is at it.
    pub(crate) fn release(&self, log: &Log, budget: &Budget, withdraw: impl FnMut() -> bool) -> usize {
        let Ok(mut recycler) = self.recycler.try_lock() else { return 0 };
        self.release_with(&mut recycler, log, budget, withdraw)
    }

    /// [`release`](Streams::release) for a write that needs a segment: if another thread is at it, `waits`
    /// says whether to wait for that one. False if nothing has become free.
    pub(crate) fn release_or_wait(
        &self,
        log: &Log,
        budget: &Budget,
        withdraw: impl FnMut() -> bool,
        waits: impl FnOnce() -> bool,
    ) -> bool {
        match self.recycler.try_lock() {
            Ok(mut recycler) => self.release_with(&mut recycler, log, budget, withdraw) > 0,
            Err(_) if waits() => {
                drop(self.recycler.lock());
                true
            }
            Err(_) => false,
        }
    }

    /// [`release`](Streams::release) that waits for another thread that is at it: that one may not have seen
    /// all.
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
        let Recycler { limbo, protected, looked } = recycler;
        limbo.clear();
        std::mem::swap(&mut self.lock().limbo, limbo);
        if limbo.is_empty() {
            return 0;
        }
        let began = Instant::now();
        hazard::PROCESS.protected(protected);
        let ended = Instant::now();
        let since = looked.replace(ended).map_or(Duration::MAX, |looked| began - looked);
        let batch = batch_after(self.batch(), ended - began, since);
        self.gauges.batch.store(batch.min(self.present() / 16), Ordering::Relaxed);
        let mut freed = 0;
        for &segment in limbo.iter() {
            let number = segment as usize;
            if protected.binary_search(&log.hazard_pointer(number)).is_ok() {
                self.lock().limbo.push(segment);
                continue;
            }
            let released = log.segment(number).release();
            debug_assert!(released);
            if withdraw() {
                self.gauges.spare.fetch_sub(1, Ordering::Relaxed);
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
        let cost = Streams::cost(log.segment(segment as usize).size());
        let withdrawn = log.give_back(segment as usize);
        debug_assert!(withdrawn);
        self.gauges.present.fetch_sub(1, Ordering::Relaxed);
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
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::space::streams::StreamCounts;

    /// Segments that share a large page, provided by these sizes in turn.
    fn provided(sizes: [u64; 8]) -> Log {
        let log = Log::new(16, 18, 1).unwrap();
        let streams = Streams::new(StreamCounts { classes: 1, stripes: 1 });
        let budget = Arc::new(Budget::new(1 << 30));
        for size in sizes {
            streams.provide_one(&log, &budget, size, 0).unwrap();
        }
        log
    }

    #[test]
    fn a_large_page_is_paid_for_if_each_of_its_segments_has_all_its_bytes() {
        let whole = 1 << 18;
        assert_eq!(provided([whole; 8]).segments_in_large(), Some(8));
        assert!(is_paid_for(&provided([whole; 8]), 0..8));
        let one_is_smaller = [whole, whole, whole / 2, whole, whole, whole, whole, whole];
        assert!(!is_paid_for(&provided(one_is_smaller), 0..8), "from a time when the cache was smaller");
        assert!(!is_paid_for(&provided([whole; 8]), 1..9), "one has no memory yet");
    }

    #[test]
    fn more_is_emptied_ahead_while_looking_takes_much_of_the_time() {
        let after =
            |batch, since| batch_after(batch, Duration::from_micros(10), Duration::from_micros(since));
        assert_eq!([after(0, 79), after(3, 1), after(5, 100)], [1, 4, 5]);
        assert_eq!([after(5, 161), after(0, 161)], [4, 0]);
        assert_eq!(batch_after(2, Duration::ZERO, Duration::MAX), 1);
    }
}
