//! [`Flights`]: one load per key at a time, and no old value written back; one table per provider
//! handle, shared by all contracts and clones.
//!
//! A *flight* is a load under way: one [`Work`], in it a [`FlightKey`] for each of its keys, and a token
//! for each of these. `docs/loading.md` has the whole argument; its invariants, by name:
//!
//! - **One.** A key has at most one entry in the table, and a loader of it runs only for the flight
//!   of that entry. The entry goes when the flight has ended, however it ends.
//! - **Looked since.** A caller that leads looked at the cache after the last flight of that key had stored
//!   and ended. A flight counts itself as ended before its entry goes, and a look older
//!   than that count is repeated. A look that failed by an outage is not repeated: the load after it stores
//!   nothing.
//! - **Guard.** A write announces itself in its key's word, then revokes the key's token, then
//!   writes, then takes the announcement back. A flight enters the table, then announces itself in
//!   the word; if it meets a writer there, its token is void from the start. Additions to one word
//!   are totally ordered. So if a load and a write overlap, at least one of them sees the other, and
//!   the loaded value is not stored. A clear does the same with one word for all keys.
//! - **One step.** The provider checks the token and stores in one atomic step. For a provider that
//!   cannot, the store runs under the lock that revoking takes.
//! - **Past.** A revoked flight takes no more callers: later ones wait for its end and load anew.
//! - **Sleeping.** A thread that has polled a load which is still under way sleeps on no load.
//! - **No lock** is held while a loader, a codec or a waker runs. Locks nest in one order: a work's
//!   state, then shards by their number.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;

mod around;
mod counters;
mod end;
mod guard;
mod handed;
mod inside;
mod polled;
#[cfg(all(test, shuttle))]
mod schedules;
mod sleep;
mod sync;
mod waiter;
mod work;

use around::{Around, Glance};
pub(crate) use counters::LoadCounters;
pub(crate) use guard::Writing;
pub(crate) use handed::Losses;
use inside::Loading;
use sync::{AtomicBool, AtomicU64, KeyHasher, Mutex, MutexGuard, Ordering};
pub(crate) use waiter::Waiter;
pub(crate) use work::{FlightKey, LoadedKey, Payload, Published, Work};

const SHARDS: usize = if cfg!(all(test, shuttle)) { 2 } else { 32 };

/// There are many words because keys share them: a load that meets the writer of another key there
/// is not stored either.
const WORDS: usize = if cfg!(all(test, shuttle)) { 2 } else { 1024 };

/// In a word: flights and cooling keys in the lower half, writers in the upper.
const LOAD: u64 = 1;
const WRITER: u64 = 1 << 32;

/// The loads under way of one provider handle.
pub(crate) struct Flights {
    words: Box<[AtomicU64]>,
    shards: Box<[Mutex<Shard>]>,
    hasher: KeyHasher,
    /// How many clears are under way.
    clears: AtomicU64,
    glance: Glance,
    around: Around,
    closed: AtomicBool,
    pub(crate) counters: LoadCounters,
    /// Switches the guard off, to show that the schedules fail without it.
    #[cfg(all(test, shuttle))]
    unguarded: std::sync::atomic::AtomicBool,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<Box<[u8]>, TableEntry, KeyHasher>,
    cooling: HashMap<Box<[u8]>, Cooling, KeyHasher>,
    /// How many flights with a key of this shard have ended.
    ended: u64,
}

/// A key's flight in the table.
struct TableEntry {
    work: Arc<Work>,
    /// The index of the key in `work.keys`.
    at: usize,
}

/// A key whose refresh failed. No caller refreshes it while its remaining TTL, by the provider's
/// clock, is above `until`; from the instant `useless` on the mark can be dropped.
struct Cooling {
    until: Duration,
    useless: Instant,
}

/// How far the flights had got when the cache was looked at.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    /// The count of all flights; needs no hash of the key.
    All(u64),
    /// The counts of each shard: progress is certain even while flights of other keys keep ending.
    Shards(Box<[u64]>),
}

/// A key that a caller found missing, or stale with this remaining TTL.
#[derive(Debug)]
pub(crate) struct Requested<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) stale: Option<Duration>,
    /// Whether the provider did not answer the look. A load that is begun so is not stored, and no flight
    /// that ended meanwhile makes the caller look again.
    pub(crate) is_unread: bool,
}

/// The options of a flight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) timeout: Option<Duration>,
    pub(crate) cool_down: Option<Duration>,
    pub(crate) blocking: bool,
}

/// The result of joining the flights of some keys.
pub(crate) enum Join {
    /// The role for each key, and the work that the caller leads, if any.
    Done { roles: Vec<Role>, lead: Option<Arc<Work>> },
    /// The look at the cache is too old; nothing was changed.
    LookAgain(Seen),
    /// The handle was closed.
    Closed,
}

/// A caller's part in the flight of one key. The numbers are indices into the flight's keys.
pub(crate) enum Role {
    /// The caller runs the load.
    Lead(usize),
    /// The caller waits for another caller's load and uses its outcome.
    Join(Arc<Work>, usize),
    /// The caller waits for the end of a revoked load, and uses nothing of it.
    Follow(Arc<Work>),
    /// The key is stale, and its last refresh failed too recently to try again.
    Cooling,
    /// The caller is inside the key's own loader.
    Cycle,
}

impl Role {
    /// Ends a flight that timed out or that its executor never began, so that a caller that is about to
    /// serve a stale value does not rely on it. True if this call ended it.
    pub(crate) fn end_if_forgotten(&self) -> bool {
        match self {
            Role::Join(work, _) | Role::Follow(work) => work.end_if_forgotten(),
            Role::Lead(_) | Role::Cooling | Role::Cycle => false,
        }
    }
}

impl Flights {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Flights {
            words: (0..WORDS).map(|_| AtomicU64::new(0)).collect(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: KeyHasher::default(),
            clears: AtomicU64::new(0),
            glance: Glance::new(),
            around: Around::default(),
            closed: AtomicBool::new(false),
            counters: LoadCounters::default(),
            #[cfg(all(test, shuttle))]
            unguarded: std::sync::atomic::AtomicBool::new(false),
        })
    }

    /// How many flights have ended. A caller reads this before it looks at the cache, for [`Seen::All`].
    #[inline]
    pub(crate) fn ended(&self) -> u64 {
        // Acquire: pairs with the addition in `leave_table`; a caller that sees a flight ended
        // finds in the cache what it stored.
        self.glance.ended.load(Ordering::Acquire)
    }

    /// Finds each key's flight, and begins one for all keys that have none. The keys differ.
    pub(crate) fn join(self: &Arc<Self>, requested: &[Requested<'_>], seen: &Seen, plan: Plan) -> Join {
        let hashes: Vec<u64> =
            requested.iter().map(|requested| self.hasher.hash_one(requested.key)).collect();
        let mut shards = self.shards_of(&hashes);
        if self.closed.load(Ordering::Acquire) {
            return Join::Closed;
        }
        let mut roles = Vec::with_capacity(requested.len());
        let mut keys = Vec::new();
        for (requested, &hash) in requested.iter().zip(&hashes) {
            let shard = of(&mut shards, hash);
            let role = match shard.entries.get(requested.key) {
                Some(entry) if Loading::is_inside(&entry.work) => Role::Cycle,
                Some(entry) if entry.work.keys[entry.at].token.is_valid() => {
                    Role::Join(Arc::clone(&entry.work), entry.at)
                }
                Some(entry) => Role::Follow(Arc::clone(&entry.work)),
                None if shard.is_cooling(requested) => Role::Cooling,
                None if !requested.is_unread && self.is_outdated(seen, hash, shard) => {
                    return Join::LookAgain(look_at(&shards));
                }
                None => {
                    keys.push(FlightKey::new(requested));
                    Role::Lead(keys.len() - 1)
                }
            };
            roles.push(role);
        }
        if keys.is_empty() {
            return Join::Done { roles, lead: None };
        }
        let work = Arc::new(Work::new(Arc::clone(self), keys, plan));
        for (role, &hash) in roles.iter().zip(&hashes) {
            if let Role::Lead(at) = *role {
                self.enter_table(of(&mut shards, hash), hash, TableEntry { work: Arc::clone(&work), at });
            }
        }
        Join::Done { roles, lead: Some(work) }
    }

    fn enter_table(&self, shard: &mut Shard, hash: u64, entry: TableEntry) {
        let TableEntry { work, at } = &entry;
        let (key, token) = (work.keys[*at].key.clone(), work.keys[*at].token.clone());
        shard.entries.insert(key.clone(), entry);
        let word = self.word(hash);
        if shard.cooling.remove(&key).is_some() {
            word.fetch_sub(LOAD, Ordering::AcqRel);
        }
        // AcqRel, as in `write`: invariant Guard.
        let writers = word.fetch_add(LOAD, Ordering::AcqRel) / WRITER;
        if writers > 0 || self.clears.load(Ordering::Acquire) > 0 {
            self.revoke_token(&token);
        }
    }

    /// Takes a work's entries away, now that it ends; keys that failed while stale begin to cool.
    fn leave_table(&self, work: &Work, failed: impl Fn(usize) -> bool) {
        // Release: a caller that sees this count finds in the cache what the flight stored. It moves
        // before the entries go: invariant Looked since.
        self.glance.ended.fetch_add(1, Ordering::AcqRel);
        for (at, own) in work.keys.iter().enumerate() {
            let hash = self.hasher.hash_one(&*own.key);
            let mut shard = self.shard(hash);
            let removed = !own.token.is_valid();
            // A loader that was given up may still run, and no write can revoke its token once
            // the entry is gone.
            own.token.revoke();
            shard.ended += 1;
            shard.entries.remove(&own.key);
            let cooling = work.cooling(at).filter(|_| failed(at) && !removed);
            let Some((until, useless)) = cooling else {
                self.word(hash).fetch_sub(LOAD, Ordering::AcqRel);
                continue;
            };
            if shard.cooling.len() == shard.cooling.capacity() {
                let now = Instant::now();
                self.let_cool(&mut shard, |_, cooling| now < cooling.useless);
            }
            // The mark takes over the load's count in the word, so that a write finds it. There
            // is no older mark: entering the table removed it.
            shard.cooling.insert(own.key.clone(), Cooling { until, useless });
        }
    }

    /// Ends every flight with Closed, and lets no other begin.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for shard in &self.shards {
            let works: Vec<_> = lock(shard).entries.values().map(|entry| Arc::clone(&entry.work)).collect();
            for work in works {
                work.fail(&Error::closed());
            }
        }
    }

    /// How many keys are being loaded.
    pub(crate) fn under_way(&self) -> u64 {
        self.shards.iter().map(|shard| lock(shard).entries.len() as u64).sum()
    }

    /// A different number at each call, for jitter.
    pub(crate) fn random(&self) -> u64 {
        // Relaxed: any number will do, as long as it is not the last one again.
        self.hasher.hash_one(self.counters.drawn.fetch_add(1, Ordering::Relaxed))
    }

    fn is_outdated(&self, seen: &Seen, hash: u64, shard: &Shard) -> bool {
        match seen {
            // Acquire, as in `ended`; the shard's lock orders it after a flight that left.
            Seen::All(ended) => self.glance.ended.load(Ordering::Acquire) != *ended,
            Seen::Shards(ended) => ended[shard_of(hash)] != shard.ended,
        }
    }

    fn word(&self, hash: u64) -> &AtomicU64 {
        &self.words[hash as usize % WORDS]
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        lock(&self.shards[shard_of(hash)])
    }

    /// The shards of these keys, locked, each in its place.
    fn shards_of(&self, hashes: &[u64]) -> Vec<Option<MutexGuard<'_, Shard>>> {
        let mut needed = [false; SHARDS];
        for &hash in hashes {
            needed[shard_of(hash)] = true;
        }
        let shards = self.shards.iter().zip(needed);
        shards.map(|(shard, needed)| needed.then(|| lock(shard))).collect()
    }
}

impl Shard {
    fn is_cooling(&self, requested: &Requested<'_>) -> bool {
        match (self.cooling.get(requested.key), requested.stale) {
            (Some(cooling), Some(left)) => left > cooling.until && Instant::now() < cooling.useless,
            _ => false,
        }
    }
}

fn shard_of(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}

fn of<'a>(shards: &'a mut [Option<MutexGuard<'_, Shard>>], hash: u64) -> &'a mut Shard {
    shards[shard_of(hash)].as_mut().expect("the shards of all keys were locked")
}

fn look_at(shards: &[Option<MutexGuard<'_, Shard>>]) -> Seen {
    Seen::Shards(shards.iter().map(|shard| shard.as_ref().map_or(0, |shard| shard.ended)).collect())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
