//! [`Provider`]: what a cache must be able to do to serve the contract.
//!
//! Byte keys and byte values, object safe, small. Users never call it: they hold a
//! [`ProviderHandle`](crate::ProviderHandle) and a [`Cache`](crate::Cache), which own everything
//! that is the same for every provider (joining keys, codecs, patterns, default deadlines).
//!
//! What holds for every method:
//!
//! - It may be called from any thread, many at once, on any executor or on none.
//! - Arguments are borrowed for the call only. A pending [`Reply`] owns what it needs.
//! - A pending reply may be dropped at any point. The verb is then done or not done, never half.
//! - It never panics on anything a caller can pass in.
//! - After [`close`](Provider::close) it answers [`ErrorKind::Closed`](crate::ErrorKind::Closed).
//!
//! The keys it receives are 1 byte to [`Limits::max_stored_key_bytes`] long: namespace and name
//! joined. `examples/own_provider.rs` is a complete one.

mod capabilities;
mod counters;
mod health;
mod invalidation;
mod read;
mod scan;
mod write;

use std::any::Any;
use std::time::Duration;

pub use capabilities::{Capabilities, Limits};
pub use counters::{LookupCounters, Lookups};
pub use health::{BackgroundWork, Health, HealthSink, Outage, ServerHealth, ServerState};
pub use invalidation::{Invalidation, InvalidationSink, Subscription};
pub use read::{Found, Read, ReadBatch, ReadParts, Version};
pub use scan::{Cursor, Page};
pub use write::{Condition, Deleted, Failures, LoadedAround, SetOptions, SetOutcome, Token};

use crate::error::Error;
use crate::reply::Reply;
use crate::stats::Stats;
use crate::ttl::{Ttl, TtlState};

/// The byte verbs of a cache. See the [module](self) for what holds for all of them.
///
/// The ten required methods make a complete provider; the others have defaults that work, or that
/// say [`Unsupported`](crate::ErrorKind::Unsupported) where only the provider itself could do it.
/// A verb that is not supported must be declared by [`capabilities`](Provider::capabilities).
pub trait Provider: Send + Sync + 'static {
    /// The name for errors and logs, usually the one it was registered under.
    fn name(&self) -> &str;

    /// The entry of `key`, its bytes in `buffer`, whose old contents go and whose capacity is
    /// reused. Returns exactly the bytes that were set for exactly that key, with the remaining
    /// time and the version of the same moment.
    ///
    /// Counts neither a hit nor a miss: only the caller knows whether the bytes were any good,
    /// and says so by [`record_lookups`](Provider::record_lookups).
    fn get<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read>;

    /// As [`get`](Provider::get), for a caller that wants the bytes alone: the remaining time and
    /// the version may be left out (`None`), for providers to which they cost something.
    fn get_value<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        self.get(key, buffer)
    }

    /// As [`get`](Provider::get) or [`get_value`](Provider::get_value), for a load: the caller has a loader at
    /// hand if the read fails. A provider that learns meanwhile that the key's server is down ends the read at
    /// once. One that serves copies which may be out of date while it cannot check them may do so here and in
    /// `get_value`, and marks them ([`Found::is_degraded`]).
    fn get_for_load<'a>(&'a self, key: &[u8], buffer: Vec<u8>, parts: ReadParts) -> Reply<'a, Read> {
        match parts {
            ReadParts::Value => self.get_value(key, buffer),
            ReadParts::All => self.get(key, buffer),
        }
    }

    /// Stores `value` under `key` if the condition holds, in one step with judging it.
    ///
    /// # Errors
    ///
    /// `TooLarge` (more than the provider can ever hold): the old entry is gone. `Full`: nothing
    /// was changed. `Timeout`, `Unavailable`: the outcome is unknown. `Unsupported`: a condition
    /// that [`capabilities`](Provider::capabilities) does not claim.
    fn set<'a>(&'a self, key: &[u8], value: &[u8], options: SetOptions) -> Reply<'a, SetOutcome>;

    /// Removes `key`; true if it was there and live.
    fn delete<'a>(&'a self, key: &[u8]) -> Reply<'a, bool>;

    /// The entry's remaining time.
    fn ttl<'a>(&'a self, key: &[u8]) -> Reply<'a, TtlState>;

    /// Gives a live entry a new deadline, or none for [`Ttl::Never`]; true if it was there.
    /// Zero deletes. [`Ttl::Default`] is the provider's own default.
    fn expire<'a>(&'a self, key: &[u8], ttl: Ttl) -> Reply<'a, bool>;

    /// The next page of live keys that begin with `prefix`: the first one for no cursor.
    ///
    /// A page may be empty though others follow. A key that is there throughout is met at least
    /// once over all pages (exactly once where [`Capabilities::exact_listing`] says so), one that
    /// is absent throughout never.
    fn scan<'a>(&'a self, prefix: &[u8], cursor: Option<&Cursor>) -> Reply<'a, Page>;

    /// Removes every entry whose key begins with `prefix` and that was set before the call. A set
    /// that begins after this has answered survives. Holds up no other caller for long.
    fn clear<'a>(&'a self, prefix: &[u8]) -> Reply<'a, ()>;

    /// What the provider counted, lookups as they were recorded. See [`Stats`] for the meanings.
    fn stats(&self) -> Reply<'_, Stats>;

    /// Adds to the counters of hits, misses and undecodable values. [`LookupCounters`] does it.
    fn record_lookups(&self, lookups: Lookups);

    /// Ends background work and lets go of everything. Idempotent.
    fn close(&self) -> Reply<'_, ()>;

    /// What this provider can do beyond the required verbs. Must not change over its life.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// The sizes it takes; asked once by every contract.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// What [`Ttl::Default`] comes to where neither the call nor the contract says more: what a
    /// contract's `fresh_for` is judged against. [`Ttl::Default`], unless the provider tells. Must not
    /// change over its life.
    fn default_ttl(&self) -> Ttl {
        Ttl::Default
    }

    /// Whether `key` is there and live.
    fn exists<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        self.ttl(key).map(|state| state != TtlState::Missing)
    }

    /// Gets and deletes in one step: of several callers at most one has the entry. Counts a
    /// delete, and no lookup. Needs [`Capabilities::take`].
    fn take<'a>(&'a self, _key: &[u8], _buffer: Vec<u8>) -> Reply<'a, Read> {
        Reply::ready(Err(Error::unsupported("take")))
    }

    /// Adds to a counter (a bare decimal that fits an `i64`) and answers the sum, in one step. An
    /// absent one starts at 0 and gets `ttl`; one that is there keeps its deadline. Needs
    /// [`Capabilities::counters`].
    ///
    /// # Errors
    ///
    /// `InvalidValue` for a value that is no counter and for a sum that does not fit: nothing was
    /// changed.
    fn add<'a>(&'a self, _key: &[u8], _delta: i64, _ttl: Ttl) -> Reply<'a, i64> {
        Reply::ready(Err(Error::unsupported("add")))
    }

    /// Many gets, not atomic; the batch is reset to the number of keys and filled by index.
    fn get_multi<'a>(&'a self, keys: &[&[u8]], mut batch: ReadBatch) -> Reply<'a, ReadBatch> {
        batch.reset(keys.len());
        let replies = keys.iter().map(|key| self.get(key, Vec::new())).collect();
        fold(replies, batch, |batch, index, answer| match answer {
            Ok(Read { buffer, found: Some(found) }) => batch.hit(index, &buffer, found),
            Ok(_) => {}
            Err(error) => batch.fail(index, error),
        })
    }

    /// As [`get_multi`](Provider::get_multi), for a caller that wants the bytes alone: see
    /// [`get_value`](Provider::get_value).
    fn get_values<'a>(&'a self, keys: &[&[u8]], batch: ReadBatch) -> Reply<'a, ReadBatch> {
        self.get_multi(keys, batch)
    }

    /// As [`get_for_load`](Provider::get_for_load), of many keys.
    fn get_multi_for_load<'a>(
        &'a self,
        keys: &[&[u8]],
        batch: ReadBatch,
        parts: ReadParts,
    ) -> Reply<'a, ReadBatch> {
        match parts {
            ReadParts::Value => self.get_values(keys, batch),
            ReadParts::All => self.get_multi(keys, batch),
        }
    }

    /// Many sets with one deadline, not atomic: every entry is tried, the last of two equal keys
    /// wins. Answers what failed, by index.
    fn set_multi<'a>(&'a self, entries: &[(&[u8], &[u8])], ttl: Ttl) -> Reply<'a, Failures> {
        let set = |(key, value): &(&[u8], &[u8])| self.set(key, value, SetOptions::new(ttl));
        fold(entries.iter().map(set).collect(), Failures::new(), |failed, index, answer| {
            if let Err(error) = answer {
                failed.push((index, error));
            }
        })
    }

    /// Many deletes, not atomic: every key is tried.
    fn delete_multi<'a>(&'a self, keys: &[&[u8]]) -> Reply<'a, Deleted> {
        let replies = keys.iter().map(|key| self.delete(key)).collect();
        fold(replies, Deleted::default(), |deleted, index, answer| match answer {
            Ok(was_there) => deleted.count += u64::from(was_there),
            Err(error) => deleted.failed.push((index, error)),
        })
    }

    /// The native client underneath, for [`ProviderHandle::native`](crate::ProviderHandle::native).
    fn native(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }

    /// Calls `sink` for every change to keys that begin with `prefix`, from this process or another,
    /// until the subscription is dropped. A near cache in front of this provider needs it. `None`
    /// (and no [`Capabilities::invalidations`]) where the provider cannot push.
    fn invalidations(&self, _prefix: &[u8], _sink: InvalidationSink) -> Option<Subscription> {
        None
    }

    /// Takes the sink of a handle, to be told of changes that did not come through the handle's
    /// verbs, as far as this provider learns of any by itself: loads under way are then not stored
    /// over them. A handle calls it once, when it is made.
    fn tell_changes(&self, _sink: InvalidationSink) {}

    /// Keeps a value in memory that was loaded while the key's server could not be read, for as long as this
    /// provider was told to; true if it did. Judges the token in one step with the store.
    fn keep_loaded(&self, _key: &[u8], _value: &[u8], _loaded: &LoadedAround) -> bool {
        false
    }

    /// Whether each server answers. Waits for nothing and sends nothing.
    fn health(&self) -> Health {
        Health::default()
    }

    /// Calls `sink` for each change of a server's state until the subscription is dropped. `None` from a provider
    /// that has no servers, or does not watch them.
    fn tell_health(&self, _sink: HealthSink) -> Option<Subscription> {
        None
    }

    /// Whether calls about keys that begin with these prefixes would be served: servers, credentials and rights.
    /// Changes nothing. Tried until it succeeds or `patience` has passed, and once without it.
    ///
    /// # Errors
    ///
    /// What stood in the way the last time, and what to do about it.
    fn check_ready<'a>(&'a self, _prefixes: &[&[u8]], _patience: Option<Duration>) -> Reply<'a, ()> {
        self.stats().map(drop)
    }

    /// Runs `work` to its end on the provider's own thread, for work that no caller waits for. The work may
    /// be dropped when the provider is closed.
    ///
    /// # Errors
    ///
    /// The work itself, from a provider that has no thread.
    fn spawn(&self, work: BackgroundWork) -> Result<(), BackgroundWork> {
        Err(work)
    }
}

/// Folds the answers of a batch in input order; ready at once if all of them are.
fn fold<'a, A, T>(
    replies: Vec<Reply<'a, A>>,
    mut sum: T,
    mut add: impl FnMut(&mut T, usize, Result<A, Error>) + Send + 'a,
) -> Reply<'a, T>
where
    A: Send + 'a,
    T: Send + 'a,
{
    if replies.iter().all(Reply::is_ready) {
        for (index, reply) in replies.into_iter().enumerate() {
            add(&mut sum, index, reply.wait());
        }
        return Reply::ready(Ok(sum));
    }
    Reply::pending(async move {
        for (index, reply) in replies.into_iter().enumerate() {
            add(&mut sum, index, reply.await);
        }
        Ok(sum)
    })
}
