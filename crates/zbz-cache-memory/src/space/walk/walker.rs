//! [`Walker`]: what walks of segments share: where a walk is, and what becomes of an entry.

use std::collections::VecDeque;

use crate::base::ttl::NEVER;
use crate::entries::Entries;
use crate::entries::removal::{Call, RemovalCause};
use crate::index::slot::{Location, Slot};
use crate::index::{LockedBucket, SlotRef};
use crate::log::drain::Draining;
use crate::log::item::Kind;
use crate::log::{Reservation, Span};
use crate::policy::{Destination, Judgement, Queue};
use crate::space::append::Reserve;
use crate::space::full::Priority;
use crate::space::room::{Request, Room};
use crate::space::streams::{Stream, queue_of};

/// Items whose buckets are asked for before the first is looked at.
pub(crate) const AHEAD: usize = 16;

/// The walk that one evictor is at, if it is at one.
#[derive(Debug, Default)]
pub(crate) struct Evictor {
    pub(crate) walk: Option<Walk>,
}

/// The walk of one segment.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) draining: Draining,
    /// Where the next item begins.
    pub(crate) offset: usize,
    pub(super) mode: Mode,
    pub(super) queue: Queue,
    /// Items kept since one was evicted.
    pub(super) kept: u32,
    /// How far the buckets of items were asked for, and the items up to there.
    pub(super) ahead: usize,
    pub(super) asked: VecDeque<Asked>,
}

/// The treatment of live entries by a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As the policy decides.
    Judge,
    /// All stay, in their queue and with their hits.
    Forward,
    /// All stay, in a cache that rejects: together in one stream of the small queue.
    Together,
}

/// An item whose bucket was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    pub(super) hash: u64,
    pub(super) location: Location,
    /// Where it begins in the segment, and the next one.
    pub(super) offset: usize,
    pub(super) next: usize,
}

/// The outcome for an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemOutcome {
    /// No slot named it.
    Dead,
    Kept,
    /// Its entry was evicted or had expired, and left so many bytes of the log.
    Removed {
        bytes: u64,
    },
    /// There is no room for it, and it may not be evicted.
    NoRoom,
}

/// See the module's documentation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walker<'a> {
    pub(crate) entries: &'a Entries,
    pub(crate) room: &'a Room,
}

/// An entry that is evicted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Victim {
    /// Of its key.
    pub(super) hash: u64,
    /// The queue in which it is walked past.
    pub(super) queue: Queue,
}

/// Reserves room for moved entries.
pub(super) struct Mover<'a>(pub(super) Walker<'a>);

impl<'a> Reserve<'a> for Mover<'a> {
    fn room(&self) -> &'a Room {
        self.0.room
    }

    fn entries(&self) -> &'a Entries {
        self.0.entries
    }

    fn reserve(&mut self, stream: Stream, span: Span) -> Option<Reservation<'a>> {
        self.0.room.reserve(self.0.entries, Request { stream, span, priority: Priority::Moved })
    }
}

impl Walk {
    /// Where an entry goes that stays; `None` if it is to be evicted.
    pub(super) fn destination(&self, room: &Room, slot: Slot) -> Option<Destination> {
        let hits = slot.hits();
        match self.mode {
            Mode::Forward => Some(Destination { queue: self.queue, hits }),
            Mode::Together => Some(Destination { queue: Queue::Small, hits }),
            Mode::Judge => match room.policy.judge(self.queue, hits, self.kept) {
                Judgement::Evict => None,
                Judgement::Keep(destination) => Some(destination),
            },
        }
    }
}

impl<'a> Walker<'a> {
    pub(crate) fn walk(&self, draining: Draining, mode: Mode) -> Walk {
        let queue = queue_of(self.entries.log.segment(draining.segment()).place());
        Walk { draining, offset: 0, mode, queue, kept: 0, ahead: 0, asked: VecDeque::with_capacity(AHEAD) }
    }

    pub(super) fn kept(&self, walk: &Walk) -> ItemOutcome {
        if walk.mode == Mode::Judge && walk.queue == Queue::Small {
            self.room.policy.promoted(self.entries.counters.keys_about());
        }
        ItemOutcome::Kept
    }

    pub(super) fn evict(
        &self,
        bucket: LockedBucket<'_>,
        place: SlotRef<'_>,
        victim: Victim,
        call: &mut Call<'_>,
    ) -> ItemOutcome {
        let located = self.entries.locate(&bucket, place);
        self.entries.remove(&bucket, &located, RemovalCause::Evicted, call);
        drop(bucket);
        let info = &located.info;
        if info.is_live(&call.now) {
            self.room.note_evicted(self.entries, victim.queue, victim.hash);
        }
        ItemOutcome::Removed { bytes: info.log_bytes() }
    }

    /// The stream of an entry that is moved to a queue.
    pub(super) fn stream_of_moved(&self, queue: Queue, deadline: Option<u64>, call: &Call<'_>) -> Stream {
        let stream = self.room.stream(queue, deadline.unwrap_or(NEVER), &call.now);
        // In a cache that rejects, all entries that are moved together are appended to one stream: no
        // other thread takes the room that they go to.
        let is_shared = queue == Queue::Small && !self.room.full.evicts();
        if is_shared { Stream { stripe: 0, ..stream } } else { stream }
    }
}
