//! Storing values: everything is appended first and then swapped in under its bucket's lock.
//!
//! May ask for room (`space`), and inserts, replaces and removes through `entries`.
//!
//! - *Append first*: room is taken and bytes are copied before the lock is taken, so no thread waits
//!   for a copy. An item that turns out not to be wanted is dead in the log, and nothing else.
//! - *Judged under the lock*: conditions and the old entry's time, in one step with the swap.
//!
//! The path of the usual set is inlined into one function: passing values on in memory would cost a
//! store-forwarding stall.

use std::time::Duration;

use crate::base::counters::Count;
use crate::base::error::Error;
use crate::base::ttl::{End, NEVER};
use crate::entries::entry::{Entry, WriteKind};
use crate::entries::found::Version;
use crate::entries::key::HashedKey;
use crate::entries::removal::{Call, RemovalCause};
use crate::index::LockedBucket;
use crate::index::slot::Location;
use crate::space::append::Appended;
use crate::space::full::Priority;
use crate::space::room::prefetch_replaced;
use crate::verbs::condition::{Precondition, Swap, judge};
use crate::verbs::get::BATCH;
use crate::verbs::options::{Condition, SetOptions, SetOutcome, SetTtl};
use crate::verbs::store::Store;
use crate::verbs::sweep;
use crate::verbs::transient::{Transient, count_transient, put_nothing};

/// The outcome for an entry that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swapped {
    /// A slot names it; a live entry of the key was replaced by it, or none.
    Done {
        replaces: bool,
    },
    /// It was stored and evicted at once.
    EvictedAtOnce,
    Not(Swap),
}

/// Room for a write that may have to begin anew.
#[derive(Debug)]
pub(crate) struct RoomForWrite<R> {
    pub(crate) room: Option<R>,
    /// There was none to be had. It is not asked for again: that may move the very entry which the
    /// write depends on, each time.
    pub(crate) refused: bool,
}

impl<R> Default for RoomForWrite<R> {
    fn default() -> RoomForWrite<R> {
        RoomForWrite { room: None, refused: false }
    }
}

pub(crate) fn set(
    store: &Store,
    key: &[u8],
    value: &[u8],
    options: &SetOptions<'_>,
) -> Result<SetOutcome, Error> {
    store.limits.check_new_key(key)?;
    set_hashed(store, store.entries.hashed(key), value, options)
}

/// Stores many values. Before the first of a stretch is written, the buckets of all of them are
/// asked for, and then the entries that they replace.
pub(crate) fn set_multi<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    store: &Store,
    values: &[(K, V)],
    options: &SetOptions<'_>,
    mut failed: impl FnMut(usize, Error),
) {
    let entries = &store.entries;
    let mut hashes = [0; BATCH];
    let mut at = 0;
    for stretch in values.chunks(BATCH) {
        for ((key, _), hash) in stretch.iter().zip(&mut hashes) {
            *hash = entries.hash(key.as_ref());
            entries.index.prefetch_bucket(*hash);
        }
        for &hash in &hashes[..stretch.len()] {
            prefetch_replaced(entries, hash);
        }
        for ((key, value), &hash) in stretch.iter().zip(&hashes) {
            let key = HashedKey { hash, bytes: key.as_ref() };
            let checked = store.limits.check_new_key(key.bytes);
            if let Err(error) = checked.and_then(|()| set_hashed(store, key, value.as_ref(), options)) {
                failed(at, error);
            }
            at += 1;
        }
    }
}

/// Stores a value under a key that was checked.
fn set_hashed(
    store: &Store,
    key: HashedKey<'_>,
    value: &[u8],
    options: &SetOptions<'_>,
) -> Result<SetOutcome, Error> {
    store.change(|call| try_set(store, key, value, options, call))
}

#[inline(always)]
fn try_set(
    store: &Store,
    key: HashedKey<'_>,
    value: &[u8],
    options: &SetOptions<'_>,
    call: &mut Call<'_>,
) -> Result<SetOutcome, Error> {
    let precondition = Precondition::Condition(&options.condition);
    if value.len() > store.limits.max_value_bytes() {
        return refuse_too_large(store, key, value.len(), precondition, call);
    }
    let end = match &options.ttl {
        SetTtl::Never => End::At(NEVER),
        &SetTtl::After(ttl) => call.now.end_of(Some(ttl)),
        &SetTtl::Keep { otherwise } => {
            let keeping = Keeping { key, value, otherwise, condition: &options.condition };
            return set_keeping(store, &keeping, call);
        }
    };
    let always = matches!(options.condition, Condition::Always);
    if !always && !holds_now(store, key, &options.condition, call) {
        return store.limits.check_open().map(|()| SetOutcome::ConditionFailed);
    }
    let swap = match end {
        End::AtOnce => {
            let transient = Transient { key, kind: WriteKind::Set, cause: RemovalCause::Deleted };
            put_nothing(store, transient, precondition, call)?
        }
        End::At(deadline) => {
            let entry = Entry { key, value, deadline, kind: WriteKind::Set };
            match store.space.append_usual(&store.entries, &entry, call) {
                Some(room) => {
                    let filled = room.range();
                    let swapped = swap(store, &entry, room.location(), precondition, call)?;
                    let swap = end_swap(store, &entry, swapped, || room.publish(), call);
                    // Last: nothing is on its way any more that would have to lie in memory.
                    store.space.pay(&store.entries, filled, call);
                    swap
                }
                None => put(store, &entry, &mut RoomForWrite::default(), precondition, call)?,
            }
        }
    };
    Ok(if swap == Swap::Done { SetOutcome::Stored } else { SetOutcome::ConditionFailed })
}

/// A value that is stored until the deadline of the live entry it replaces.
#[derive(Debug, Clone, Copy)]
struct Keeping<'a> {
    key: HashedKey<'a>,
    value: &'a [u8],
    /// The time to live if there is no such entry.
    otherwise: Option<Duration>,
    condition: &'a Condition<'a>,
}

/// Reads the deadline, appends, and swaps if the entry is still the same one. Otherwise all begins anew.
fn set_keeping(store: &Store, keeping: &Keeping<'_>, call: &mut Call<'_>) -> Result<SetOutcome, Error> {
    let &Keeping { key, value, otherwise, condition } = keeping;
    let (mut kept, mut kept_until) = (RoomForWrite::default(), None);
    loop {
        call.now.restart();
        if !holds_now(store, key, condition, call) {
            return store.limits.check_open().map(|()| SetOutcome::ConditionFailed);
        }
        let (version, end) = version_and_end(store, key, otherwise, call);
        let precondition = Precondition::Unchanged(version, condition);
        let swap = match end {
            End::AtOnce => {
                let transient = Transient { key, kind: WriteKind::Set, cause: RemovalCause::Deleted };
                put_nothing(store, transient, precondition, call)?
            }
            End::At(deadline) => {
                if kept_until.replace(deadline) != Some(deadline) {
                    kept.room = None;
                }
                let entry = Entry { key, value, deadline, kind: WriteKind::Set };
                put(store, &entry, &mut kept, precondition, call)?
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
    store: &Store,
    key: HashedKey<'_>,
    otherwise: Option<Duration>,
    call: &Call<'_>,
) -> (Option<Version>, End) {
    let lookup = store.entries.lock(key);
    match lookup.live(&call.now) {
        Some(old) => (Some(store.entries.version_at(old.slot.location())), End::At(old.deadline)),
        None => (None, call.now.end_of(otherwise)),
    }
}

/// Stores an entry, making room for it. The room stays in `kept` if the entry was to take the place of
/// another that changed meanwhile: making room may move that very one, and would again.
#[inline(never)]
pub(crate) fn put<'a>(
    store: &'a Store,
    entry: &Entry<'_>,
    kept: &mut RoomForWrite<Appended<'a>>,
    precondition: Precondition<'_>,
    call: &mut Call<'_>,
) -> Result<Swap, Error> {
    if kept.room.is_none() && !kept.refused {
        kept.room = room_for(store, entry, call)?;
        kept.refused = kept.room.is_none();
    }
    place(store, entry, &mut kept.room, precondition, call)
}

/// Appends an entry. `None` if there is no room to be had.
fn room_for<'a>(
    store: &'a Store,
    entry: &Entry<'_>,
    call: &mut Call<'_>,
) -> Result<Option<Appended<'a>>, Error> {
    let Store { entries, space, .. } = store;
    if space.room.full.evicts() {
        return Ok(space.append(entries, entry, Priority::New, call));
    }
    let replaced = entries.lock(entry.key).live(&call.now).map_or(0, |old| old.payload);
    let more = entry.payload().saturating_sub(replaced);
    let priority = if more == 0 { Priority::Overwrite } else { Priority::New };
    let room = space.append(entries, entry, priority, call);
    if room.is_some() {
        return Ok(room);
    }
    sweep::sweep_within(store, call)?;
    let fits = more == 0 || space.fits_when_compacted(entries, more);
    Ok(if fits { space.append(entries, entry, Priority::Overwrite, call) } else { None })
}

/// Puts an entry that was appended into the place of the key's old one, or says what becomes of an
/// entry that there is no room for.
fn place(
    store: &Store,
    entry: &Entry<'_>,
    room: &mut Option<Appended<'_>>,
    precondition: Precondition<'_>,
    call: &mut Call<'_>,
) -> Result<Swap, Error> {
    let Store { entries, space, .. } = store;
    if let Some(appended) = room {
        let location = appended.location();
        let mut swapped = swap(store, entry, location, precondition, call);
        if swapped == Err(Error::Full) {
            space.give_to_index(entries, call);
            swapped = swap(store, entry, location, precondition, call);
        }
        if swapped == Err(Error::Full) {
            entries.counters.add(Count::Rejections, 1);
        }
        let publish = || room.take().map_or((), Appended::publish);
        return Ok(end_swap(store, entry, swapped?, publish, call));
    }
    if space.room.full.evicts() {
        // As if it was evicted as soon as it was stored.
        let transient = Transient { key: entry.key, kind: entry.kind, cause: RemovalCause::Evicted };
        return put_nothing(store, transient, precondition, call);
    }
    entries.counters.add(Count::Rejections, 1);
    Err(Error::Full)
}

/// Says how a swap ended; an entry that was put in place is published first.
#[inline(always)]
fn end_swap(
    store: &Store,
    entry: &Entry<'_>,
    swapped: Swapped,
    publish: impl FnOnce(),
    call: &mut Call<'_>,
) -> Swap {
    match swapped {
        Swapped::Done { replaces } => {
            publish();
            count_stored(store, entry, replaces, call);
            Swap::Done
        }
        Swapped::EvictedAtOnce => Swap::Done,
        Swapped::Not(why) => why,
    }
}

/// Has the key name the entry that was appended at this location.
///
/// # Errors
///
/// [`Error::Full`]: its bucket has no slot for it, and nothing may be evicted. [`Error::Closed`].
#[inline(always)]
fn swap(
    store: &Store,
    entry: &Entry<'_>,
    location: Location,
    precondition: Precondition<'_>,
    call: &mut Call<'_>,
) -> Result<Swapped, Error> {
    let entries = &store.entries;
    let lookup = entries.lock_inline(entry.key);
    // *Closed under the lock* (`limits.rs`).
    store.limits.check_open()?;
    let swap = judge(&store.entries, precondition, lookup.info(), call);
    if swap != Swap::Done {
        return Ok(Swapped::Not(swap));
    }
    let mut replaces = false;
    if let Some(old) = &lookup.found {
        replaces = entries.replace(&lookup.bucket, old, location, call);
    } else if entries.insert(&lookup.bucket, entry.key.hash, location).is_err()
        && !insert_crowded(store, &lookup.bucket, entry.key.hash, location, call)?
    {
        drop(lookup);
        count_transient(store, entry.kind, RemovalCause::Evicted);
        return Ok(Swapped::EvictedAtOnce);
    }
    Ok(Swapped::Done { replaces })
}

/// Puts an entry into a bucket that has all the slots it can get: one of its entries is evicted. False
/// if that was in vain.
#[cold]
fn insert_crowded(
    store: &Store,
    bucket: &LockedBucket<'_>,
    hash: u64,
    location: Location,
    call: &mut Call<'_>,
) -> Result<bool, Error> {
    if !store.space.room.full.evicts() {
        return Err(Error::Full);
    }
    store.entries.remove_crowded(bucket, call);
    Ok(store.entries.insert(bucket, hash, location).is_ok())
}

/// Counts an entry in; one that replaces another brings no key.
#[inline(always)]
fn count_stored(store: &Store, entry: &Entry<'_>, replaces: bool, call: &mut Call<'_>) {
    let stripe = store.entries.counters.stripe();
    stripe.add(entry.kind.count(), 1);
    stripe.add(Count::PayloadIn, entry.payload());
    if replaces {
        stripe.add(Count::Replaced, 1);
    } else {
        stripe.key_in();
        store.space.fit_index(&store.entries, call);
    }
}

/// Whether a condition holds at this moment. A write whose condition does not hold needs no room.
pub(crate) fn holds_now(
    store: &Store,
    key: HashedKey<'_>,
    condition: &Condition<'_>,
    call: &mut Call<'_>,
) -> bool {
    let lookup = store.entries.lock(key);
    let holds = judge(&store.entries, Precondition::Condition(condition), lookup.info(), call) == Swap::Done;
    if lookup.info().is_some_and(|old| !old.is_live(&call.now)) {
        store.entries.remove_found(lookup, RemovalCause::Deleted, call);
    }
    holds
}

/// Removes the entry that the caller meant to replace with a value that can never be held.
fn refuse_too_large(
    store: &Store,
    key: HashedKey<'_>,
    len: usize,
    precondition: Precondition<'_>,
    call: &mut Call<'_>,
) -> Result<SetOutcome, Error> {
    let lookup = store.entries.lock(key);
    store.limits.check_open()?;
    if judge(&store.entries, precondition, lookup.info(), call) != Swap::Done {
        return Ok(SetOutcome::ConditionFailed);
    }
    store.entries.remove_found(lookup, RemovalCause::Deleted, call);
    store.entries.counters.add(Count::Rejections, 1);
    Err(Error::TooLarge { len, max: store.limits.max_value_bytes() })
}
