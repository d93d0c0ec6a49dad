//! [`Readings`]: far reads, shared by all callers that miss the same keys while their tokens are good.
//!
//! The words are those of loads (`flight.rs`): a caller joins a reading or begins one, which publishes
//! one result for each of its keys. No code is shared: a reading is driven also by callers that
//! sleep, has no loader of a caller's, and dies with its last caller.
//!
//! - A *reading* is one far read of some keys and the fills after it. The callers that wait for it
//!   drive it, and it is gone when none waits. The table names readings and keeps none alive.
//! - **Joined while good.** A key's reading is joined only while its token is good and its space is
//!   live: its results are then no older than the last revocation before the join. A caller that
//!   does not join voids the token of the reading that is there, so a key has one reading that may fill.
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

/// The result of a far read for one key: an entry as it is kept near, or none.
pub(super) type FarRead = Result<Option<Bytes>>;

/// One for each key, shared by all callers that wait.
type Published = Arc<[FarRead]>;

type ReadFuture = Pin<Box<dyn Future<Output = Published> + Send>>;

/// A key that was not near, and its space if it has one.
pub(super) struct MissingKey {
    pub(super) space: Option<Space>,
    pub(super) key: Box<[u8]>,
}

/// One key of a reading; without a token it is neither shared nor kept.
struct ReadingKey {
    key: Box<[u8]>,
    token: Option<Token>,
}

/// The reading of one key: which one, and where in it the key stands.
struct KeyReading {
    token: Token,
    reading: WeakShared<ReadFuture>,
    at: usize,
    number: u64,
    /// Until when others may join: changes that nobody is told of have to end here, too.
    until: u64,
    /// Whether it reads this key alone.
    is_alone: bool,
}

#[derive(Default)]
struct Table {
    entries: HashMap<Box<[u8]>, KeyReading>,
    /// How many readings there were: the number of the last one.
    numbered: u64,
}

/// The readings under way, by key.
#[derive(Default)]
pub(super) struct Readings {
    table: Mutex<Table>,
}

/// Takes a reading's entries out of the table when its future goes, for whatever reason.
struct LeaveOnDrop {
    readings: Arc<Readings>,
    keys: Vec<Box<[u8]>>,
    number: u64,
}

impl Drop for LeaveOnDrop {
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
enum ReadSource {
    /// In this one of the readings that the caller joined; this is the key's number in it.
    Joined(usize, usize),
    /// In the caller's own; this is the key's number in it.
    Own(usize),
}

impl Readings {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads keys, no two of them equal, together with the callers that read them at this moment. One
    /// answer for each, in their order.
    pub(super) async fn read(
        self: &Arc<Self>,
        near: &Arc<Near>,
        far: &ProviderHandle,
        missed: Vec<MissingKey>,
    ) -> Vec<FarRead> {
        let (roles, joined, own) = self.join(near, far, missed);
        let mut others = Vec::with_capacity(joined.len());
        let own = match own {
            Some(own) => own.await,
            None => Published::from([]),
        };
        for reading in joined {
            others.push(reading.await);
        }
        let result = |role| match role {
            ReadSource::Joined(reading, at) => others[reading][at].clone(),
            ReadSource::Own(at) => own[at].clone(),
        };
        roles.into_iter().map(result).collect()
    }

    /// Finds each key's reading, and begins one for all that have none to join.
    fn join(
        self: &Arc<Self>,
        near: &Arc<Near>,
        far: &ProviderHandle,
        missed: Vec<MissingKey>,
    ) -> (Vec<ReadSource>, Vec<Shared<ReadFuture>>, Option<Shared<ReadFuture>>) {
        let copies = &near.copies;
        let (mut joined, mut reads) = (Vec::new(), Vec::new());
        let mut roles = Vec::with_capacity(missed.len());
        // One key does not wait for all of another caller's, some of which a server may keep.
        let is_alone = missed.len() == 1;
        let mut table = self.table();
        let now = copies.now();
        for MissingKey { space, key } in missed {
            let named = table.entries.get(&key);
            let may_join = |entry: &&KeyReading| {
                now < entry.until
                    && (entry.is_alone || !is_alone)
                    && copies.coherence.is_live(&entry.token, now)
            };
            let entry = named.filter(may_join);
            if let Some((reading, at)) = entry.and_then(|entry| Some((entry.reading.upgrade()?, entry.at))) {
                joined.push(reading);
                roles.push(ReadSource::Joined(joined.len() - 1, at));
                continue;
            }
            let hash = copies.hash(&key);
            if named.is_some_and(|entry| copies.coherence.is_good(&entry.token)) {
                // A read from here on may find a newer value: the other reading must not be kept over it.
                copies.coherence.revoke(hash);
            }
            let token = space.and_then(|space| copies.coherence.take_token(space, hash, now));
            roles.push(ReadSource::Own(reads.len()));
            reads.push(ReadingKey { key, token });
        }
        if reads.is_empty() {
            return (roles, joined, None);
        }
        let until = now.saturating_add(copies.max_near_ttl);
        let own = self.enter(&mut table, (near, far), reads, until);
        (roles, joined, Some(own))
    }

    /// A reading of these keys, in the table with those that others may join.
    fn enter(
        self: &Arc<Self>,
        table: &mut Table,
        (near, far): (&Arc<Near>, &ProviderHandle),
        reads: Vec<ReadingKey>,
        until: u64,
    ) -> Shared<ReadFuture> {
        table.numbered += 1;
        let number = table.numbered;
        let shared = reads.iter().enumerate().filter_map(|(at, own)| Some((at, own.key.clone(), own.token?)));
        let shared: Vec<_> = shared.collect();
        let is_alone = reads.len() == 1;
        let keys = shared.iter().map(|(_, key, _)| key.clone()).collect();
        let leaving = LeaveOnDrop { readings: Arc::clone(self), keys, number };
        let (near, far, count) = (Arc::clone(near), far.clone(), reads.len());
        let future: ReadFuture = Box::pin(async move {
            let _leaving = leaving;
            // A panic would reach only the caller that polls, and the others would wait for ever.
            let published = AssertUnwindSafe(read_and_fill(&near, &far, reads)).catch_unwind().await;
            published.unwrap_or_else(|_| (0..count).map(|_| Err(broke())).collect())
        });
        let own = future.shared();
        for (at, key, token) in shared {
            // There is nothing to name only after the end, and it was not begun.
            if let Some(reading) = own.downgrade() {
                table.entries.insert(key, KeyReading { token, reading, at, number, until, is_alone });
            }
        }
        own
    }
}

fn broke() -> Error {
    Error::new(ErrorKind::Unavailable, "the far side panicked in a read; please report this to whose it is")
}

/// Reads keys from the far side, and keeps near what their tokens allow.
async fn read_and_fill(near: &Near, far: &ProviderHandle, reads: Vec<ReadingKey>) -> Published {
    let copies = &near.copies;
    let sent = copies.now();
    let entry = |own: &ReadingKey, value: &[u8], found| {
        let stamp = own.token.map_or(Stamp::NONE, |token| token.stamp);
        let entry = copies.entry(stamp, sent, value, found);
        if let Some(token) = &own.token {
            copies.fill(&own.key, &entry, token);
        }
        entry
    };
    if let [own] = reads.as_slice() {
        let read = far.provider().get(&own.key, Vec::new()).await;
        return Published::from([read.map(|read| Some(entry(own, &read.buffer, read.found?)))]);
    }
    let keys: Vec<&[u8]> = reads.iter().map(|own| &*own.key).collect();
    let batch = match far.provider().get_multi(&keys, ReadBatch::default()).await {
        Ok(batch) => batch,
        Err(error) => return reads.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut failed: HashMap<usize, _> = batch.failed().iter().cloned().collect();
    let results = reads.iter().enumerate().map(|(at, own)| match failed.remove(&at) {
        Some(error) => Err(error),
        None => Ok(batch.get(at).map(|(value, found)| entry(own, value, found))),
    });
    results.collect()
}
