//! Writes that depend on the entry that is there: sums, deadlines, removals.
//!
//! - *Read, append, compare*: the entry is read first, the new item is made of it and appended. It takes
//!   the place only of the very item that was read. Otherwise all begins anew.

use std::time::Duration;

use crate::base::error::Error;
use crate::base::ttl::{End, NEVER};
use crate::entries::entry::{Entry, WriteKind};
use crate::entries::found::{Found, Version};
use crate::entries::key::HashedKey;
use crate::entries::lookup::{Freed, Located};
use crate::entries::removal::{Call, RemovalCause};
use crate::log::Reservation;
use crate::log::item::{Content, Layout};
use crate::policy::Queue;
use crate::space::append::{append_item, deadline_of};
use crate::space::full::Priority;
use crate::verbs::condition::{Precondition, Swap};
use crate::verbs::get::LiveEntry;
use crate::verbs::options::Condition;
use crate::verbs::set::{RoomForWrite, put};
use crate::verbs::store::Store;
use crate::verbs::transient::{Transient, put_nothing};

/// A key, and the version that its entry is expected to have.
#[derive(Debug, Clone, Copy)]
struct Expected<'a> {
    key: HashedKey<'a>,
    version: Version,
}

/// A copy of an item.
struct Copied {
    key: Vec<u8>,
    value: Vec<u8>,
    /// The item is a chunk header, and is copied without its chunks.
    is_chunk_header: bool,
}

pub(crate) fn add(store: &Store, key: &[u8], delta: i64, ttl_if_new: Option<Duration>) -> Result<i64, Error> {
    store.limits.check_new_key(key)?;
    store.change(|call| try_add(store, store.entries.hashed(key), delta, ttl_if_new, call))
}

fn try_add(
    store: &Store,
    key: HashedKey<'_>,
    delta: i64,
    ttl_if_new: Option<Duration>,
    call: &mut Call<'_>,
) -> Result<i64, Error> {
    let (mut kept, mut kept_for) = (RoomForWrite::default(), None);
    loop {
        call.now.restart();
        let old = store
            .reader()
            .look_up(key, &call.now, |bytes, entry| (parse_decimal(bytes), entry.version(), entry.deadline));
        let (before, version, end) = match old {
            None => (Some(0), None, call.now.end_of(ttl_if_new)),
            Some((number, version, deadline)) => (number, Some(version), End::At(deadline)),
        };
        let sum = before.ok_or(Error::NotANumber)?.checked_add(delta).ok_or(Error::Overflow)?;
        let value = sum.to_string();
        let precondition = Precondition::Unchanged(version, &Condition::Always);
        let swap = match end {
            End::AtOnce => {
                let transient = Transient { key, kind: WriteKind::Increment, cause: RemovalCause::Deleted };
                put_nothing(store, transient, precondition, call)?
            }
            End::At(deadline) => {
                if kept_for.replace((sum, deadline)) != Some((sum, deadline)) {
                    kept.room = None;
                }
                let entry = Entry { key, value: value.as_bytes(), deadline, kind: WriteKind::Increment };
                put(store, &entry, &mut kept, precondition, call)?
            }
        };
        if swap == Swap::Done {
            return Ok(sum);
        }
    }
}

/// Moves the deadline of a live entry. True if there was one.
pub(crate) fn expire(store: &Store, key: &[u8], ttl: Option<Duration>) -> Result<bool, Error> {
    store.limits.check_key(key)?;
    store.change(|call| try_expire(store, store.entries.hashed(key), ttl, call))
}

fn try_expire(
    store: &Store,
    key: HashedKey<'_>,
    ttl: Option<Duration>,
    call: &mut Call<'_>,
) -> Result<bool, Error> {
    let mut room = RoomForWrite::default();
    loop {
        call.now.restart();
        let Some((version, copied)) = copy_item(store, key, call) else {
            return store.limits.check_open().map(|()| false);
        };
        let expected = Expected { key, version };
        let done = match call.now.end_of(ttl) {
            End::AtOnce => remove_if(store, expected, RemovalCause::Deleted, call)?,
            End::At(deadline) => {
                let content = Content {
                    key: &copied.key,
                    value: &copied.value,
                    deadline: (deadline != NEVER).then_some(deadline),
                    is_chunk_header: copied.is_chunk_header,
                };
                move_deadline(store, expected, &content, &mut room, call)?
            }
        };
        if done {
            return Ok(true);
        }
    }
}

/// The version of the live item of a key, and a copy of it; of a chunk header, without its chunks.
fn copy_item(store: &Store, key: HashedKey<'_>, call: &Call<'_>) -> Option<(Version, Copied)> {
    let entries = &store.entries;
    let lookup = entries.lock(key);
    let slot = lookup.live(&call.now)?.slot;
    let item = entries.log.read_locked(&lookup.bucket, slot);
    if item.is_chunk_header() {
        let copied = Copied { key: item.key().to_vec(), value: item.value().to_vec(), is_chunk_header: true };
        return Some((entries.version_at(slot.location()), copied));
    }
    drop(lookup);
    // Copied without the lock, so that no thread waits for it. An entry that was chunked meanwhile is put
    // together, and is written as a whole, or found to have no room.
    store.reader().look_up(key, &call.now, |bytes, entry| {
        let copied = Copied { key: key.bytes.to_vec(), value: bytes.to_vec(), is_chunk_header: false };
        (entry.version(), copied)
    })
}

/// Swaps an item for one that differs in its deadline; true if it was still the same. Otherwise the
/// room for it is kept: making it may move the very item, and would again.
fn move_deadline<'a>(
    store: &'a Store,
    expected: Expected<'_>,
    content: &Content<'_>,
    kept: &mut RoomForWrite<Reservation<'a>>,
    call: &mut Call<'_>,
) -> Result<bool, Error> {
    let Expected { key, version } = expected;
    let entries = &store.entries;
    write_copy(store, key, content, kept, call);
    if kept.room.is_none() {
        // No room for the copy: the entry is evicted, but a cache that rejects keeps its entries.
        return match store.space.room.full.evicts() {
            true => remove_if(store, expected, RemovalCause::Evicted, call),
            false => Err(Error::Full),
        };
    }
    let lookup = entries.lock(key);
    store.limits.check_open()?;
    let is_it = |old: &Located<'_>| entries.version_at(old.place.slot().location()) == version;
    let Some(old) = lookup.found.filter(is_it) else { return Ok(false) };
    let slot = old.place.slot();
    let Some(room) = kept.room.take() else { return Ok(false) };
    let to = slot.moved_to(room.location(), slot.hits());
    if content.is_chunk_header {
        // Its chunks are the new header's. Noted while they cannot be drained, as *Freed under the lock*
        // (`entries.rs`) says.
        for chunk in &old.info.chunks {
            entries.log.segment_at(chunk.location).note_deadline(deadline_of(content));
        }
        entries.relocate(&lookup.bucket, &old.place, to, Freed::Parts(&[old.info.item()]));
    } else {
        entries.relocate(&lookup.bucket, &old.place, to, Freed::Entry(&old.info));
    }
    drop(lookup.bucket);
    room.publish();
    Ok(true)
}

/// Writes an item with another deadline, into the room that was kept if it fits there.
fn write_copy<'a>(
    store: &'a Store,
    key: HashedKey<'_>,
    content: &Content<'_>,
    kept: &mut RoomForWrite<Reservation<'a>>,
    call: &mut Call<'_>,
) {
    let Store { entries, space, .. } = store;
    // In the form of its segment, or in full, as it was written.
    let layout_in = |room: &Reservation<'_>| {
        let layouts = [Some(room.base()), None].map(|base| Layout::of(content, base));
        layouts.into_iter().flatten().find(|layout| layout.len() == room.len())
    };
    match kept.room.take().and_then(|room| Some((layout_in(&room)?, room))) {
        Some((layout, mut room)) => {
            room.note_deadline(content.deadline);
            room.write(&layout, content);
            kept.room = Some(room);
        }
        None if kept.refused => {}
        None => {
            let slot = entries.index.peek(key.hash);
            let queue = slot.map_or(Queue::Main, |slot| space.room.queue_at(entries, slot.location()));
            let stream = space.room.stream(queue, deadline_of(content), &call.now);
            let room = append_item(&mut space.writer(entries, Priority::Overwrite, call), stream, content);
            // It takes hardly more than before, and gives that back at once.
            kept.room = match room {
                Some(room) => Some(room),
                None => append_item(&mut space.writer(entries, Priority::Moved, call), stream, content),
            };
            kept.refused = kept.room.is_none();
        }
    }
}

/// Removes a key if its item is still the one of this version.
fn remove_if(
    store: &Store,
    expected: Expected<'_>,
    cause: RemovalCause,
    call: &mut Call<'_>,
) -> Result<bool, Error> {
    let Expected { key, version } = expected;
    let entries = &store.entries;
    let lookup = entries.lock(key);
    store.limits.check_open()?;
    if lookup.info().is_none_or(|old| entries.version_at(old.slot.location()) != version) {
        return Ok(false);
    }
    entries.remove_found(lookup, cause, call);
    Ok(true)
}

/// Removes a key; true if it was live.
pub(crate) fn delete(store: &Store, key: &[u8]) -> Result<bool, Error> {
    store.limits.check_key(key)?;
    store.change(|call| {
        let lookup = store.entries.lock(store.entries.hashed(key));
        store.limits.check_open()?;
        let removed = store.entries.remove_found(lookup, RemovalCause::Deleted, call);
        Ok(removed.is_some_and(|old| old.is_live(&call.now)))
    })
}

/// Removes a key and answers what `read` made of it, if it was live.
pub(crate) fn take<R>(
    store: &Store,
    key: &[u8],
    mut read: impl FnMut(&[u8], Found) -> R,
) -> Result<Option<R>, Error> {
    store.limits.check_key(key)?;
    let key = store.entries.hashed(key);
    store.change(|call| {
        loop {
            call.now.restart();
            let look = |bytes: &[u8], entry: LiveEntry<'_>| (read(bytes, entry.found()), entry.version());
            let Some((answer, version)) = store.reader().look_up(key, &call.now, look) else {
                return store.limits.check_open().map(|()| None);
            };
            if remove_if(store, Expected { key, version }, RemovalCause::Deleted, call)? {
                return Ok(Some(answer));
            }
        }
    })
}

/// A decimal as `i64` prints it: no sign but a minus, no leading zero, nothing around it.
fn parse_decimal(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::{Config, Engine};
    use crate::{Clock, MemoryCache, TtlState};

    #[test]
    fn only_decimals_as_they_are_printed_are_numbers() {
        assert_eq!(parse_decimal(b"0"), Some(0));
        assert_eq!(parse_decimal(b"-9223372036854775808"), Some(i64::MIN));
        for bad in ["", "-", "+1", "01", "-0", " 1", "1 ", "1.0", "0x1", "9223372036854775808"] {
            assert_eq!(parse_decimal(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(parse_decimal(&[0xff]), None);
    }

    #[test]
    fn room_that_is_kept_is_used_again_in_whatever_form_it_was_written() {
        let (clock, _hand) = Clock::manual();
        let engine = Arc::new(Engine::new(&Config { clock, ..Config::default() }).unwrap());
        let cache = MemoryCache::from_engine(Arc::clone(&engine));
        cache.set(b"k", b"v", None).unwrap();
        let store = &engine.store;
        let (key, mut call) = (store.entries.hashed(b"k"), store.entries.begin_call());
        let (version, copied) = copy_item(store, key, &call).unwrap();
        let until = |deadline| Content {
            key: &copied.key,
            value: &copied.value,
            deadline: Some(deadline),
            is_chunk_header: false,
        };
        let mut kept = RoomForWrite::default();
        let other = Version::from_u128(version.as_u128() + 1);
        for deadline in [6401, 6400, 6400] {
            // Written in full at first; as a whole number of units it would be near.
            let moved = move_deadline(
                store,
                Expected { key, version: other },
                &until(deadline),
                &mut kept,
                &mut call,
            );
            assert_eq!(moved, Ok(false));
        }
        let place = kept.room.as_ref().unwrap().location();
        let moved = move_deadline(store, Expected { key, version }, &until(6400), &mut kept, &mut call);
        assert_eq!(moved, Ok(true));
        assert_eq!(store.entries.index.peek(key.hash).unwrap().location(), place);
        assert_eq!(cache.ttl(b"k"), Ok(TtlState::Remaining(Duration::from_nanos(6400))));
    }
}
