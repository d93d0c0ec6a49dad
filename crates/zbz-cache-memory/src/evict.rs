//! Making room: a segment is walked item by item, each dropped or moved, then it is recycled.
//!
//! - *A segment at a time for each evictor*: it is claimed by `begin_drain`, and its walk goes on
//!   where it was left, by whoever needs room next. A step is at most [`STEP`] items.
//! - *Copied outside the bit*: an item that stays is copied first; then its slot is swapped, if it
//!   still names the old place.

use std::collections::VecDeque;
use std::sync::{MutexGuard, PoisonError};

use crate::engine::{Engine, Moment};
use crate::entry::Exit;
use crate::index::{Held, Place};
use crate::item::{Item, Kind};
use crate::lanes;
use crate::large::Head;
use crate::log::Draining;
use crate::segment::Segment;
use crate::slot::{Location, Slot};
use crate::tide::Side;
use crate::ttl::NEVER;
use crate::{WhenFull, threads};

mod moved;
mod pieces;

use pieces::Walked;

/// Items of one step.
const STEP: usize = 64;

/// Items whose buckets are asked for before the first is looked at.
pub(crate) const AHEAD: usize = 16;

/// Items in a row that are kept; the next one is dropped whatever its hits.
const PATIENCE: u32 = 32;

/// A segment of which at most this many 256ths are alive is moved together before any is
/// evicted.
const SPARSE: u64 = 128;

/// Segments that one write moves together before it has others judged: moving a piece writes its
/// head anew, and where that is large, nothing is gained.
const MOST_FORWARDED: usize = 16;

/// Where one evictor is.
#[derive(Debug, Default)]
pub(crate) struct Evictor {
    pub(crate) work: Option<Work>,
}

/// The walk of one segment.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) draining: Draining,
    pub(crate) offset: usize,
    how: How,
    side: Side,
    /// Items kept since one was dropped.
    kept: u32,
    /// How far the buckets of items were asked for, and the items up to there.
    ahead: usize,
    asked: VecDeque<Asked>,
}

/// An item whose bucket was asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    kind: Kind,
    hash: u64,
    location: Location,
    /// Where it begins in the segment, and the next one.
    offset: usize,
    next: usize,
}

impl Work {
    /// Where an entry goes that stays, and its hits there.
    fn destination(&self, slot: Slot) -> (Side, u64) {
        match (self.how, self.side) {
            (How::Forward, side) => (side, slot.hits()),
            (How::Together, _) => (Side::Small, slot.hits()),
            (How::Judge, Side::Small) => (Side::Main, 0),
            (How::Judge, Side::Main) => (Side::Main, slot.hits().saturating_sub(1)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// As the policy says.
    Judge,
    /// All that live stay, in their queue and with their hits.
    Forward,
    /// The same where nothing is evicted, in the lane for what is moved (`Engine::lane`).
    Together,
}

/// What the index names of something that is walked.
#[derive(Debug, Clone, Copy)]
struct Named {
    hash: u64,
    /// Of the item in the segment that is walked, or of the head of a piece that is.
    location: Location,
    side: Side,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// No slot named it.
    Dead,
    Kept,
    /// It went, and this many bytes with it.
    Dropped(u64),
    /// There is no room for it, and it may not go.
    Stuck,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There was nothing to walk.
    Idle,
    Walked {
        freed: u64,
    },
    /// The segment is in limbo.
    Ended {
        freed: u64,
    },
    Stuck,
}

impl Engine {
    fn evictor(&self, number: usize) -> MutexGuard<'_, Evictor> {
        self.evictors[number % self.evictors.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part of an eviction, if nobody else is at it.
    pub(crate) fn evict_some(&self, bytes: usize) {
        let number = threads::number() % self.evictors.len();
        if let Ok(mut evictor) = self.evictors[number].try_lock() {
            let mut freed = 0;
            for _ in 0..2 {
                match self.step(&mut evictor, bytes as u64, 0) {
                    Step::Walked { freed: more } | Step::Ended { freed: more } => freed += more,
                    Step::Idle | Step::Stuck => break,
                }
                if freed >= bytes as u64 {
                    break;
                }
            }
        }
        if self.lanes.spare() <= 1 {
            self.release();
        }
    }

    /// A step towards a free segment for who had `drained` segments drained for it so far; answers
    /// how many more went to limbo. `None` if there is nothing left to evict.
    pub(crate) fn evict_for_segment(&self, drained: usize) -> Option<usize> {
        let first = threads::number();
        for number in 0..self.evictors.len() {
            let mut evictor = self.evictor(first.wrapping_add(number));
            match self.step(&mut evictor, self.segment_size() as u64, drained) {
                Step::Idle | Step::Stuck => {}
                Step::Walked { .. } => return Some(0),
                Step::Ended { .. } => return Some(1),
            }
        }
        // What is left is in segments that are open still.
        self.close_if(|segment| segment.fill() > 0)
    }

    /// Moves together what is in the segment with the largest hole, where nothing may be evicted.
    /// Answers as `evict_for_segment`.
    pub(crate) fn reclaim_for_segment(&self) -> Option<usize> {
        self.reclaim_with(&mut self.evictor(0))
    }

    /// The same unless somebody is at it, who may be the caller.
    pub(crate) fn reclaim_if_idle(&self) {
        if let Ok(mut evictor) = self.evictors[0].try_lock() {
            self.reclaim_with(&mut evictor);
        }
    }

    fn reclaim_with(&self, evictor: &mut Evictor) -> Option<usize> {
        if evictor.work.is_none() {
            let Some(draining) = self.lanes.pick_hollow(&self.log) else {
                // The holes are in segments that are open still.
                return self.close_if(|segment| segment.dead() > 0);
            };
            // A few segments are too few for one more to be open.
            let how = if self.lanes.present() < 8 { How::Forward } else { How::Together };
            evictor.work = Some(self.work(draining, how));
        }
        loop {
            match self.step(evictor, u64::MAX, 0) {
                Step::Walked { .. } => {}
                Step::Ended { .. } => return Some(1),
                // One that is open may be wholly dead.
                Step::Idle | Step::Stuck => {
                    return self.close_if(|segment| segment.fill() > 0 && segment.dead() == segment.fill());
                }
            }
        }
    }

    /// Has no lane stay open in such a segment. Answers as `evict_for_segment`.
    fn close_if(&self, which: impl Fn(Segment<'_>) -> bool) -> Option<usize> {
        self.lanes.close_lanes(&self.log, |segment| which(self.log.segment(segment))).then_some(0)
    }

    fn work(&self, draining: Draining, how: How) -> Work {
        let side = lanes::side_of(self.log.segment(draining.segment()).place());
        Work { draining, offset: 0, how, side, kept: 0, ahead: 0, asked: VecDeque::with_capacity(AHEAD) }
    }

    /// Chooses the next segment to walk.
    fn begin(&self, drained: usize) -> Option<Work> {
        // Others may have taken what this write freed, where there is room for all.
        let forwards = drained < MOST_FORWARDED || !self.is_dense();
        if forwards && let Some(draining) = self.lanes.pick_sparse(&self.log, SPARSE) {
            return Some(self.work(draining, How::Forward));
        }
        let side = self.tide.side_to_walk(&self.facts());
        let other = if side == Side::Small { Side::Main } else { Side::Small };
        let pick = |side| self.lanes.pick_oldest(&self.log, side);
        pick(side).or_else(|| pick(other)).map(|draining| self.work(draining, How::Judge))
    }

    /// Walks on until enough is freed, for [`STEP`] items at most.
    fn step(&self, evictor: &mut Evictor, enough: u64, drained: usize) -> Step {
        if evictor.work.is_none() {
            if self.when_full == WhenFull::Reject {
                return Step::Idle;
            }
            evictor.work = self.begin(drained);
        }
        let Some(work) = &mut evictor.work else { return Step::Idle };
        let now = self.moment();
        let mut freed = 0;
        let segment = self.log.segment(work.draining.segment());
        let mut ended = segment.is_dead();
        let mut walked = 0;
        while !ended && walked < STEP && freed < enough {
            match self.walk(work, &now) {
                None => ended = true,
                // What is left of it may be dead.
                Some(Fate::Dropped(bytes)) => {
                    freed += bytes;
                    ended = segment.is_dead();
                }
                Some(Fate::Kept) => ended = segment.is_dead(),
                Some(Fate::Stuck) => {
                    if let Some(work) = evictor.work.take() {
                        self.lanes.requeue(&self.log, work.draining);
                    }
                    return Step::Stuck;
                }
                Some(Fate::Dead) => {}
            }
            walked += 1;
        }
        if !ended {
            return Step::Walked { freed };
        }
        if let Some(work) = evictor.work.take() {
            self.lanes.drained(&self.log, work.draining, work.side);
        }
        Step::Ended { freed }
    }

    /// Walks past one item; `None` at the end.
    fn walk(&self, work: &mut Work, now: &Moment<'_>) -> Option<Fate> {
        self.look_ahead(work);
        let asked = work.asked.pop_front()?;
        work.offset = asked.next;
        let fate = match asked.kind {
            Kind::Filler => return Some(Fate::Dead),
            Kind::Whole | Kind::Head => self.judge_item(asked, work, now),
            Kind::Piece => {
                let (item, ..) = self.log.item_at(&work.draining, asked.offset)?;
                let piece = Walked { hash: asked.hash, location: asked.location };
                self.judge_piece(&item, piece, work, now)
            }
        };
        match fate {
            Fate::Kept if work.how == How::Judge => work.kept += 1,
            Fate::Dropped(_) => work.kept = 0,
            Fate::Stuck | Fate::Dead | Fate::Kept => {}
        }
        Some(fate)
    }

    /// Whether an entry stays, as its slot and its deadline say.
    fn is_wanted(&self, work: &Work, slot: Slot, deadline: Option<u64>, now: &Moment<'_>) -> bool {
        let wanted = work.how != How::Judge || (slot.hits() > 0 && work.kept < PATIENCE);
        wanted && deadline.is_none_or(|deadline| now.get() < deadline)
    }

    fn judge_item(&self, asked: Asked, work: &Work, now: &Moment<'_>) -> Fate {
        let named = Named { hash: asked.hash, location: asked.location, side: work.side };
        let held = self.index.hold(named.hash);
        let Some(place) = held.find_location(named.hash, named.location) else { return Fate::Dead };
        let slot = place.slot();
        let Some((item, ..)) = self.log.item_at(&work.draining, asked.offset) else { return Fate::Dead };
        if !self.is_wanted(work, slot, item.deadline(), now) {
            return self.drop_entry(held, place, named, now);
        }
        drop(held);
        let (to, hits) = work.destination(slot);
        let lane = self.lane(to, item.deadline().unwrap_or(NEVER), now);
        self.fate_of_moved(self.move_item(&item, named, lane, hits), named, work, now)
    }

    fn fate_of_moved(&self, moved: bool, named: Named, work: &Work, now: &Moment<'_>) -> Fate {
        if moved {
            return self.kept(work);
        }
        if self.when_full == WhenFull::Reject {
            return Fate::Stuck;
        }
        // There was no room for it after all. No other item can stand there: the segment is drained.
        let held = self.index.hold(named.hash);
        match held.find_location(named.hash, named.location) {
            Some(place) => self.drop_entry(held, place, named, now),
            None => Fate::Dead,
        }
    }

    fn kept(&self, work: &Work) -> Fate {
        if work.how == How::Judge && work.side == Side::Small {
            self.tide.promoted(self.counters.keys_about());
        }
        Fate::Kept
    }

    fn drop_entry(&self, held: Held<'_>, place: Place<'_>, named: Named, now: &Moment<'_>) -> Fate {
        let old = self.describe(&held, place.slot());
        held.drop_item(place);
        self.let_go(&held, &old, Exit::Evicted, now);
        drop(held);
        if old.is_live(now) {
            self.tide.evicted(named.side);
            let bucket = self.index.bucket_of(named.hash);
            match named.side {
                Side::Small => self.ghosts.push_small(named.hash, bucket),
                Side::Main => self.ghosts.push_main(named.hash, bucket),
            }
        }
        self.fit_index();
        Fate::Dropped(old.len as u64 + old.pieces.iter().map(|&(_, len)| len as u64).sum::<u64>())
    }

    /// Asks for the buckets of the items that are walked past next.
    fn look_ahead(&self, work: &mut Work) {
        while work.asked.len() < AHEAD
            && let Some((item, location, next)) = self.log.item_at(&work.draining, work.ahead)
        {
            let (kind, hash) = (item.kind(), self.hash_of(&item));
            self.index.prefetch_bucket(hash);
            work.asked.push_back(Asked { kind, hash, location, offset: work.ahead, next });
            work.ahead = next;
        }
    }

    /// The hash of the key of what stands in a segment; of a filler, any.
    pub(crate) fn hash_of(&self, item: &Item<'_>) -> u64 {
        match item.kind() {
            Kind::Whole => self.hash(item.key()),
            Kind::Head => Head::parse(item.value()).map_or(0, |head| head.hash),
            Kind::Piece => item.piece_hash(),
            Kind::Filler => 0,
        }
    }

    /// Ends the walks of segments that are dead to their end.
    pub(crate) fn finish_dead_evictors(&self) {
        for number in 0..self.evictors.len() {
            let mut evictor = self.evictor(number);
            let dead = |work: &Work| self.log.segment(work.draining.segment()).is_dead();
            if evictor.work.as_ref().is_some_and(dead) {
                self.step(&mut evictor, u64::MAX, 0);
            }
        }
    }
}
