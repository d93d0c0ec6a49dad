//! Provider "tiered": memory in front of another provider, near before far, kept coherent by what the
//! far side pushes.
//!
//! | option | values | default |
//! | --- | --- | --- |
//! | `far` | a provider's name, or its URL | none: it must be given |
//! | `far.` and a name | that option of the far side | as there |
//! | `near.max_size` | bytes, `"100MB"`, `"64MiB"`, `"25%"` | 104,857,600 |
//! | `max_near_ttl` | a duration, to 24 hours | 1 minute |
//! | `coherence` | `"push"`, `"ttl"` | `"push"` |
//!
//! What holds, argued in `docs/coherence.md`:
//!
//! - **The far side is the truth.** Everything but a plain read goes there, and conditions, versions
//!   and deadlines are judged there.
//! - **Near serves only while it is told everything**: between proofs that its link works. At other
//!   times reads go through and nothing is kept.
//! - **No fill is older than a revocation** that was seen: pushed, or of an own write.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use zbz_cache_memory::MemoryCache;

use crate::error::{ErrorKind, Result};
use crate::handle::ProviderHandle;
use crate::options::Options;
use crate::options::built_in::TIERED;
use crate::provider::{
    Capabilities, Cursor, Deleted, Failures, InvalidationSink, Limits, Lookups, Page, Provider, Read,
    ReadBatch, SetOptions, SetOutcome, Subscription,
};
use crate::reply::Reply;
use crate::stats::{NearStats, Stats};
use crate::ttl::{Ttl, TtlState};

mod builder;
mod coherence;
mod copies;
mod feed;
mod reading;
mod settings;
mod writing;

pub use builder::Builder;
use copies::NearLookup;
use feed::{Feed, Near};
use reading::{MissingKey, Readings};
use settings::MakeProvider;
use writing::{OwnClear, OwnWrite, until_ended};

/// The name it is registered under.
pub(crate) const NAME: &str = TIERED.names[0];

/// Memory in front of another provider. Made by name from options; or from its parts:
///
/// ```
/// use std::time::Duration;
/// use zbz_cache::tiered::TieredProvider;
/// use zbz_cache::{Contract, MemoryCache, ProviderHandle, Ttl, new_provider, options};
///
/// let near = MemoryCache::builder().max_size(16 << 20).build().unwrap();
/// let far = new_provider("memory", options! {})?;           // which tells nothing, so time has to do
/// let tiered = TieredProvider::builder(near, far).max_near_ttl(Duration::from_secs(1)).ttl_only().build()?;
/// let names = Contract::<String>::new("names", ProviderHandle::new(tiered))?.cache().blocking();
/// names.set("1", &"Ann".to_owned(), Ttl::Never)?;
/// assert_eq!(names.get("1")?.as_deref(), Some("Ann"));
/// # Ok::<(), zbz_cache::Error>(())
/// ```
pub struct TieredProvider {
    near: Arc<Near>,
    feed: Feed,
    readings: Arc<Readings>,
    tiers: Tiers,
    /// Lookups that went to the far side. Guards nothing, so Relaxed suffices.
    read_through: AtomicU64,
}

/// Both sides of a tier, for tasks that it has no verb for: `native::<Tiers>()`.
///
/// A write to the far side through its own handle is pushed to the tier like any other write.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Tiers {
    /// The copies. Its values carry bytes of the tier's own at their ends.
    pub near: MemoryCache,
    /// The provider that has the truth.
    pub far: ProviderHandle,
}

/// Reads the options; `make` makes the far side.
pub(crate) fn from_options(options: &Options, make: MakeProvider) -> Result<TieredProvider> {
    settings::read(options, make)?.build()
}

impl TieredProvider {
    /// Begins building a tier of these two sides. The near one is the tier's alone, and one that
    /// evicts: it is told of no deadlines, so sweeping is of no use to it.
    pub fn builder(near: MemoryCache, far: ProviderHandle) -> Builder {
        Builder::new(near, far)
    }

    fn far(&self) -> &dyn Provider {
        &**self.tiers.far.provider()
    }

    /// A write of one key, which goes to the far side.
    fn write<'a, T: Send + 'a>(
        &'a self,
        key: &[u8],
        begin: impl FnOnce(&'a dyn Provider) -> Reply<'a, T>,
    ) -> Reply<'a, T> {
        let writing = OwnWrite::begin(&self.near, [key].into_iter());
        until_ended(writing, begin(self.far()))
    }

    /// Answers as the far side does. If that says that the key is gone, its copy is removed too, so that
    /// the caller does not read the copy afterwards.
    fn unless_gone<'a, T: Send + 'a>(
        &'a self,
        key: &[u8],
        look: Reply<'a, T>,
        is_there: fn(&T) -> bool,
    ) -> Reply<'a, T> {
        let key: Box<[u8]> = key.into();
        look.map(move |found| {
            if !is_there(&found) {
                self.near.copies.invalidate(&key);
            }
            found
        })
    }

    /// A read that is served near or joins the far reads. It goes to the far side in the same way
    /// whether or not what comes may be kept, so that a user needs the same rights for it.
    #[inline]
    fn read<'a>(&'a self, key: &[u8], mut buffer: Vec<u8>) -> Reply<'a, Read> {
        match self.near.copies.look(key, &mut buffer) {
            Ok(NearLookup::Hit(found)) => Reply::ready(Ok(Read { buffer, found: Some(found) })),
            Ok(NearLookup::Miss) => self.read_far(key, buffer),
            Err(error) => Reply::ready(Err(error)),
        }
    }

    #[cold]
    #[inline(never)]
    fn read_far<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        self.read_through.fetch_add(1, Ordering::Relaxed);
        let copies = &self.near.copies;
        let space = self.feed.space_of(key, &self.near, self.far());
        let is_live = space.is_some_and(|space| copies.coherence.is_space_live(space, copies.now()));
        if !is_live {
            return self.far().get(key, buffer);
        }
        let missed = vec![MissingKey { space, key: key.into() }];
        Reply::pending(async move {
            let brought = self.readings.read(&self.near, &self.tiers.far, missed).await;
            let entry = brought.into_iter().next().unwrap_or(Ok(None))?;
            let opened = entry.as_deref().and_then(|entry| copies.open(entry));
            Ok(match opened {
                Some((value, found)) => Read::hit(buffer, value, found),
                None => Read::miss(buffer),
            })
        })
    }

    fn read_multi<'a>(&'a self, keys: &[&[u8]], mut batch: ReadBatch) -> Reply<'a, ReadBatch> {
        batch.reset(keys.len());
        let looked = self.near.copies.look_multi(keys, |index, value, found| batch.hit(index, value, found));
        if let Err(error) = looked {
            return Reply::ready(Err(error));
        }
        // Each key once, and where it stands in the batch.
        let mut missed: Vec<MissingKey> = Vec::new();
        let mut seats: HashMap<&[u8], usize> = HashMap::new();
        let mut wanted: Vec<(usize, usize)> = Vec::new();
        for (index, &key) in keys.iter().enumerate().filter(|(index, _)| batch.get(*index).is_none()) {
            let seat = *seats.entry(key).or_insert_with(|| {
                let space = self.feed.space_of(key, &self.near, self.far());
                missed.push(MissingKey { space, key: key.into() });
                missed.len() - 1
            });
            wanted.push((index, seat));
        }
        if missed.is_empty() {
            return Reply::ready(Ok(batch));
        }
        self.read_through.fetch_add(wanted.len() as u64, Ordering::Relaxed);
        Reply::pending(async move {
            let brought = self.readings.read(&self.near, &self.tiers.far, missed).await;
            for (index, seat) in wanted {
                match &brought[seat] {
                    Ok(Some(entry)) => {
                        if let Some((value, found)) = self.near.copies.open(entry) {
                            batch.hit(index, value, found);
                        }
                    }
                    Ok(None) => {}
                    Err(error) if error.kind() == ErrorKind::Closed => return Err(error.clone()),
                    Err(error) => batch.fail(index, error.clone()),
                }
            }
            Ok(batch)
        })
    }
}

impl Provider for TieredProvider {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        let far = self.far().capabilities();
        // Where time alone ends a copy, it is served when its change was told long ago.
        Capabilities { invalidations: far.invalidations && self.feed.is_told(), ..far }
    }

    fn check_ready<'a>(&'a self, prefixes: &[&[u8]], patience: Option<Duration>) -> Reply<'a, ()> {
        self.far().check_ready(prefixes, patience)
    }

    fn limits(&self) -> Limits {
        self.far().limits()
    }

    fn default_ttl(&self) -> Ttl {
        self.far().default_ttl()
    }

    fn get<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        self.read(key, buffer)
    }

    fn get_value<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        self.read(key, buffer)
    }

    fn set<'a>(&'a self, key: &[u8], value: &[u8], options: SetOptions) -> Reply<'a, SetOutcome> {
        self.write(key, |far| far.set(key, value, options))
    }

    fn delete<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        self.write(key, |far| far.delete(key))
    }

    fn exists<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        let look = self.far().exists(key);
        self.unless_gone(key, look, |is_there| *is_there)
    }

    fn ttl<'a>(&'a self, key: &[u8]) -> Reply<'a, TtlState> {
        let look = self.far().ttl(key);
        self.unless_gone(key, look, |state| *state != TtlState::Missing)
    }

    fn expire<'a>(&'a self, key: &[u8], ttl: Ttl) -> Reply<'a, bool> {
        self.write(key, |far| far.expire(key, ttl))
    }

    fn take<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        self.write(key, |far| far.take(key, buffer))
    }

    fn add<'a>(&'a self, key: &[u8], delta: i64, ttl: Ttl) -> Reply<'a, i64> {
        self.write(key, |far| far.add(key, delta, ttl))
    }

    fn get_multi<'a>(&'a self, keys: &[&[u8]], batch: ReadBatch) -> Reply<'a, ReadBatch> {
        self.read_multi(keys, batch)
    }

    fn get_values<'a>(&'a self, keys: &[&[u8]], batch: ReadBatch) -> Reply<'a, ReadBatch> {
        self.read_multi(keys, batch)
    }

    fn set_multi<'a>(&'a self, entries: &[(&[u8], &[u8])], ttl: Ttl) -> Reply<'a, Failures> {
        let writing = OwnWrite::begin(&self.near, entries.iter().map(|(key, _)| *key));
        until_ended(writing, self.far().set_multi(entries, ttl))
    }

    fn delete_multi<'a>(&'a self, keys: &[&[u8]]) -> Reply<'a, Deleted> {
        let writing = OwnWrite::begin(&self.near, keys.iter().copied());
        until_ended(writing, self.far().delete_multi(keys))
    }

    fn scan<'a>(&'a self, prefix: &[u8], cursor: Option<&Cursor>) -> Reply<'a, Page> {
        self.far().scan(prefix, cursor)
    }

    fn clear<'a>(&'a self, prefix: &[u8]) -> Reply<'a, ()> {
        until_ended(OwnClear::begin(self, prefix), self.far().clear(prefix))
    }

    /// Of the far side, with this tier's lookups and what is near.
    fn stats(&self) -> Reply<'_, Stats> {
        let counted = self.tiers.near.stats();
        let near = NearStats {
            read_through: self.read_through.load(Ordering::Relaxed),
            invalidations: self.near.invalidations.load(Ordering::Relaxed),
            losses: self.near.losses.load(Ordering::Relaxed),
            keys: counted.keys,
            memory_bytes: counted.memory_bytes,
            max_bytes: counted.max_bytes,
        };
        self.far().stats().map(move |far| Stats {
            hits: counted.hits,
            misses: counted.misses,
            known_absences: counted.absences,
            undecodable: counted.undecodable,
            near: Some(near),
            ..far
        })
    }

    /// Counted near, where threads count apart.
    fn record_lookups(&self, lookups: Lookups) {
        self.tiers.near.record_lookups(super::memory::to_engine(lookups));
    }

    fn close(&self) -> Reply<'_, ()> {
        self.feed.close(&self.near);
        self.tiers.near.close();
        self.far().close()
    }

    fn native(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(&self.tiers)
    }

    /// The far side's own. A subscriber that is told of a change and then reads here finds no older
    /// copy: the near side applies each change first, whatever the order of the subscriptions.
    fn invalidations(&self, prefix: &[u8], sink: InvalidationSink) -> Option<Subscription> {
        if !self.feed.is_told() {
            return None;
        }
        let near = Arc::clone(&self.near);
        let told: InvalidationSink = Arc::new(move |invalidation| {
            near.revoke(invalidation);
            sink(invalidation);
        });
        self.far().invalidations(prefix, told)
    }

    fn tell_changes(&self, sink: InvalidationSink) {
        // One handle is told: the one that the provider was made for.
        let _ = self.near.loads.set(sink);
    }
}

impl fmt::Debug for TieredProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredProvider").field("tiers", &self.tiers).finish_non_exhaustive()
    }
}
