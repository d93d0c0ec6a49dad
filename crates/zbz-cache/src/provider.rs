//! [`Provider`]: the trait of caches that serve the contract.
//!
//! It is small and object safe, with byte keys and byte values. Users never call it: they hold a
//! [`ProviderHandle`](crate::ProviderHandle) and a [`Cache`](crate::Cache), which do everything
//! that is the same for all providers (joining keys, codecs, patterns, default TTLs).
//!
//! Every method keeps these promises:
//!
//! - It may be called from any thread, many at once, on any executor or on none.
//! - Arguments are borrowed for the call only. A pending [`Reply`] owns what it needs.
//! - A pending reply may be dropped at any point. The verb is then done or not done, never half.
//! - It never panics on anything a caller can pass in.
//! - After [`close`](Provider::close) it returns [`ErrorKind::Closed`](crate::ErrorKind::Closed).
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

/// The byte verbs of a cache. The [module](self) has the promises that all of them keep.
///
/// The ten required methods make a complete provider. The others have defaults that work, or that return
/// [`Unsupported`](crate::ErrorKind::Unsupported) if only the provider itself could do it.
/// [`capabilities`](Provider::capabilities) must declare which verbs are supported.
pub trait Provider: Send + Sync + 'static {
    /// The name for errors and logs, usually the one it was registered under.
    fn name(&self) -> &str;

    /// Reads the entry of `key` into `buffer`, whose old contents are replaced and whose capacity is reused.
    /// Returns exactly the bytes that were set for exactly that key, with the remaining TTL and the version
    /// of the same moment.
    ///
    /// Counts neither a hit nor a miss: only the caller knows whether the bytes decode, and reports it by
    /// [`record_lookups`](Provider::record_lookups).
    fn get<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read>;

    /// As [`get`](Provider::get), for a caller that needs only the bytes: a provider may leave out the
    /// remaining TTL and the version (`None`) if they cost something.
    fn get_value<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        self.get(key, buffer)
    }

    /// As [`get`](Provider::get) or [`get_value`](Provider::get_value), for a load: the caller has a loader if
    /// the read fails. If the provider learns meanwhile that the key's server is down, it ends the read at
    /// once. A provider that serves possibly outdated copies during an outage does so only here and in
    /// `get_value`, and marks them ([`Found::is_degraded`]).
    fn get_for_load<'a>(&'a self, key: &[u8], buffer: Vec<u8>, parts: ReadParts) -> Reply<'a, Read> {
        match parts {
            ReadParts::Value => self.get_value(key, buffer),
            ReadParts::All => self.get(key, buffer),
        }
    }

    /// Stores `value` under `key` if the condition holds, in one step with checking it.
    ///
    /// # Errors
    ///
    /// `TooLarge` (more than the provider can ever hold): the old entry is gone. `Full`: nothing
    /// was changed. `Timeout`, `Unavailable`: the outcome is unknown. `Unsupported`: a condition
    /// that [`capabilities`](Provider::capabilities) does not claim.
    fn set<'a>(&'a self, key: &[u8], value: &[u8], options: SetOptions) -> Reply<'a, SetOutcome>;

    /// Removes `key`; true if it had a live entry.
    fn delete<'a>(&'a self, key: &[u8]) -> Reply<'a, bool>;

    /// The entry's remaining time.
    fn ttl<'a>(&'a self, key: &[u8]) -> Reply<'a, TtlState>;

    /// Gives a live entry a new deadline, or none for [`Ttl::Never`]; true if there was one.
    /// Zero deletes. [`Ttl::Default`] is the provider's own default.
    fn expire<'a>(&'a self, key: &[u8], ttl: Ttl) -> Reply<'a, bool>;

    /// The next page of live keys that begin with `prefix`; without a cursor the first one.
    ///
    /// A page may be empty although others follow. A key that exists throughout is listed at least once over
    /// all pages (exactly once with [`Capabilities::exact_listing`]); one that is absent throughout, never.
    fn scan<'a>(&'a self, prefix: &[u8], cursor: Option<&Cursor>) -> Reply<'a, Page>;

    /// Removes every entry whose key begins with `prefix` and that was set before the call. A set that begins
    /// after this returned survives. Other callers are not blocked for long.
    fn clear<'a>(&'a self, prefix: &[u8]) -> Reply<'a, ()>;

    /// The provider's counters, with lookups as they were recorded. See [`Stats`] for the meanings.
    fn stats(&self) -> Reply<'_, Stats>;

    /// Adds to the counters of hits, misses and undecodable values. [`LookupCounters`] does it.
    fn record_lookups(&self, lookups: Lookups);

    /// Ends background work and releases everything. Idempotent.
    fn close(&self) -> Reply<'_, ()>;

    /// The abilities of this provider beyond the required verbs. Must not change over its life.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// The sizes it accepts; every contract asks once.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// The meaning of [`Ttl::Default`] if neither the call nor the contract sets a TTL; a contract's
    /// `fresh_for` is validated against it. [`Ttl::Default`] if the provider does not declare one. Must not
    /// change over its life.
    fn default_ttl(&self) -> Ttl {
        Ttl::Default
    }

    /// Whether `key` has a live entry.
    fn exists<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        self.ttl(key).map(|state| state != TtlState::Missing)
    }

    /// Gets and deletes in one step: at most one of several callers gets the entry. Counts a
    /// delete, and no lookup. Needs [`Capabilities::take`].
    fn take<'a>(&'a self, _key: &[u8], _buffer: Vec<u8>) -> Reply<'a, Read> {
        Reply::ready(Err(Error::unsupported("take")))
    }

    /// Adds to a counter (a plain decimal number that fits an `i64`) and returns the sum, in one step. An
    /// absent counter starts at 0 and gets `ttl`; an existing one keeps its deadline. Needs
    /// [`Capabilities::counters`].
    ///
    /// # Errors
    ///
    /// `InvalidValue`: the value is not a counter, or the sum does not fit; nothing was changed.
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

    /// As [`get_multi`](Provider::get_multi), for a caller that needs only the bytes: see
    /// [`get_value`](Provider::get_value).
    fn get_values<'a>(&'a self, keys: &[&[u8]], batch: ReadBatch) -> Reply<'a, ReadBatch> {
        self.get_multi(keys, batch)
    }

    /// As [`get_for_load`](Provider::get_for_load), for many keys.
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

    /// Many sets with one deadline, not atomic: every entry is tried, and the last of two equal keys wins.
    /// Returns the failures, by index.
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

    /// Takes the sink of a handle. If this provider learns of changes that were not made by the handle's
    /// verbs, it reports them to the sink, and loads under way are not stored over them. A handle calls this
    /// once, when it is made.
    fn tell_changes(&self, _sink: InvalidationSink) {}

    /// Keeps a value in memory that was loaded while the key's server could not be read, for the time this
    /// provider is configured to; true if it did. Checks the token in one step with the store.
    fn keep_loaded(&self, _key: &[u8], _value: &[u8], _loaded: &LoadedAround) -> bool {
        false
    }

    /// Whether each server answers. Neither waits nor sends anything.
    fn health(&self) -> Health {
        Health::default()
    }

    /// Calls `sink` for each change of a server's state until the subscription is dropped. `None` from a
    /// provider that has no servers or does not watch them.
    fn tell_health(&self, _sink: HealthSink) -> Option<Subscription> {
        None
    }

    /// Whether calls about keys that begin with these prefixes would be served: servers, credentials and rights.
    /// Changes nothing. Tried until it succeeds or `patience` has passed, and once without it.
    ///
    /// # Errors
    ///
    /// The obstacle at the last try, and what to do about it.
    fn check_ready<'a>(&'a self, _prefixes: &[&[u8]], _patience: Option<Duration>) -> Reply<'a, ()> {
        self.stats().map(drop)
    }

    /// Runs `work` to its end on the provider's own thread, for work that no caller waits for. The work may
    /// be dropped when the provider is closed.
    ///
    /// # Errors
    ///
    /// Returns the work, if the provider has no thread.
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
