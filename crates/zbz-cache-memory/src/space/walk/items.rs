//! Walking past an item that is an entry, or the chunk header of one.

use super::walker::{Asked, ItemOutcome, Mover, Victim, Walk, Walker};
use crate::base::ttl::NEVER;
use crate::entries::entry::{Entry, Extent, WriteKind};
use crate::entries::key::HashedKey;
use crate::entries::lookup::Freed;
use crate::entries::removal::Call;
use crate::log::item::Item;
use crate::policy::Destination;
use crate::space::append::{Appended, append_entry, append_item};
use crate::space::streams::Stream;

impl<'a> Walker<'a> {
    /// Evicts or moves the entry whose item is walked past.
    pub(super) fn judge_item(&self, asked: Asked, walk: &Walk, call: &mut Call<'_>) -> ItemOutcome {
        let victim = Victim { hash: asked.hash, queue: walk.queue };
        let bucket = self.entries.index.lock(asked.hash);
        let Some(place) = bucket.find_location(asked.hash, asked.location) else { return ItemOutcome::Dead };
        let slot = place.slot();
        let Some((item, ..)) = self.entries.log.item_at(&walk.draining, asked.offset) else {
            return ItemOutcome::Dead;
        };
        let is_live = item.deadline().is_none_or(|deadline| call.now.get() < deadline);
        let destination = walk.destination(self.room, slot).filter(|_| is_live);
        let Some(Destination { queue, hits }) = destination else {
            return self.evict(bucket, place, victim, call);
        };
        drop(bucket);
        let stream = self.stream_of_moved(queue, item.deadline(), call);
        if self.move_item(&item, asked, stream, hits) {
            return self.kept(walk);
        }
        if !self.room.full.evicts() {
            return ItemOutcome::NoRoom;
        }
        // There was no room for it after all. No other item can stand there: the segment is drained.
        let bucket = self.entries.index.lock(asked.hash);
        match bucket.find_location(asked.hash, asked.location) {
            Some(place) => self.evict(bucket, place, victim, call),
            None => ItemOutcome::Dead,
        }
    }

    /// Copies an item to a stream and swaps its slot. False if there was no room for it.
    fn move_item(&self, item: &Item<'_>, asked: Asked, stream: Stream, hits: u64) -> bool {
        let Some(appended) = self.append_moved(item, asked.hash, stream) else { return false };
        let bucket = self.entries.index.lock(asked.hash);
        // If it is not found, it was removed meanwhile, and its copy is dead.
        if let Some(place) = bucket.find_location(asked.hash, asked.location) {
            let to = place.slot().moved_to(appended.location(), hits);
            let freed = Extent { location: asked.location, len: item.bytes().len() };
            self.entries.relocate(&bucket, &place, to, Freed::Parts(&[freed]));
            drop(bucket);
            appended.publish();
        }
        true
    }

    /// Copies an item to a stream. In a cache that rejects, a long one is chunked to fill the end of a
    /// segment, as when it was written: the room that is left there would be lost.
    fn append_moved(&self, item: &Item<'_>, hash: u64, stream: Stream) -> Option<Appended<'a>> {
        let (content, mover) = (item.content(), &mut Mover(*self));
        if self.room.full.evicts() || content.is_chunk_header {
            return append_item(mover, stream, &content).map(Appended::whole);
        }
        let key = HashedKey { hash, bytes: content.key };
        let deadline = content.deadline.unwrap_or(NEVER);
        append_entry(mover, stream, &Entry { key, value: content.value, deadline, kind: WriteKind::Set })
    }
}
