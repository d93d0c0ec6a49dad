//! Writes whose entry leaves as soon as it is stored: its time to live is zero, or there is no room.

use crate::base::counters::Count;
use crate::base::error::Error;
use crate::entries::entry::WriteKind;
use crate::entries::key::HashedKey;
use crate::entries::removal::{Call, RemovalCause};
use crate::verbs::condition::{Precondition, Swap, judge};
use crate::verbs::store::Store;

/// A write whose entry leaves as soon as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transient<'a> {
    pub(crate) key: HashedKey<'a>,
    pub(crate) kind: WriteKind,
    /// Why the entry leaves.
    pub(crate) cause: RemovalCause,
}

/// Does a write whose entry leaves as soon as it is stored, and the old one with it.
pub(crate) fn put_nothing(
    store: &Store,
    transient: Transient<'_>,
    precondition: Precondition<'_>,
    call: &mut Call<'_>,
) -> Result<Swap, Error> {
    let Transient { key, kind, cause } = transient;
    let lookup = store.entries.lock(key);
    store.limits.check_open()?;
    let swap = judge(&store.entries, precondition, lookup.info(), call);
    if swap != Swap::Done {
        return Ok(swap);
    }
    let removed = store.entries.remove_found(lookup, cause, call);
    if removed.is_some_and(|old| old.is_live(&call.now)) {
        store.entries.counters.add(kind.count(), 1);
        store.entries.counters.add(Count::Replaced, 1);
    } else {
        count_transient(store, kind, cause);
    }
    Ok(Swap::Done)
}

/// Counts an entry that came and left in one step.
pub(crate) fn count_transient(store: &Store, kind: WriteKind, cause: RemovalCause) {
    let stripe = store.entries.counters.stripe();
    stripe.add(kind.count(), 1);
    stripe.add(if cause == RemovalCause::Evicted { Count::Evictions } else { Count::Deletes }, 1);
}
