//! [`Entries`]: the index, the log and the counters together; the only place where an entry is
//! found under its bucket's lock, replaced or removed.
//!
//! May touch the slots of a locked bucket, the dead bytes and first deadlines of segments, and the
//! counters. It takes no room, and it neither grows nor shrinks the index unless it is told to.
//!
//! - *Freed under the lock*: an entry that was unlinked is freed and counted before its bucket is
//!   unlocked. A thread that drains the segment takes that lock, so the segment is not recycled in
//!   between. Otherwise dead bytes would be charged to the segment's next generation, which would
//!   then be recycled while slots name it. And a key that comes back is counted in only after it was
//!   counted out, so no count shows more than there is.
//! - *Counted once*: an entry leaves through [`Entries::leave`] or
//!   [`Entries::remove_due`], called by the thread that unlinked it.

pub(crate) mod entry;
pub(crate) mod found;
pub(crate) mod headroom;
pub(crate) mod key;
pub(crate) mod lookup;
pub(crate) mod removal;
pub(crate) mod view;

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use crate::base::call_time::CallTime;
use crate::base::clock::Clock;
use crate::base::counters::{Count, Counters};
use crate::index::slot::{Location, Slot};
use crate::index::{Crowded, Index, LockedBucket, SlotRef};
use crate::log::Log;
use crate::log::item::Item;
use crate::log::segment::Segment;
use entry::{EntryInfo, Extent};
use found::{Stamp, Version};
use headroom::Headroom;
use key::HashedKey;
use lookup::{Freed, Located, Lookup};
use removal::{Call, Due, Expired, Listener, Removal, RemovalCause};
use view::EntryView;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Entries {
    hasher: RandomState,
    pub(crate) index: Index,
    pub(crate) log: Log,
    pub(crate) counters: Counters,
    pub(crate) clock: Clock,
    /// Of live chunked entries, in a cache that rejects.
    pub(crate) headroom: Option<Box<Headroom>>,
    pub(crate) listener: Listener,
    /// Random upper part of every version, so that no version of another cache matches.
    epoch: u64,
    /// The bits of hashes that tests leave as they are; the others are zero.
    #[cfg(test)]
    pub(crate) hash_mask: u64,
}

/// The parts that entries are made of.
#[derive(Debug)]
pub(crate) struct EntriesParts {
    pub(crate) index: Index,
    pub(crate) log: Log,
    pub(crate) counters: Counters,
    pub(crate) clock: Clock,
    pub(crate) headroom: Option<Box<Headroom>>,
}

impl Entries {
    pub(crate) fn new(parts: EntriesParts) -> Entries {
        let EntriesParts { index, log, counters, clock, headroom } = parts;
        Entries {
            hasher: RandomState::default(),
            index,
            log,
            counters,
            clock,
            headroom,
            listener: Listener::default(),
            epoch: RandomState::default().hash_one("epoch"),
            #[cfg(test)]
            hash_mask: u64::MAX,
        }
    }

    #[inline(always)]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        let hash = self.hasher.hash_one(key);
        #[cfg(test)]
        let hash = hash & self.hash_mask;
        hash
    }

    #[inline(always)]
    pub(crate) fn hashed<'a>(&self, key: &'a [u8]) -> HashedKey<'a> {
        HashedKey { hash: self.hash(key), bytes: key }
    }

    /// The hash of the key that an item belongs to; of a filler, any.
    pub(crate) fn hash_of(&self, item: &Item<'_>) -> u64 {
        item.key_hash(|key| self.hash(key))
    }

    #[inline(always)]
    pub(crate) fn call_time(&self) -> CallTime<'_> {
        CallTime::new(&self.clock)
    }

    /// The identity of the item at this location, which is held in place.
    pub(crate) fn stamp_at(&self, location: Location) -> Stamp {
        self.stamp_in(self.log.segment_at(location), location)
    }

    /// [`stamp_at`](Entries::stamp_at) for a caller that knows the segment.
    #[inline(always)]
    pub(crate) fn stamp_in(&self, segment: Segment<'_>, location: Location) -> Stamp {
        Stamp { epoch: self.epoch, generation: segment.generation(), location }
    }

    pub(crate) fn version_at(&self, location: Location) -> Version {
        self.stamp_at(location).version()
    }

    /// Locks the bucket of a key, and looks for the key there.
    pub(crate) fn lock(&self, key: HashedKey<'_>) -> Lookup<'_> {
        self.lock_inline(key)
    }

    /// [`lock`](Entries::lock), inlined into the usual set.
    #[inline(always)]
    pub(crate) fn lock_inline(&self, key: HashedKey<'_>) -> Lookup<'_> {
        let bucket = self.index.lock(key.hash);
        let found = bucket.find_map(key.hash, |slot| {
            let item = self.log.read_locked(&bucket, slot);
            match item.is_chunk_header() {
                true => self.chunked_with_key(&bucket, slot, key.bytes),
                false => item.has_key(key.bytes).then(|| EntryInfo::whole(slot, &item)),
            }
        });
        Lookup { found: found.map(|(place, info)| Located { place, info }), bucket }
    }

    #[cold]
    fn chunked_with_key(&self, bucket: &LockedBucket<'_>, slot: Slot, key: &[u8]) -> Option<EntryInfo> {
        let view = EntryView::new(&self.log, bucket, slot);
        view.has_key(key).then(|| view.info())
    }

    /// The entry that a slot of a locked bucket names.
    pub(crate) fn view<'a>(&'a self, bucket: &'a LockedBucket<'a>, slot: Slot) -> EntryView<'a> {
        EntryView::new(&self.log, bucket, slot)
    }

    /// The entry that a place of a locked bucket names.
    #[inline(always)]
    pub(crate) fn locate<'a>(&self, bucket: &LockedBucket<'a>, place: SlotRef<'a>) -> Located<'a> {
        let slot = place.slot();
        let item = self.log.read_locked(bucket, slot);
        let info = match item.is_chunk_header() {
            true => self.chunked_info(bucket, slot),
            false => EntryInfo::whole(slot, &item),
        };
        Located { place, info }
    }

    #[cold]
    #[inline(never)]
    fn chunked_info(&self, bucket: &LockedBucket<'_>, slot: Slot) -> EntryInfo {
        self.view(bucket, slot).info()
    }

    /// Begins a call.
    #[inline(always)]
    pub(crate) fn begin_call(&self) -> Call<'_> {
        Call { now: CallTime::new(&self.clock), removals: self.listener.removals() }
    }

    /// Tells the listener what a call has removed so far. Only for a caller that holds no lock.
    #[inline(always)]
    pub(crate) fn tell_removals(&self, call: &mut Call<'_>) {
        self.listener.hand_over(&mut call.removals);
    }

    /// Puts the entry that was written at `location` into a bucket that has none of its key.
    ///
    /// # Errors
    ///
    /// [`Crowded`]: the bucket has no slot for it.
    #[inline(always)]
    pub(crate) fn insert(
        &self,
        bucket: &LockedBucket<'_>,
        hash: u64,
        location: Location,
    ) -> Result<(), Crowded> {
        bucket.insert(hash, self.index.slot(hash, location)).map(|_| ())
    }

    /// Puts the entry that was written at `location` into the place of the one that was found.
    /// Answers whether that one was live.
    #[inline(always)]
    pub(crate) fn replace(
        &self,
        bucket: &LockedBucket<'_>,
        old: &Located<'_>,
        location: Location,
        call: &mut Call<'_>,
    ) -> bool {
        let was_live = old.info.is_live(&call.now);
        // The hits of a live entry are its key's.
        let hits = if was_live { old.place.slot().hits() } else { 0 };
        bucket.replace(&old.place, old.place.slot().moved_to(location, hits));
        self.leave(bucket, &old.info, RemovalCause::Replaced, call);
        was_live
    }

    /// Has a place name the same entry elsewhere, and frees what is not named any more.
    pub(crate) fn relocate(
        &self,
        bucket: &LockedBucket<'_>,
        place: &SlotRef<'_>,
        to: Slot,
        freed: Freed<'_>,
    ) {
        bucket.replace(place, to);
        match freed {
            Freed::Entry(info) => self.free(info),
            Freed::Parts(parts) => parts.iter().for_each(|&part| self.free_extent(part)),
        }
    }

    /// Removes an entry.
    #[inline(always)]
    pub(crate) fn remove(
        &self,
        bucket: &LockedBucket<'_>,
        old: &Located<'_>,
        cause: RemovalCause,
        call: &mut Call<'_>,
    ) {
        match cause {
            RemovalCause::Expired | RemovalCause::Evicted => bucket.drop_item(old.place),
            RemovalCause::Replaced | RemovalCause::Deleted | RemovalCause::Cleared => {
                bucket.remove(old.place)
            }
        }
        self.leave(bucket, &old.info, cause, call);
    }

    /// Removes what a lookup has found, and unlocks its bucket.
    pub(crate) fn remove_found(
        &self,
        lookup: Lookup<'_>,
        cause: RemovalCause,
        call: &mut Call<'_>,
    ) -> Option<EntryInfo> {
        let Lookup { bucket, found } = lookup;
        let old = found?;
        self.remove(&bucket, &old, cause, call);
        Some(old.info)
    }

    /// Removes an entry of a bucket that has no slot left for another one. An entry that came last goes
    /// last.
    #[cold]
    pub(crate) fn remove_crowded(&self, bucket: &LockedBucket<'_>, call: &mut Call<'_>) {
        if let Some(place) = bucket.crowded_victim() {
            self.remove(bucket, &self.locate(bucket, place), RemovalCause::Evicted, call);
        }
    }

    /// Removes the entries of a locked bucket whose keys begin with `prefix`. Answers how many were live.
    pub(crate) fn clear_bucket(&self, bucket: &LockedBucket<'_>, prefix: &[u8], call: &mut Call<'_>) -> u64 {
        let mut cleared: Vec<EntryInfo> = Vec::new();
        bucket.retain(|slot| {
            let view = self.view(bucket, slot);
            let goes = view.key_begins_with(prefix);
            if goes {
                cleared.push(view.info());
            }
            !goes
        });
        let mut live = 0;
        for info in &cleared {
            live += u64::from(info.is_live(&call.now));
            self.leave(bucket, info, RemovalCause::Cleared, call);
        }
        live
    }

    /// Removes items whose time has passed, each if its key still names it: the batch form of
    /// [`remove`](Entries::remove). Their segment is drained, so the dead bytes of whole entries may be
    /// added to it later, all at once.
    pub(crate) fn remove_due(&self, due: &[Due], call: &mut Call<'_>) -> Expired {
        let (mut entries, mut dead_bytes) = (0, 0);
        let stripe = self.counters.stripe();
        let is_wanted = call.removals.is_wanted();
        for due in due {
            let bucket = self.index.lock(due.hash);
            let place = due.location.and_then(|location| bucket.find_location(due.hash, location));
            let Some(place) = place else { continue };
            entries += 1;
            if is_wanted {
                self.note(&bucket, place.slot(), RemovalCause::Expired, call);
            }
            let payload = if let Some(whole) = due.whole {
                bucket.drop_item(place);
                dead_bytes += u64::from(whole.item_bytes);
                whole.payload_bytes.into()
            } else {
                let info = self.chunked_info(&bucket, place.slot());
                bucket.drop_item(place);
                self.free(&info);
                info.payload
            };
            // *Freed under the lock*.
            stripe.key_out();
            stripe.add(Count::PayloadOut, payload);
        }
        stripe.add(Count::Expirations, entries);
        Expired { entries, dead_bytes }
    }

    /// Adds a bucket to the index, if that can be had. An entry that finds no slot in the new buckets is
    /// evicted.
    pub(crate) fn grow_index(&self, call: &mut Call<'_>) -> bool {
        self.index.grow(|bucket, slot| self.leave_unslotted(bucket, slot, call))
    }

    /// Takes a bucket away; see [`grow_index`](Entries::grow_index).
    pub(crate) fn shrink_index(&self, call: &mut Call<'_>) -> bool {
        self.index.shrink(|bucket, slot| self.leave_unslotted(bucket, slot, call))
    }

    fn leave_unslotted(&self, bucket: &LockedBucket<'_>, slot: Slot, call: &mut Call<'_>) {
        let info = self.view(bucket, slot).info();
        self.leave(bucket, &info, RemovalCause::Evicted, call);
    }

    /// Frees an entry that was unlinked, and counts it out: *Freed under the lock*.
    #[inline(always)]
    fn leave(&self, bucket: &LockedBucket<'_>, info: &EntryInfo, cause: RemovalCause, call: &mut Call<'_>) {
        let cause = if info.is_live(&call.now) { cause } else { RemovalCause::Expired };
        if call.removals.is_wanted() {
            self.note(bucket, info.slot, cause, call);
        }
        self.free(info);
        let stripe = self.counters.stripe();
        stripe.add(Count::PayloadOut, info.payload);
        let count = match cause {
            // The key stays.
            RemovalCause::Replaced => return,
            RemovalCause::Expired => Count::Expirations,
            RemovalCause::Evicted => Count::Evictions,
            RemovalCause::Deleted | RemovalCause::Cleared => Count::Deletes,
        };
        stripe.add(count, 1);
        stripe.key_out();
    }

    /// Copies an entry for the listener, while its bucket is locked.
    #[cold]
    #[inline(never)]
    fn note(&self, bucket: &LockedBucket<'_>, slot: Slot, cause: RemovalCause, call: &mut Call<'_>) {
        let view = self.view(bucket, slot);
        let mut value = Vec::new();
        let begin = view.copy_rest(&mut value);
        value.drain(..begin);
        call.removals.push(Removal { key: view.key(), value, cause });
    }

    /// Frees what an entry took of the log.
    #[inline]
    fn free(&self, info: &EntryInfo) {
        self.free_extent(info.item());
        if !info.chunks.is_empty() {
            self.free_chunks(info);
        }
    }

    #[cold]
    fn free_chunks(&self, info: &EntryInfo) {
        info.chunks.iter().for_each(|&chunk| self.free_extent(chunk));
        if let Some(headroom) = &self.headroom {
            headroom.count_out(info.payload);
        }
    }

    #[inline]
    fn free_extent(&self, extent: Extent) {
        self.log.segment_at(extent.location).add_dead(extent.len as u64);
    }
}
