//! Walking past a chunk: its entry is judged as a whole, or follows what was judged.
//!
//! - *By its name alone*: whether a chunk may be left behind is asked under the lock of its entry's
//!   bucket, of the chunk header that names it at that moment. Chunk headers move while a chunk is
//!   copied, and other entries come to stand where they stood. So nothing is done by a header's old
//!   place, unless the version says that the same header is there still.

use super::walker::{ItemOutcome, Mover, Victim, Walk, Walker};
use crate::entries::entry::Extent;
use crate::entries::found::Version;
use crate::entries::lookup::Freed;
use crate::entries::removal::Call;
use crate::index::slot::{Location, Slot};
use crate::index::{LockedBucket, SlotRef};
use crate::log::Reservation;
use crate::log::chunked::ChunkHeader;
use crate::log::item::{CHUNK_PREFIX_BYTES, Content, Item};
use crate::policy::{Destination, Queue};
use crate::space::append::{Rest, append_item, least_chunk, write_chunks};
use crate::space::streams::Stream;

/// A chunk in the segment that is walked.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChunkAt {
    /// Of its entry's key.
    pub(super) hash: u64,
    pub(super) location: Location,
}

/// A chunk on its way, with what its header was when it was looked at.
#[derive(Debug)]
struct Moving {
    chunk: ChunkAt,
    header: Location,
    version: Version,
    key: Vec<u8>,
    value: Vec<u8>,
    deadline: Option<u64>,
    stream: Stream,
    hits: u64,
    /// The entry was judged before.
    follows: bool,
}

/// The result of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    Done,
    /// The header changed meanwhile: another may name the chunk.
    Changed,
    NoRoom,
}

/// The action for a chunk.
enum Judged {
    Done(ItemOutcome),
    Move(Moving),
}

/// Whether an entry may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stay {
    IfJudged,
    /// There is no room for it.
    No,
}

impl<'a> Walker<'a> {
    /// Judges a chunked entry of which a chunk is walked past. Afterwards no header names the chunk,
    /// unless there was no room.
    pub(super) fn judge_chunk(
        &self,
        item: &Item<'_>,
        chunk: ChunkAt,
        walk: &Walk,
        call: &mut Call<'_>,
    ) -> ItemOutcome {
        let mut stay = Stay::IfJudged;
        loop {
            match self.try_judge_chunk(chunk, stay, walk, call) {
                Judged::Done(outcome) => return outcome,
                Judged::Move(moving) => match self.move_chunk(item, &moving) {
                    Moved::Done if moving.follows => return ItemOutcome::Kept,
                    Moved::Done => return self.kept(walk),
                    Moved::Changed => {}
                    Moved::NoRoom if !self.room.full.evicts() => return ItemOutcome::NoRoom,
                    Moved::NoRoom => stay = Stay::No,
                },
            }
        }
    }

    fn try_judge_chunk(&self, chunk: ChunkAt, stay: Stay, walk: &Walk, call: &mut Call<'_>) -> Judged {
        let bucket = self.entries.index.lock(chunk.hash);
        let Some(place) = self.header_naming(&bucket, chunk) else { return Judged::Done(ItemOutcome::Dead) };
        let slot = place.slot();
        let item = self.entries.log.read_locked(&bucket, slot);
        let deadline = item.deadline();
        let follows = self.follows(&item, slot, chunk, walk);
        let expired = deadline.is_some_and(|deadline| deadline <= call.now.get());
        let destination = match walk.destination(self.room, slot) {
            // The entry was judged before, when another part of it was walked past.
            None if follows => Some(Destination { queue: Queue::Main, hits: slot.hits() }),
            destination => destination,
        };
        let destination = destination.filter(|_| stay == Stay::IfJudged && !expired);
        let Some(Destination { queue, hits }) = destination else {
            return Judged::Done(self.evict(
                bucket,
                place,
                Victim { hash: chunk.hash, queue: walk.queue },
                call,
            ));
        };
        Judged::Move(Moving {
            chunk,
            header: slot.location(),
            version: self.entries.version_at(slot.location()),
            key: item.key().to_vec(),
            value: item.value().to_vec(),
            deadline,
            stream: self.stream_of_moved(queue, deadline, call),
            hits: if follows { slot.hits() } else { hits },
            follows,
        })
    }

    /// The header that names a chunk.
    fn header_naming<'b>(&self, bucket: &LockedBucket<'b>, chunk: ChunkAt) -> Option<SlotRef<'b>> {
        bucket.find(chunk.hash, |slot| {
            let header = self.entries.view(bucket, slot).header();
            header.is_some_and(|header| header.chunks().any(|named| named == chunk.location))
        })
    }

    /// Whether a chunk goes where its entry went. An entry is judged once a lap: by its first chunk, or
    /// in the small queue by the part of it that is met first.
    fn follows(&self, header: &Item<'_>, slot: Slot, chunk: ChunkAt, walk: &Walk) -> bool {
        match walk.queue {
            Queue::Small => self.room.queue_at(self.entries, slot.location()) == Queue::Main,
            Queue::Main => {
                let first = ChunkHeader::parse(header.value()).and_then(|header| header.chunks().next());
                first != Some(chunk.location)
            }
        }
    }

    /// Copies a chunk to a stream, and its header, which then names the copy.
    fn move_chunk(&self, item: &Item<'_>, moving: &Moving) -> Moved {
        self.try_move_chunk(item, moving).unwrap_or(Moved::NoRoom)
    }

    /// `None` if there is no room.
    fn try_move_chunk(&self, item: &Item<'_>, moving: &Moving) -> Option<Moved> {
        let Moving { chunk, stream, deadline, .. } = *moving;
        let header = ChunkHeader::parse(&moving.value)?;
        let copies = self.copy_chunk(item.chunk(), moving, header)?;
        let locations: Vec<_> = copies.iter().map(Reservation::location).collect();
        let value = header.with_moved(chunk.location, &locations);
        let content = Content { key: &moving.key, value: &value, deadline, is_chunk_header: true };
        let header_copy = append_item(&mut Mover(*self), stream, &content)?;
        let bucket = self.entries.index.lock(chunk.hash);
        let Some(place) = bucket.find_location(chunk.hash, moving.header) else {
            return Some(Moved::Changed);
        };
        if self.entries.version_at(moving.header) != moving.version {
            return Some(Moved::Changed);
        }
        let header_len = self.entries.log.read_locked(&bucket, place.slot()).bytes().len();
        let to = place.slot().moved_to(header_copy.location(), moving.hits);
        let freed = [
            Extent { location: moving.header, len: header_len },
            Extent { location: chunk.location, len: item.bytes().len() },
        ];
        self.entries.relocate(&bucket, &place, to, Freed::Parts(&freed));
        drop(bucket);
        header_copy.publish();
        copies.into_iter().for_each(Reservation::publish);
        Some(Moved::Done)
    }

    /// Copies what a chunk holds. `None` if there is no room.
    fn copy_chunk(
        &self,
        bytes: &[u8],
        moving: &Moving,
        header: ChunkHeader<'_>,
    ) -> Option<Vec<Reservation<'a>>> {
        let whole = bytes.len() + CHUNK_PREFIX_BYTES;
        let least = if self.may_split(header) { least_chunk(self.room) } else { whole };
        let rest = Rest { hash: moving.chunk.hash, parts: [bytes, &[]], deadline: moving.deadline };
        write_chunks(&mut Mover(*self), moving.stream, &rest, least)
    }

    /// Whether a chunk may become several, to fill the ends of segments: in a cache that rejects, while
    /// its entry has few.
    fn may_split(&self, header: ChunkHeader<'_>) -> bool {
        let segments = (header.key_len + header.value_len) / self.room.segment_bytes() + 2;
        !self.room.full.evicts() && header.chunks().count() < 2 * segments
    }
}

#[cfg(test)]
mod tests;
