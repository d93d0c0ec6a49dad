//! An entry that is written; one that the index names, as whoever holds its bucket finds it; and how
//! it leaves.
//!
//! - *Gone under the bit*: what was unlinked is freed and counted before the bit is let go. Whoever
//!   drains the segment asks for that bit, so it is not recycled in between: bytes added to the dead
//!   of its next use would have that recycled while slots name it. And a key that comes back is
//!   counted in only after it was counted out, so no count shows more than there is.
//! - *Counted once*: an entry leaves through [`Engine::let_go`], called by whoever unlinked it.

use crate::counters::Count;
use crate::engine::{Engine, HashedKey, Moment};
use crate::index::{Held, Place};
use crate::item::{Content, Item};
use crate::large::Head;
use crate::slot::{Location, Slot};
use crate::ttl::NEVER;

/// Which kind of write stores an entry: it decides what the write is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteKind {
    Set,
    Increment,
}

impl WriteKind {
    #[inline(always)]
    pub(crate) fn count(self) -> Count {
        match self {
            WriteKind::Set => Count::Sets,
            WriteKind::Increment => Count::Increments,
        }
    }
}

/// What a write brings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) key: HashedKey<'a>,
    pub(crate) value: &'a [u8],
    /// `NEVER` for none.
    pub(crate) deadline: u64,
    pub(crate) kind: WriteKind,
}

impl Entry<'_> {
    pub(crate) fn payload(&self) -> u64 {
        (self.key.bytes.len() + self.value.len()) as u64
    }

    /// What stands in its item, if it is one.
    #[inline(always)]
    pub(crate) fn content(&self) -> Content<'_> {
        let deadline = (self.deadline != NEVER).then_some(self.deadline);
        Content { key: self.key.bytes, value: self.value, deadline, head: false }
    }
}

/// Why an entry leaves; one whose time has passed counts as expired whatever the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Deleted,
    Evicted,
    /// Another of its key takes its place: the key stays, unless its time has passed.
    Replaced,
}

/// A write whose entry leaves as soon as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unkept<'a> {
    pub(crate) key: HashedKey<'a>,
    pub(crate) kind: WriteKind,
    /// Why the entry leaves.
    pub(crate) exit: Exit,
}

/// The bucket of a key, held, and what it has of the key.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    pub(crate) held: Held<'a>,
    pub(crate) found: Option<(Place<'a>, Old)>,
}

impl Look<'_> {
    pub(crate) fn old(&self) -> Option<&Old> {
        self.found.as_ref().map(|(_, old)| old)
    }
}

/// What is known of an entry.
#[derive(Debug)]
pub(crate) struct Old {
    pub(crate) slot: Slot,
    /// The bytes of its item in the log.
    pub(crate) len: usize,
    /// The bytes of its key and its value.
    pub(crate) payload: u64,
    /// `NEVER` for none.
    pub(crate) deadline: u64,
    /// The pieces of an entry that was cut, and the bytes each takes.
    pub(crate) pieces: Vec<(Location, usize)>,
}

impl Old {
    #[inline]
    pub(crate) fn is_live(&self, now: &Moment<'_>) -> bool {
        self.deadline == NEVER || now.get() < self.deadline
    }

    /// Of an item that is no head.
    #[inline(always)]
    fn whole(slot: Slot, item: &Item<'_>) -> Old {
        let payload = (item.key().len() + item.value().len()) as u64;
        let deadline = item.deadline().unwrap_or(NEVER);
        Old { slot, len: item.bytes().len(), payload, deadline, pieces: Vec::new() }
    }
}

impl Engine {
    /// Holds the bucket of a key.
    pub(crate) fn look(&self, key: HashedKey<'_>) -> Look<'_> {
        self.look_inline(key)
    }

    #[inline(always)]
    pub(crate) fn look_inline(&self, key: HashedKey<'_>) -> Look<'_> {
        let held = self.index.hold(key.hash);
        let found = held.find_map(key.hash, |slot| {
            let item = self.log.read_held(&held, slot);
            match item.is_head() {
                true => self.cut_with_key(&held, slot, key.bytes),
                false => item.has_key(key.bytes).then(|| Old::whole(slot, &item)),
            }
        });
        Look { found, held }
    }

    /// What is known of a cut entry, if it has this key.
    #[cold]
    fn cut_with_key(&self, held: &Held<'_>, slot: Slot, key: &[u8]) -> Option<Old> {
        let item = self.log.read_held(held, slot);
        let head = Head::parse(item.value())?;
        let rest = key.strip_prefix(item.key())?;
        let pieces = head.pieces().map(|piece| self.log.read_piece_held(held, piece));
        (rest.len() == head.key_len && starts_with(pieces, rest)).then(|| self.describe(held, slot))
    }

    /// What is known of the item that a slot of a held bucket names.
    pub(crate) fn describe(&self, held: &Held<'_>, slot: Slot) -> Old {
        let item = self.log.read_held(held, slot);
        let whole = Old::whole(slot, &item);
        match Head::parse(item.value()).filter(|_| item.is_head()) {
            None => whole,
            Some(head) => {
                let payload = (item.key().len() + head.key_len + head.value_len) as u64;
                let pieces = head.pieces().map(|piece| (piece, self.log.piece_len_held(held, piece)));
                Old { payload, pieces: pieces.collect(), ..whole }
            }
        }
    }

    /// Frees and counts out an entry that was unlinked: *Gone under the bit*.
    #[inline(always)]
    pub(crate) fn let_go(&self, held: &Held<'_>, old: &Old, exit: Exit, now: &Moment<'_>) {
        self.free(held, old);
        let stripe = self.counters.stripe();
        stripe.add(Count::PayloadOut, old.payload);
        let what = match exit {
            _ if !old.is_live(now) => Count::Expirations,
            Exit::Replaced => return,
            Exit::Deleted => Count::Deletes,
            Exit::Evicted => Count::Evictions,
        };
        stripe.add(what, 1);
        stripe.key_out();
    }

    /// Frees what an entry took of the log.
    #[inline]
    pub(crate) fn free(&self, _held: &Held<'_>, old: &Old) {
        self.free_at(old.slot.location(), old.len);
        if !old.pieces.is_empty() {
            self.free_pieces(old);
        }
    }

    #[cold]
    fn free_pieces(&self, old: &Old) {
        old.pieces.iter().for_each(|&(piece, len)| self.free_at(piece, len));
        if let Some(segments) = self.segments_if_cut(old.payload) {
            self.largest.count_out(segments);
        }
    }

    /// Frees so many bytes that nothing names any more.
    #[inline]
    pub(crate) fn free_at(&self, location: Location, len: usize) {
        self.log.segment_at(location).add_dead(len as u64);
    }

    /// Notes the deadline of what is at this place.
    pub(crate) fn note_deadline(&self, location: Location, deadline: u64) {
        self.log.segment_at(location).note_deadline(deadline);
    }

    /// Unlinks what a key has, and lets it go.
    pub(crate) fn remove(&self, look: Look<'_>, exit: Exit, now: &Moment<'_>) -> Option<Old> {
        let Look { held, found } = look;
        let (place, old) = found?;
        held.remove(place);
        self.let_go(&held, &old, exit, now);
        Some(old)
    }
}

/// Whether the pieces, one after the other, begin with these bytes.
fn starts_with<'a>(pieces: impl Iterator<Item = &'a [u8]>, mut bytes: &[u8]) -> bool {
    for piece in pieces {
        let len = piece.len().min(bytes.len());
        if piece[..len] != bytes[..len] {
            return false;
        }
        bytes = &bytes[len..];
        if bytes.is_empty() {
            return true;
        }
    }
    bytes.is_empty()
}
