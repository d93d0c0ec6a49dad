//! [`Evictors`]: the walks that are under way, and how a write has one go on.
//!
//! May begin, continue and end walks. Which segment is walked, the policy decides.
//!
//! - *One walk a lock*: each evictor is locked for a step of its walk. A write that only pays tries the
//!   lock and goes on; a write that needs a segment waits for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::sync::CachePadded;
use crate::base::threads;
use crate::entries::removal::Call;
use crate::log::segment::Segment;
use crate::space::walk::{Evictor, Mode, Walk, WalkStep, Walker};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Evictors {
    each: Box<[CachePadded<Mutex<Evictor>>]>,
}

/// A cache of fewer segments has too few for one more stream to have one open.
const ENOUGH_FOR_STREAM: u64 = 8;

impl Evictors {
    pub(crate) fn new(count: usize) -> Evictors {
        Evictors { each: (0..count).map(|_| CachePadded::default()).collect() }
    }

    pub(crate) fn bytes(&self) -> u64 {
        size_of_val(&*self.each) as u64
    }

    fn lock(&self, number: usize) -> MutexGuard<'_, Evictor> {
        self.each[number % self.each.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the walks that are under way, each while no other thread is at it.
    pub(crate) fn visit(&self, mut visit: impl FnMut(&Walk)) {
        for number in 0..self.each.len() {
            if let Some(walk) = &self.lock(number).walk {
                visit(walk);
            }
        }
    }

    /// Evicts about so many bytes, unless another thread is at it.
    pub(crate) fn evict_some(&self, walker: Walker<'_>, bytes: u64, call: &mut Call<'_>) {
        let number = threads::number() % self.each.len();
        let Ok(mut evictor) = self.each[number].try_lock() else { return };
        let mut freed = 0;
        for _ in 0..2 {
            match step(walker, &mut evictor, Want { bytes, drained: 0 }, call) {
                WalkStep::Walked { freed: more } | WalkStep::Ended { freed: more } => freed += more,
                WalkStep::Idle | WalkStep::NoRoom => break,
            }
            if freed >= bytes {
                break;
            }
        }
    }

    /// A step towards a free segment for a write that had `drained` segments emptied so far. Answers how
    /// many more were emptied. `None` if there is nothing left to evict.
    pub(crate) fn evict_for_segment(
        &self,
        walker: Walker<'_>,
        drained: usize,
        call: &mut Call<'_>,
    ) -> Option<usize> {
        let first = threads::number();
        for number in 0..self.each.len() {
            let mut evictor = self.lock(first.wrapping_add(number));
            let want = Want { bytes: walker.room.segment_bytes() as u64, drained };
            match step(walker, &mut evictor, want, call) {
                WalkStep::Idle | WalkStep::NoRoom => {}
                WalkStep::Walked { .. } => return Some(0),
                WalkStep::Ended { .. } => return Some(1),
            }
        }
        // The remaining entries are in segments that are still open.
        close_streams_if(walker, |segment| segment.fill() > 0)
    }

    /// Moves together the entries of the segment with the largest hole, in a cache that rejects. Answers
    /// as [`evict_for_segment`](Evictors::evict_for_segment).
    pub(crate) fn compact_for_segment(&self, walker: Walker<'_>, call: &mut Call<'_>) -> Option<usize> {
        compact(walker, &mut self.lock(0), call)
    }

    /// [`compact_for_segment`](Evictors::compact_for_segment), unless another thread is at it.
    pub(crate) fn compact_if_idle(&self, walker: Walker<'_>, call: &mut Call<'_>) {
        if let Ok(mut evictor) = self.each[0].try_lock() {
            compact(walker, &mut evictor, call);
        }
    }

    /// Ends the walks of segments that are dead to their end.
    pub(crate) fn finish_dead(&self, walker: Walker<'_>, call: &mut Call<'_>) {
        for number in 0..self.each.len() {
            let mut evictor = self.lock(number);
            let is_dead = |walk: &Walk| walker.entries.log.segment(walk.draining.segment()).is_dead();
            if evictor.walk.as_ref().is_some_and(is_dead) {
                walker.step(&mut evictor, u64::MAX, call);
            }
        }
    }
}

/// The purpose of a step of an eviction.
#[derive(Debug, Clone, Copy)]
struct Want {
    bytes: u64,
    /// Segments that were emptied so far for the same write.
    drained: usize,
}

/// A step of an eviction, which begins a walk if none is under way.
fn step(walker: Walker<'_>, evictor: &mut Evictor, want: Want, call: &mut Call<'_>) -> WalkStep {
    if evictor.walk.is_none() && walker.room.full.evicts() {
        evictor.walk = begin(walker, want.drained);
    }
    walker.step(evictor, want.bytes, call)
}

/// The walk of the segment that the policy chooses.
fn begin(walker: Walker<'_>, drained: usize) -> Option<Walk> {
    let Walker { entries, room } = walker;
    let choice = room.policy.choose(&room.facts(entries), drained, || room.is_dense(entries));
    let (streams, log) = (&room.streams, &entries.log);
    if let Some(most_alive) = choice.sparse_alive
        && let Some(draining) = streams.pick_sparse(log, most_alive)
    {
        return Some(walker.walk(draining, Mode::Forward));
    }
    let draining = choice.queues.into_iter().find_map(|queue| streams.pick_oldest(log, queue))?;
    Some(walker.walk(draining, Mode::Judge))
}

fn compact(walker: Walker<'_>, evictor: &mut Evictor, call: &mut Call<'_>) -> Option<usize> {
    let Walker { entries, room } = walker;
    if evictor.walk.is_none() {
        let Some(draining) = room.streams.pick_hollow(&entries.log) else {
            // The holes are in segments that are still open.
            return close_streams_if(walker, |segment| segment.dead() > 0);
        };
        let is_enough = room.streams.present() >= ENOUGH_FOR_STREAM;
        let mode = if is_enough { Mode::Together } else { Mode::Forward };
        evictor.walk = Some(walker.walk(draining, mode));
    }
    loop {
        match walker.step(evictor, u64::MAX, call) {
            WalkStep::Walked { .. } => {}
            WalkStep::Ended { .. } => return Some(1),
            // One that is open may be wholly dead.
            WalkStep::Idle | WalkStep::NoRoom => {
                let is_dead = |segment: Segment<'_>| segment.fill() > 0 && segment.dead() == segment.fill();
                return close_streams_if(walker, is_dead);
            }
        }
    }
}

/// Has no stream stay open in such a segment. `Some(0)` if one was.
fn close_streams_if(walker: Walker<'_>, which: impl Fn(Segment<'_>) -> bool) -> Option<usize> {
    let log = &walker.entries.log;
    walker.room.streams.close_streams(log, |segment| which(log.segment(segment))).then_some(0)
}
