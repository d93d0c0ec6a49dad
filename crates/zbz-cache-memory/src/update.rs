//! Writes that depend on what is there: sums, deadlines, removals.
//!
//! - *Read, append, compare*: what is there is read first, the new item is made of it and appended;
//!   it takes the place only of the very item that was read. Else all begins anew.

use std::time::Duration;

use crate::append::{Kept, Need};
use crate::engine::{Engine, HashedKey, Moment};
use crate::entry::{Entry, Exit, Look, Unkept, WriteKind};
use crate::item::{Content, Layout};
use crate::log::Reservation;
use crate::slot::Slot;
use crate::store::{Guard, Swap};
use crate::tide::Side;
use crate::ttl::{End, NEVER};
use crate::{Condition, Error, Found, SetOutcome, Version, WhenFull};

/// A copy of an item.
struct Copied {
    key: Vec<u8>,
    value: Vec<u8>,
    head: bool,
}

impl Engine {
    pub(crate) fn add(&self, key: &[u8], delta: i64, ttl_if_new: Option<Duration>) -> Result<i64, Error> {
        self.check_new_key(key)?;
        let answer = self.try_add(self.hashed(key), delta, ttl_if_new);
        self.tidy_if_closed();
        answer
    }

    fn try_add(&self, key: HashedKey<'_>, delta: i64, ttl_if_new: Option<Duration>) -> Result<i64, Error> {
        let mut kept = Kept::default();
        let mut kept_for = None;
        loop {
            let now = self.moment();
            let old = self.look_up_hashed(key, &now, |bytes, glance| {
                (parse_decimal(bytes), glance.version(), glance.deadline)
            });
            let (before, version, end) = match old {
                None => (Some(0), None, now.end_of(ttl_if_new)),
                Some((number, version, deadline)) => (number, Some(version), End::At(deadline)),
            };
            let sum = before.ok_or(Error::NotANumber)?.checked_add(delta).ok_or(Error::Overflow)?;
            let value = sum.to_string();
            let guard = Guard::Unchanged(version, &Condition::Always);
            let swap = match end {
                End::AtOnce => self.put_nothing(
                    Unkept { key, kind: WriteKind::Increment, exit: Exit::Deleted },
                    guard,
                    &now,
                )?,
                End::At(deadline) => {
                    if kept_for.replace((sum, deadline)) != Some((sum, deadline)) {
                        kept.room = None;
                    }
                    let entry = Entry { key, value: value.as_bytes(), deadline, kind: WriteKind::Increment };
                    self.put(&entry, &mut kept, guard, &now)?
                }
            };
            if swap == Swap::Done {
                return Ok(sum);
            }
        }
    }

    /// Stores a value until the deadline of the live entry that it replaces.
    pub(crate) fn set_keeping(
        &self,
        key: HashedKey<'_>,
        value: &[u8],
        otherwise: Option<Duration>,
        condition: &Condition<'_>,
    ) -> Result<SetOutcome, Error> {
        let mut kept = Kept::default();
        let mut kept_until = None;
        loop {
            let now = self.moment();
            if !self.holds_now(key, condition, &now) {
                return self.check_open().map(|()| SetOutcome::ConditionFailed);
            }
            let (version, end) = self.version_and_end(key, otherwise, &now);
            let guard = Guard::Unchanged(version, condition);
            let swap = match end {
                End::AtOnce => {
                    self.put_nothing(Unkept { key, kind: WriteKind::Set, exit: Exit::Deleted }, guard, &now)?
                }
                End::At(deadline) => {
                    if kept_until.replace(deadline) != Some(deadline) {
                        kept.room = None;
                    }
                    self.put(&Entry { key, value, deadline, kind: WriteKind::Set }, &mut kept, guard, &now)?
                }
            };
            match swap {
                Swap::Done => return Ok(SetOutcome::Stored),
                Swap::ConditionFailed => return Ok(SetOutcome::ConditionFailed),
                Swap::Changed => {}
            }
        }
    }

    /// The version of a key's live entry, and the end of one that takes its place.
    fn version_and_end(
        &self,
        key: HashedKey<'_>,
        otherwise: Option<Duration>,
        now: &Moment<'_>,
    ) -> (Option<Version>, End) {
        let look = self.look(key);
        match look.old().filter(|old| old.is_live(now)) {
            Some(old) => {
                let version = self.version_at(old.slot.location());
                (Some(version), End::At(old.deadline))
            }
            None => (None, now.end_of(otherwise)),
        }
    }

    /// Moves the deadline of a live entry. True if there was one.
    pub(crate) fn expire(&self, key: &[u8], ttl: Option<Duration>) -> Result<bool, Error> {
        self.check_key(key)?;
        let answer = self.try_expire(self.hashed(key), ttl);
        self.tidy_if_closed();
        answer
    }

    fn try_expire(&self, key: HashedKey<'_>, ttl: Option<Duration>) -> Result<bool, Error> {
        let mut room = Kept::default();
        loop {
            let now = self.moment();
            let Some((version, copied)) = self.copy_item(key, &now) else {
                return self.check_open().map(|()| false);
            };
            let done = match now.end_of(ttl) {
                End::AtOnce => self.remove_if(key, version, Exit::Deleted, &now)?,
                End::At(deadline) => {
                    let content = Content {
                        key: &copied.key,
                        value: &copied.value,
                        deadline: (deadline != NEVER).then_some(deadline),
                        head: copied.head,
                    };
                    self.move_deadline(key, &content, (version, &mut room), &now)?
                }
            };
            if done {
                return Ok(true);
            }
        }
    }

    /// The version of the live item of a key, and a copy of it; of a head, without its pieces.
    fn copy_item(&self, key: HashedKey<'_>, now: &Moment<'_>) -> Option<(Version, Copied)> {
        let look = self.look(key);
        let slot = look.old().filter(|old| old.is_live(now))?.slot;
        let item = self.log.read_held(&look.held, slot);
        if item.is_head() {
            let copied = Copied { key: item.key().to_vec(), value: item.value().to_vec(), head: true };
            return Some((self.version_at(slot.location()), copied));
        }
        drop(look.held);
        // Copied without the bit, so that nobody waits for it. One that was cut meanwhile is put
        // together, and is written as a whole, or found to have no room.
        self.look_up_hashed(key, now, |bytes, glance| {
            let copied = Copied { key: key.bytes.to_vec(), value: bytes.to_vec(), head: false };
            (glance.version(), copied)
        })
    }

    /// Swaps an item for one that differs in its deadline; true if it was still the same. Else the
    /// room for it is kept: making it may move the very item, and would again.
    fn move_deadline<'a>(
        &'a self,
        key: HashedKey<'_>,
        content: &Content<'_>,
        (version, kept): (Version, &mut Kept<Reservation<'a>>),
        now: &Moment<'_>,
    ) -> Result<bool, Error> {
        let side = self.index.peek(key.hash).map_or(Side::Main, |slot| self.side_at(slot.location()));
        let lane = self.lane(side, content.deadline.unwrap_or(NEVER), now);
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
                let room = self.append_item(lane, content, Need::Overwrite);
                // It takes hardly more than before, and gives that back at once.
                kept.room = room.or_else(|| self.append_item(lane, content, Need::Survivor));
                kept.refused = kept.room.is_none();
            }
        }
        if kept.room.is_none() {
            // No room for the copy: the entry goes as if it was evicted, but a cache that is told
            // to reject keeps what it has.
            return match self.when_full {
                WhenFull::Reject => Err(Error::Full),
                WhenFull::Evict => self.remove_if(key, version, Exit::Evicted, now),
            };
        }
        let look = self.look(key);
        self.check_open()?;
        let Look { held, found } = look;
        let is_it = |slot: Slot| self.version_at(slot.location()) == version;
        let Some((place, old)) = found.filter(|(place, _)| is_it(place.slot())) else { return Ok(false) };
        let slot = place.slot();
        let Some(room) = kept.room.take() else { return Ok(false) };
        held.replace(&place, slot.moved_to(room.location(), slot.hits()));
        // *Gone under the bit* (`entry.rs`).
        if content.head {
            // Its pieces are the new head's.
            let kept_until = content.deadline.unwrap_or(NEVER);
            old.pieces.iter().for_each(|&(piece, _)| self.note_deadline(piece, kept_until));
            self.free_at(slot.location(), old.len);
        } else {
            self.free(&held, &old);
        }
        drop(held);
        room.publish();
        Ok(true)
    }

    /// Removes a key if its item is still the one of this version.
    fn remove_if(
        &self,
        key: HashedKey<'_>,
        version: Version,
        exit: Exit,
        now: &Moment<'_>,
    ) -> Result<bool, Error> {
        let look = self.look(key);
        self.check_open()?;
        if look.old().is_none_or(|old| self.version_at(old.slot.location()) != version) {
            return Ok(false);
        }
        self.remove(look, exit, now);
        Ok(true)
    }

    /// Removes a key; true if it was live.
    pub(crate) fn delete(&self, key: &[u8]) -> Result<bool, Error> {
        self.check_key(key)?;
        let now = self.moment();
        let look = self.look(self.hashed(key));
        self.check_open()?;
        Ok(self.remove(look, Exit::Deleted, &now).is_some_and(|old| old.is_live(&now)))
    }

    /// Removes a key and answers what `read` made of it, if it was live.
    pub(crate) fn take<R>(
        &self,
        key: &[u8],
        mut read: impl FnMut(&[u8], Found) -> R,
    ) -> Result<Option<R>, Error> {
        self.check_key(key)?;
        let key = self.hashed(key);
        loop {
            let now = self.moment();
            let found = self
                .look_up_hashed(key, &now, |bytes, glance| (read(bytes, glance.found()), glance.version()));
            let Some((answer, version)) = found else { return self.check_open().map(|()| None) };
            if self.remove_if(key, version, Exit::Deleted, &now)? {
                return Ok(Some(answer));
            }
        }
    }
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
    use crate::{Builder, Clock, MemoryCache, TtlState};

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
        let engine = Arc::new(Engine::new(&Builder::new().clock(clock)).unwrap());
        let cache = MemoryCache::from_engine(Arc::clone(&engine));
        cache.set(b"k", b"v", None).unwrap();
        let (key, now) = (engine.hashed(b"k"), engine.moment());
        let (version, copied) = engine.copy_item(key, &now).unwrap();
        let until = |deadline| Content {
            key: &copied.key,
            value: &copied.value,
            deadline: Some(deadline),
            head: false,
        };
        let mut kept = Kept::default();
        let other = Version::from_u128(version.as_u128() + 1);
        for deadline in [6401, 6400, 6400] {
            // Written in full at first; as a whole number of units it would be near.
            let moved = engine.move_deadline(key, &until(deadline), (other, &mut kept), &now);
            assert_eq!(moved, Ok(false));
        }
        let place = kept.room.as_ref().unwrap().location();
        assert_eq!(engine.move_deadline(key, &until(6400), (version, &mut kept), &now), Ok(true));
        assert_eq!(engine.index.peek(key.hash).unwrap().location(), place);
        assert_eq!(cache.ttl(b"k"), Ok(TtlState::Remaining(Duration::from_nanos(6400))));
    }
}
