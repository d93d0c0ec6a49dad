//! Walking a piece of a cut entry: the entry is judged as a whole, or follows what was judged.
//!
//! - *By its name alone*: whether a piece may be left behind is asked under the bit of its entry's
//!   bucket, of the head that names it there and then. Heads move while a piece is copied, and
//!   other entries come to stand where they stood; so nothing is done by a head's old place, unless
//!   the version says that the same head is there still.

use super::{Fate, Named, Work};
use crate::append::Need;
use crate::engine::{Engine, Moment};
use crate::index::{Held, Place};
use crate::item::{Content, Item, PIECE_HEADER_BYTES};
use crate::lanes::Lane;
use crate::large::Head;
use crate::log::Reservation;
use crate::slot::{Location, Slot};
use crate::tide::Side;
use crate::ttl::NEVER;
use crate::{Version, WhenFull};

/// A piece in the segment that is walked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walked {
    /// Of its entry's key.
    pub(super) hash: u64,
    pub(super) location: Location,
}

/// A piece on its way, with what its head was when it was looked at.
#[derive(Debug)]
struct Moving {
    piece: Walked,
    head: Location,
    version: Version,
    key: Vec<u8>,
    value: Vec<u8>,
    deadline: Option<u64>,
    lane: Lane,
    hits: u64,
    /// The entry was judged before.
    follows: bool,
}

/// What came of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    Done,
    /// The head changed meanwhile: another may name the piece.
    Changed,
    NoRoom,
}

/// What is to be done about a piece.
enum Judged {
    Done(Fate),
    Move(Moving),
}

impl Engine {
    /// Judges a cut entry of which a piece is walked; afterwards no head names the piece, but for
    /// one that is stuck.
    pub(super) fn judge_piece(&self, item: &Item<'_>, piece: Walked, work: &Work, now: &Moment<'_>) -> Fate {
        let mut must_go = false;
        loop {
            match self.try_judge_piece(piece, must_go, work, now) {
                Judged::Done(fate) => return fate,
                Judged::Move(moving) => match self.move_piece(item, &moving) {
                    Moved::Done if moving.follows => return Fate::Kept,
                    Moved::Done => return self.kept(work),
                    Moved::Changed => {}
                    Moved::NoRoom if self.when_full == WhenFull::Reject => return Fate::Stuck,
                    Moved::NoRoom => must_go = true,
                },
            }
        }
    }

    fn try_judge_piece(&self, piece: Walked, must_go: bool, work: &Work, now: &Moment<'_>) -> Judged {
        let held = self.index.hold(piece.hash);
        let Some(place) = self.head_naming(&held, piece) else { return Judged::Done(Fate::Dead) };
        let slot = place.slot();
        let item = self.log.read_held(&held, slot);
        let deadline = item.deadline();
        let follows = self.follows(&item, slot, piece, work);
        let expired = deadline.is_some_and(|deadline| deadline <= now.get());
        if must_go || expired || !(follows || self.is_wanted(work, slot, None, now)) {
            let named = Named { hash: piece.hash, location: slot.location(), side: work.side };
            return Judged::Done(self.drop_entry(held, place, named, now));
        }
        let (to, hits) = work.destination(slot);
        Judged::Move(Moving {
            piece,
            head: slot.location(),
            version: self.version_at(slot.location()),
            key: item.key().to_vec(),
            value: item.value().to_vec(),
            deadline,
            lane: self.lane(to, deadline.unwrap_or(NEVER), now),
            hits: if follows { slot.hits() } else { hits },
            follows,
        })
    }

    /// The head that names a piece.
    fn head_naming<'a>(&self, held: &Held<'a>, piece: Walked) -> Option<Place<'a>> {
        held.find(piece.hash, |slot| {
            let item = self.log.read_held(held, slot);
            let head = Head::parse(item.value()).filter(|_| item.is_head());
            head.is_some_and(|head| head.pieces().any(|named| named == piece.location))
        })
    }

    /// Whether a piece goes where its entry went. That is judged once a lap: by its first piece, or
    /// by what of it is met first in the small queue.
    fn follows(&self, head: &Item<'_>, slot: Slot, piece: Walked, work: &Work) -> bool {
        match work.side {
            Side::Small => self.side_at(slot.location()) == Side::Main,
            Side::Main => {
                let first = Head::parse(head.value()).and_then(|head| head.pieces().next());
                first != Some(piece.location)
            }
        }
    }

    /// Copies a piece to a lane, and its head, which then names the copy.
    fn move_piece(&self, item: &Item<'_>, moving: &Moving) -> Moved {
        self.try_move_piece(item, moving).unwrap_or(Moved::NoRoom)
    }

    /// `None` if there is no room.
    fn try_move_piece(&self, item: &Item<'_>, moving: &Moving) -> Option<Moved> {
        let Moving { piece, lane, deadline, .. } = *moving;
        let bytes = item.bytes();
        let head = Head::parse(&moving.value)?;
        let rooms = self.copy_piece(item.piece(), piece.hash, moving, self.may_split(head))?;
        let locations: Vec<_> = rooms.iter().map(Reservation::location).collect();
        let value = head.with_moved(piece.location, &locations);
        let content = Content { key: &moving.key, value: &value, deadline, head: true };
        let head_room = self.append_item(lane, &content, Need::Survivor)?;
        let head_to = head_room.location();
        let held = self.index.hold(piece.hash);
        let Some(place) = held.find_location(piece.hash, moving.head) else { return Some(Moved::Changed) };
        if self.version_at(moving.head) != moving.version {
            return Some(Moved::Changed);
        }
        let head_len = self.log.read_held(&held, place.slot()).bytes().len();
        held.replace(&place, place.slot().moved_to(head_to, moving.hits));
        self.free_at(moving.head, head_len);
        self.free_at(piece.location, bytes.len());
        drop(held);
        head_room.publish();
        rooms.into_iter().for_each(Reservation::publish);
        Some(Moved::Done)
    }

    /// Whether a piece may become several, to fill the ends of segments: where nothing is evicted, while
    /// its entry has few.
    fn may_split(&self, head: Head<'_>) -> bool {
        let segments = (head.key_len + head.value_len) / self.segment_size() + 2;
        self.when_full == WhenFull::Reject && head.pieces().count() < 2 * segments
    }

    /// Copies what a piece holds. `None` if there is no room.
    fn copy_piece(
        &self,
        bytes: &[u8],
        hash: u64,
        moving: &Moving,
        may_split: bool,
    ) -> Option<Vec<Reservation<'_>>> {
        let (mut rooms, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let most = bytes.len() - at + PIECE_HEADER_BYTES;
            let least = if may_split { self.least_piece().min(most) } else { most };
            let mut room = self.reserve(moving.lane, (least, most), Need::Survivor)?;
            room.note_deadline(moving.deadline);
            room.write_piece(hash, [bytes, &[]], at);
            at += room.len() - PIECE_HEADER_BYTES;
            rooms.push(room);
        }
        Some(rooms)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
