//! [`Readings`]: far reads, shared by all who miss the same keys while their tokens are good.
//!
//! - A *reading* is one far read of some keys and the fills after it, driven by whoever waits for it,
//!   and gone when nobody does. The table names readings and holds none.
//! - **Joined while good.** A key's reading is joined only while its token is good and its space is
//!   live: what it brings is then no older than the last revocation before the joining. Who joins
//!   none voids the token of the one that is there, so a key has one reading that may fill.
//! - **No lock** is held while the far side's code or a waker runs.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{Shared, WeakShared};

use super::coherence::{Space, Stamp, Token};
use super::feed::Near;
use crate::error::{Error, ErrorKind, Result};
use crate::handle::ProviderHandle;
use crate::provider::ReadBatch;

/// What a far read brought for one key: an entry as it is kept near, or none.
pub(super) type Brought = Result<Option<Bytes>>;

/// One for each seat, shared by all who wait.
type Landed = Arc<[Brought]>;

type Flight = Pin<Box<dyn Future<Output = Landed> + Send>>;

/// A key that was not near, and its space if it has one.
pub(super) struct Missed {
    pub(super) space: Option<Space>,
    pub(super) key: Box<[u8]>,
}

/// A key of a reading; without a token it is neither shared nor kept.
struct Seat {
    key: Box<[u8]>,
    token: Option<Token>,
}

/// The reading of one key: which one, and where in it the key stands.
struct Entry {
    token: Token,
    reading: WeakShared<Flight>,
    seat: usize,
    number: u64,
    /// Until when others may join: what nobody is told of has to end here, too.
    until: u64,
    /// Whether it reads this key alone.
    is_alone: bool,
}

#[derive(Default)]
struct Table {
    entries: HashMap<Box<[u8]>, Entry>,
    /// How many readings there were: the number of the last one.
    numbered: u64,
}

/// The readings under way, by key.
#[derive(Default)]
pub(super) struct Readings {
    table: Mutex<Table>,
}

/// Takes a reading's entries out of the table when its future goes, whichever way.
struct Leaving {
    readings: Arc<Readings>,
    keys: Vec<Box<[u8]>>,
    number: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut table = self.readings.table();
        for key in &self.keys {
            // A later reading may have taken the place of one whose token was revoked.
            if table.entries.get(key).is_some_and(|entry| entry.number == self.number) {
                table.entries.remove(key);
            }
        }
    }
}

/// Where one of a caller's keys is read.
enum Place {
    /// In this one of the readings it joined, at this seat.
    Joined(usize, usize),
    /// In its own, at this seat.
    Own(usize),
}

impl Readings {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads keys that differ, with others who read them now; one answer for each, in their order.
    pub(super) async fn read(
        self: &Arc<Self>,
        near: &Arc<Near>,
        far: &ProviderHandle,
        missed: Vec<Missed>,
    ) -> Vec<Brought> {
        let (places, joined, own) = self.board(near, far, missed);
        let mut others = Vec::with_capacity(joined.len());
        let own = match own {
            Some(own) => own.await,
            None => Landed::from([]),
        };
        for reading in joined {
            others.push(reading.await);
        }
        let landed = |place| match place {
            Place::Joined(reading, seat) => others[reading][seat].clone(),
            Place::Own(seat) => own[seat].clone(),
        };
        places.into_iter().map(landed).collect()
    }

    /// Finds each key's reading, and begins one for all that have none to join.
    fn board(
        self: &Arc<Self>,
        near: &Arc<Near>,
        far: &ProviderHandle,
        missed: Vec<Missed>,
    ) -> (Vec<Place>, Vec<Shared<Flight>>, Option<Shared<Flight>>) {
        let copies = &near.copies;
        let (mut joined, mut seats) = (Vec::new(), Vec::new());
        let mut places = Vec::with_capacity(missed.len());
        // One key does not wait for all of another caller's, some of which a server may keep.
        let is_alone = missed.len() == 1;
        let mut table = self.table();
        let now = copies.now();
        for Missed { space, key } in missed {
            let named = table.entries.get(&key);
            let may_join = |entry: &&Entry| {
                now < entry.until
                    && (entry.is_alone || !is_alone)
                    && copies.coherence.is_live(&entry.token, now)
            };
            let entry = named.filter(may_join);
            if let Some((reading, seat)) =
                entry.and_then(|entry| Some((entry.reading.upgrade()?, entry.seat)))
            {
                joined.push(reading);
                places.push(Place::Joined(joined.len() - 1, seat));
                continue;
            }
            let hash = copies.hash(&key);
            if named.is_some_and(|entry| copies.coherence.is_good(&entry.token)) {
                // What is read from here on may be newer: the other one must not be kept over it.
                copies.coherence.revoke(hash);
            }
            let token = space.and_then(|space| copies.coherence.take_token(space, hash, now));
            places.push(Place::Own(seats.len()));
            seats.push(Seat { key, token });
        }
        if seats.is_empty() {
            return (places, joined, None);
        }
        let until = now.saturating_add(copies.max_near_ttl);
        let own = self.enter(&mut table, (near, far), seats, until);
        (places, joined, Some(own))
    }

    /// A reading of these keys, in the table with those that others may join.
    fn enter(
        self: &Arc<Self>,
        table: &mut Table,
        (near, far): (&Arc<Near>, &ProviderHandle),
        seats: Vec<Seat>,
        until: u64,
    ) -> Shared<Flight> {
        table.numbered += 1;
        let number = table.numbered;
        let shared =
            seats.iter().enumerate().filter_map(|(at, seat)| Some((at, seat.key.clone(), seat.token?)));
        let shared: Vec<_> = shared.collect();
        let is_alone = seats.len() == 1;
        let keys = shared.iter().map(|(_, key, _)| key.clone()).collect();
        let leaving = Leaving { readings: Arc::clone(self), keys, number };
        let (near, far, count) = (Arc::clone(near), far.clone(), seats.len());
        let flight: Flight = Box::pin(async move {
            let _leaving = leaving;
            // A panic would be lost on whoever polls, and the others would wait for ever.
            let flown = AssertUnwindSafe(fly(&near, &far, seats)).catch_unwind().await;
            flown.unwrap_or_else(|_| (0..count).map(|_| Err(broke())).collect())
        });
        let own = flight.shared();
        for (seat, key, token) in shared {
            // There is nothing to name only after the end, and it was not begun.
            if let Some(reading) = own.downgrade() {
                table.entries.insert(key, Entry { token, reading, seat, number, until, is_alone });
            }
        }
        own
    }
}

fn broke() -> Error {
    Error::new(ErrorKind::Unavailable, "the far side panicked in a read; please report this to whose it is")
}

/// Reads keys from the far side, and keeps near what their tokens allow.
async fn fly(near: &Near, far: &ProviderHandle, seats: Vec<Seat>) -> Landed {
    let copies = &near.copies;
    let sent = copies.now();
    let entry = |seat: &Seat, value: &[u8], found| {
        let stamp = seat.token.map_or(Stamp::NONE, |token| token.stamp);
        let entry = copies.entry(stamp, sent, value, found);
        if let Some(token) = &seat.token {
            copies.fill(&seat.key, &entry, token);
        }
        entry
    };
    if let [seat] = seats.as_slice() {
        let read = far.provider().get(&seat.key, Vec::new()).await;
        return Landed::from([read.map(|read| Some(entry(seat, &read.buffer, read.found?)))]);
    }
    let keys: Vec<&[u8]> = seats.iter().map(|seat| &*seat.key).collect();
    let batch = match far.provider().get_multi(&keys, ReadBatch::default()).await {
        Ok(batch) => batch,
        Err(error) => return seats.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut failed: HashMap<usize, _> = batch.failed().iter().cloned().collect();
    let brought = seats.iter().enumerate().map(|(at, seat)| match failed.remove(&at) {
        Some(error) => Err(error),
        None => Ok(batch.get(at).map(|(value, found)| entry(seat, value, found))),
    });
    brought.collect()
}
