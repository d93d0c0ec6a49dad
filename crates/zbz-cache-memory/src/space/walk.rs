//! [`Walker`]: empties a segment, item by item: each entry is evicted or moved.
//!
//! May remove and relocate entries, and reserves room for those that are moved. It never frees a
//! segment to get that room, so a walk never begins another one.
//!
//! - *A segment at a time for each evictor*: it is claimed by `begin_drain`, and its walk goes on
//!   where it was left, by the next thread that needs room. A step is at most [`STEP`] items.
//! - *Copied without the lock*: an item that stays is copied first; then its slot is swapped, if it
//!   still names the old place.

mod chunks;
mod items;
mod walker;

use crate::entries::removal::Call;
use crate::log::item::Kind;
use chunks::ChunkAt;
use walker::{Asked, ItemOutcome};

pub(crate) use walker::{AHEAD, Evictor, Mode, Walk, Walker};

/// Items of one step.
const STEP: usize = 64;

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WalkStep {
    /// There was nothing to walk.
    Idle,
    Walked {
        freed: u64,
    },
    /// The segment is in limbo.
    Ended {
        freed: u64,
    },
    /// An entry had no room and may not be evicted; the segment waits in its queue again.
    NoRoom,
}

impl Walker<'_> {
    /// Walks on until `enough` bytes are freed, for [`STEP`] items at most.
    pub(crate) fn step(&self, evictor: &mut Evictor, enough: u64, call: &mut Call<'_>) -> WalkStep {
        let Some(walk) = &mut evictor.walk else { return WalkStep::Idle };
        let segment = self.entries.log.segment(walk.draining.segment());
        let (mut freed, mut walked, mut ended) = (0, 0, segment.is_dead());
        while !ended && walked < STEP && freed < enough {
            match self.walk_item(walk, call) {
                None => ended = true,
                // The others may be dead.
                Some(ItemOutcome::Removed { bytes }) => {
                    freed += bytes;
                    ended = segment.is_dead();
                }
                Some(ItemOutcome::Kept) => ended = segment.is_dead(),
                Some(ItemOutcome::NoRoom) => {
                    if let Some(walk) = evictor.walk.take() {
                        self.room.streams.requeue(&self.entries.log, walk.draining);
                    }
                    return WalkStep::NoRoom;
                }
                Some(ItemOutcome::Dead) => {}
            }
            walked += 1;
        }
        if !ended {
            return WalkStep::Walked { freed };
        }
        if let Some(walk) = evictor.walk.take() {
            self.room.streams.drained(&self.entries.log, walk.draining, walk.queue);
        }
        WalkStep::Ended { freed }
    }

    /// Walks past one item; `None` at the end.
    fn walk_item(&self, walk: &mut Walk, call: &mut Call<'_>) -> Option<ItemOutcome> {
        self.look_ahead(walk);
        let asked = walk.asked.pop_front()?;
        walk.offset = asked.next;
        let outcome = match asked.kind {
            Kind::Filler => return Some(ItemOutcome::Dead),
            Kind::Whole | Kind::ChunkHeader => self.judge_item(asked, walk, call),
            Kind::Chunk => {
                let (item, ..) = self.entries.log.item_at(&walk.draining, asked.offset)?;
                let chunk = ChunkAt { hash: asked.hash, location: asked.location };
                self.judge_chunk(&item, chunk, walk, call)
            }
        };
        match outcome {
            ItemOutcome::Kept if walk.mode == Mode::Judge => walk.kept += 1,
            ItemOutcome::Removed { .. } => walk.kept = 0,
            ItemOutcome::NoRoom | ItemOutcome::Dead | ItemOutcome::Kept => {}
        }
        Some(outcome)
    }

    /// Asks for the buckets of the items that are walked past next.
    fn look_ahead(&self, walk: &mut Walk) {
        while walk.asked.len() < AHEAD
            && let Some((item, location, next)) = self.entries.log.item_at(&walk.draining, walk.ahead)
        {
            let (kind, hash) = (item.kind(), self.entries.hash_of(&item));
            self.entries.index.prefetch_bucket(hash);
            walk.asked.push_back(Asked { kind, hash, location, offset: walk.ahead, next });
            walk.ahead = next;
        }
    }
}
