//! Which segment is drained next, and where it goes then.

use super::lists::{Lists, NOWHERE};
use super::{LOOKS, SAMPLE, Streams, hole, queue_of};
use crate::log::{Draining, Log};
use crate::policy::{QUEUES, Queue};
use std::sync::atomic::Ordering;

/// A segment's hole is worth to move the rest if it is one over this of the segment, or more.
const LEAST_HOLE: u64 = 64;

impl Streams {
    /// Begins to drain the oldest segment of a queue that has no writers.
    pub(crate) fn pick_oldest(&self, log: &Log, queue: Queue) -> Option<Draining> {
        let mut lists = self.lock();
        let (segment, draining) = lists
            .queue(queue)
            .take(LOOKS)
            .find_map(|segment| Some((segment, log.begin_drain(segment as usize)?)))?;
        self.take_out(&mut lists, log, queue, segment);
        Some(draining)
    }

    fn take_out(&self, lists: &mut Lists, log: &Log, queue: Queue, segment: u32) {
        lists.unlink(queue, segment);
        self.update_tail(lists, log, queue);
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
        let queue = queue_of(log.segment(segment).place());
        self.take_out(&mut lists, log, queue, segment as u32);
        Some(draining)
    }

    /// Begins to drain the segment with the least alive of some in queues. `None` if more than `most`
    /// of its size is alive in 256ths.
    pub(crate) fn pick_sparse(&self, log: &Log, most: u64) -> Option<Draining> {
        let mut lists = self.lock();
        let count = lists.links.len();
        let looks = (log.segment_bytes() / 64).clamp(*SAMPLE.start(), *SAMPLE.end()).min(count);
        for _ in 0..LOOKS {
            let segment = emptiest(&mut lists.looked_at, log, count, looks, most)?;
            // A sweep may have come to it meanwhile: then another.
            if let Some(draining) = log.begin_drain(segment) {
                let queue = queue_of(log.segment(segment).place());
                self.take_out(&mut lists, log, queue, segment as u32);
                return Some(draining);
            }
        }
        None
    }

    /// Begins to drain the segment with the largest hole, of all. `None` if that is too small to be
    /// worth it.
    pub(crate) fn pick_hollow(&self, log: &Log) -> Option<Draining> {
        let mut lists = self.lock();
        let waits = |segment: &usize| log.segment(*segment).may_be_drained();
        let holes = (0..lists.links.len()).filter(waits).map(|segment| (hole(log.segment(segment)), segment));
        let (_, segment) =
            holes.max().filter(|&(hole, segment)| hole * LEAST_HOLE >= log.segment(segment).size())?;
        let draining = log.begin_drain(segment)?;
        let queue = queue_of(log.segment(segment).place());
        self.take_out(&mut lists, log, queue, segment as u32);
        Some(draining)
    }

    /// Sends the oldest segments of both queues to limbo if they are wholly dead; true if one went.
    pub(crate) fn collect_dead(&self, log: &Log, most: usize) -> bool {
        let mut lists = self.lock();
        let mut collected = 0;
        for queue in QUEUES {
            while collected < most {
                let oldest = lists.queues[queue as usize].oldest;
                if oldest == NOWHERE || !log.segment(oldest as usize).is_dead() {
                    break;
                }
                // No writers, sealed, and each byte dead: there is nothing to unlink.
                let Some(draining) = log.begin_drain(oldest as usize) else { break };
                self.take_out(&mut lists, log, queue, oldest);
                self.to_limbo(&mut lists, log, draining, queue);
                collected += 1;
            }
        }
        collected > 0
    }

    /// Ends a drain: no slot names the segment any more.
    pub(crate) fn drained(&self, log: &Log, draining: Draining, queue: Queue) {
        self.to_limbo(&mut self.lock(), log, draining, queue);
    }

    fn to_limbo(&self, lists: &mut Lists, log: &Log, draining: Draining, queue: Queue) {
        let segment = log.end_drain(draining);
        self.gauges.taken[queue as usize].fetch_sub(log.segment(segment).size(), Ordering::Relaxed);
        lists.limbo.push(segment as u32);
        self.gauges.spare.fetch_add(1, Ordering::Relaxed);
    }

    /// Leaves a segment that was to be drained, and is not wholly, for another time.
    pub(crate) fn requeue(&self, log: &Log, draining: Draining) {
        let mut lists = self.lock();
        let segment = log.leave_drain(draining);
        let queue = queue_of(log.segment(segment).place());
        lists.push(queue, segment as u32);
        self.update_tail(&lists, log, queue);
    }
}

/// The segment with the least alive of so many of all that are looked at, if it is no more than
/// `most` of its size, in 256ths. Begins after the one at which the last look ended.
fn emptiest(looked_at: &mut usize, log: &Log, count: usize, looks: usize, most: u64) -> Option<usize> {
    let mut best = None;
    let mut least = most + 1;
    for _ in 0..looks {
        *looked_at = if *looked_at + 1 < count { *looked_at + 1 } else { 0 };
        let segment = log.segment(*looked_at);
        if !segment.may_be_drained() {
            continue;
        }
        // Sizes are powers of two, and there are many to look at.
        let alive = (segment.alive() * 256) >> segment.size().max(1).ilog2();
        if alive < least {
            (least, best) = (alive, Some(*looked_at));
        }
    }
    best
}
