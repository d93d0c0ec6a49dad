//! [`Full`]: what a full cache does, evict or reject, with the state that this takes.
//!
//! Decides; touches nothing. A write that needs room asks here what may be done for it.

pub(crate) mod rejecting;
pub(crate) mod usage;

use crate::policy::Queue;
use crate::space::layout;
use rejecting::Rejecting;
use usage::Usage;

/// The behaviour of a write that finds no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Evicts the least valuable entries until it fits.
    #[default]
    Evict,
    /// Refuses with [`Error::Full`](crate::Error::Full) and changes nothing. Entries whose time has
    /// passed are reclaimed first, and an overwrite that fits in place of its old value succeeds.
    ///
    /// The cache reserves headroom for this. New keys do not get:
    ///
    /// - as much as the largest live entry takes;
    /// - a sixteenth of the budget, and more if that is below 1 MiB;
    /// - up to a sixteenth more if values are long.
    Reject,
}

/// The use of the room. Later variants may use more of the reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    New,
    /// In a cache that rejects: an entry that takes no more than the one it replaces, or than
    /// entries that were removed.
    Overwrite,
    /// An entry that is stored already and is moved.
    Moved,
}

/// The action for a write that finds no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FullAction {
    /// Entries are evicted.
    Evict,
    /// Entries are moved together, so that the holes between them become room.
    Compact,
    /// Nothing: the write has to do without.
    GiveUp,
}

/// Segments that one write empties before it gives up.
const MOST_DRAINED: usize = 64;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) enum Full {
    Evicting,
    Rejecting(Rejecting),
}

impl Full {
    pub(crate) fn new(when_full: WhenFull) -> Full {
        match when_full {
            WhenFull::Evict => Full::Evicting,
            WhenFull::Reject => Full::Rejecting(Rejecting::default()),
        }
    }

    pub(crate) fn when_full(&self) -> WhenFull {
        match self {
            Full::Evicting => WhenFull::Evict,
            Full::Rejecting(_) => WhenFull::Reject,
        }
    }

    #[inline(always)]
    pub(crate) fn evicts(&self) -> bool {
        matches!(self, Full::Evicting)
    }

    pub(crate) fn rejecting(&self) -> Option<&Rejecting> {
        match self {
            Full::Evicting => None,
            Full::Rejecting(rejecting) => Some(rejecting),
        }
    }

    /// Free segments that a write with this priority leaves alone.
    pub(crate) fn left_for_others(&self, priority: Priority, usage: &Usage) -> usize {
        match (self, priority) {
            (_, Priority::Moved) => 0,
            (Full::Evicting, _) => usage.kept_for_moved(),
            (Full::Rejecting(_), Priority::Overwrite) => match usage.present {
                0..8 => 0,
                8..48 => 1,
                _ => 2,
            },
            (Full::Rejecting(rejecting), Priority::New) => rejecting.kept_for_overwrites(usage),
        }
    }

    /// The action for a write with this priority, for which `drained` segments were emptied so far.
    pub(crate) fn without_room(&self, priority: Priority, drained: usize, usage: &Usage) -> FullAction {
        match (self, priority) {
            // Moving entries must not make others move.
            (_, Priority::Moved) | (Full::Rejecting(_), Priority::New) => FullAction::GiveUp,
            (Full::Evicting, _) if drained <= MOST_DRAINED => FullAction::Evict,
            (Full::Rejecting(_), Priority::Overwrite) if drained as u64 <= usage.present => {
                FullAction::Compact
            }
            _ => FullAction::GiveUp,
        }
    }

    /// Whether memory that is provided for a write with this priority is used at once. Otherwise it
    /// is added to the free segments first: what is left alone for others has to be there.
    pub(crate) fn uses_new_memory(&self, priority: Priority) -> bool {
        self.evicts() || priority != Priority::New
    }

    /// The bytes of segments that are provided from now on, in a cache with this budget whose segments
    /// have addresses for 2 to the `most_bits` bytes. A cache that rejects keeps what it has.
    pub(crate) fn segment_bytes(&self, budget: u64, most_bits: u32) -> u64 {
        let bits = if self.evicts() { layout::segment_bits(budget).min(most_bits) } else { most_bits };
        1 << bits
    }

    /// The queue of every new entry, if the policy has no say.
    pub(crate) fn only_queue(&self) -> Option<Queue> {
        // The small queue of a cache that rejects holds entries that were moved together, a segment at a
        // time: no other thread takes the room that they go to.
        (!self.evicts()).then_some(Queue::Main)
    }
}
