//! Provider "memory": the contract over [`MemoryCache`], in this process.
//!
//! | option | values | default |
//! | --- | --- | --- |
//! | `max_size` | bytes, `"100MB"`, `"64MiB"`, `"25%"`; at least 64 KiB | 104,857,600 |
//! | `cleanup_interval` | a duration; zero: no background thread | 1 minute |
//! | `when_full` | `"evict"`, `"reject"` | `"evict"` |
//! | `default_ttl` | a duration of more than zero, `"never"` | never |
//! | `max_key_size` | bytes | 1 KiB |

use std::any::Any;
use std::time::Duration;

use zbz_cache_memory as engine;
use zbz_cache_memory::{MemoryCache, WhenFull};

use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::options::built_in::MEMORY;
use crate::provider::{
    Capabilities, Condition, Cursor, Deleted, Failures, Found, Limits, Lookups, Page, Provider, Read,
    ReadBatch, SetOptions, SetOutcome, Version,
};
use crate::reply::Reply;
use crate::stats::Stats;
use crate::ttl::{Lifetime, TTL_HORIZON, Ttl, TtlState};

/// The name it is registered under.
pub(crate) const NAME: &str = MEMORY.names[0];

const WHEN_FULL: [(&str, WhenFull); 2] = [("evict", WhenFull::Evict), ("reject", WhenFull::Reject)];

const _: () = assert!(TTL_HORIZON.as_nanos() == engine::TTL_HORIZON.as_nanos());

/// How many keys a page of a listing holds, about.
const PAGE_KEYS: usize = 1024;

/// [`MemoryCache`] as a provider: every reply is ready.
///
/// Made by name from options; or from a cache built by hand, as tests with a hand-moved clock do:
///
/// ```
/// use std::time::Duration;
/// use zbz_cache::{Clock, Contract, MemoryCache, ProviderHandle, memory::MemoryProvider};
///
/// let (clock, hand) = Clock::manual();
/// let provider = MemoryProvider::new(MemoryCache::builder().clock(clock).build().unwrap());
/// let names = Contract::<String>::new("names", ProviderHandle::new(provider))?.cache().blocking();
/// names.set("1", &"Ann".to_owned(), Duration::from_secs(60))?;
/// hand.advance(Duration::from_secs(60));
/// assert_eq!(names.get("1")?, None);
/// # Ok::<(), zbz_cache::Error>(())
/// ```
#[derive(Debug)]
pub struct MemoryProvider {
    cache: MemoryCache,
    default_ttl: Ttl,
    limits: Limits,
}

impl MemoryProvider {
    /// A provider over this cache, with no default deadline and keys of at most 1 KiB.
    #[must_use]
    pub fn new(cache: MemoryCache) -> Self {
        let stored = cache.max_key_bytes();
        let limits = Limits::default().with_max_stored_key_bytes(stored);
        MemoryProvider { cache, default_ttl: Ttl::Never, limits }
    }

    /// The TTL that [`Ttl::Default`] falls back to. A TTL of zero, with which such values are never stored, is
    /// logged as a warning; in options it is refused.
    #[must_use]
    pub fn with_default_ttl(self, ttl: impl Into<Ttl>) -> Self {
        let default_ttl = ttl.into();
        default_ttl.warn_if_gone(NAME);
        MemoryProvider { default_ttl, ..self }
    }

    fn lifetime(&self, ttl: Ttl) -> Option<Duration> {
        match ttl.or(self.default_ttl).lifetime() {
            Lifetime::Gone => Some(Duration::ZERO),
            Lifetime::Never => None,
            Lifetime::For(span) => Some(span),
        }
    }
}

pub(crate) fn from_options(options: &Options) -> Result<MemoryProvider> {
    let mut builder = MemoryCache::builder();
    if let Some(bytes) = options.bytes("max_size")? {
        builder = builder.max_size(bytes);
    }
    if let Some(interval) = options.duration("cleanup_interval")? {
        builder = builder.cleanup_interval(interval);
    }
    if let Some(index) = options.word("when_full", &WHEN_FULL.map(|(word, _)| word))? {
        builder = builder.when_full(WHEN_FULL[index].1);
    }
    let default_ttl = options.ttl("default_ttl")?.unwrap_or(Ttl::Never);
    let max_key_bytes = options.bytes("max_key_size")?;
    let cache = builder.build().map_err(|error| refused(options, "", error))?;
    let mut provider = MemoryProvider::new(cache).with_default_ttl(default_ttl);
    if let Some(bytes) = max_key_bytes {
        let most = provider.limits.max_stored_key_bytes;
        let fits =
            usize::try_from(bytes).ok().filter(|bytes| (1..=most).contains(bytes)).ok_or_else(|| {
                let takes = format!("1 to {most} bytes (32 KiB, and an eighth of max_size)");
                options.wrong("max_key_size", &takes)
            })?;
        provider.limits = provider.limits.with_max_key_bytes(fits);
    }
    Ok(provider)
}

/// The error of options that the engine refuses; their names begin with `prefix` here.
pub(super) fn refused(options: &Options, prefix: &str, error: engine::Error) -> Error {
    match &error {
        // The value may be computed from a part of a URL.
        engine::Error::Config { option, takes, .. } if options.is_concealed() => {
            options.wrong(&format!("{prefix}{option}"), takes)
        }
        engine::Error::Config { option, got, takes } => {
            let words = format!("option \"{prefix}{option}\": got {got}, takes {takes}");
            Error::config(words).with_source(error)
        }
        _ => Error::from(error),
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        let kind = match &error {
            engine::Error::Config { .. } => ErrorKind::Config,
            engine::Error::KeyEmpty | engine::Error::KeyTooLong { .. } => ErrorKind::InvalidKey,
            engine::Error::TooLarge { .. } => ErrorKind::TooLarge,
            engine::Error::Full => ErrorKind::Full,
            engine::Error::NotANumber | engine::Error::Overflow => ErrorKind::InvalidValue,
            engine::Error::Closed => return Error::closed(),
            _ => ErrorKind::Unavailable,
        };
        Error::new(kind, error.to_string()).with_source(error)
    }
}

fn ready<'a, T>(answer: Result<T, engine::Error>) -> Reply<'a, T> {
    Reply::ready(answer.map_err(Error::from))
}

fn found(found: engine::Found) -> Found {
    Found::new(found.remaining(), Some(Version::from_u128(found.version().as_u128())))
}

fn read(buffer: Vec<u8>, answer: Option<engine::Found>) -> Read {
    Read { buffer, found: answer.map(found) }
}

fn failures(failed: impl IntoIterator<Item = (usize, engine::Error)>) -> Failures {
    failed.into_iter().map(|(index, error)| (index, Error::from(error))).collect()
}

/// As the engine counts them.
pub(super) fn to_engine(lookups: Lookups) -> engine::Lookups {
    let Lookups { hits, misses, known_absences, undecodable } = lookups;
    engine::Lookups { hits, misses, absences: known_absences, undecodable }
}

impl Provider for MemoryProvider {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { always_available: true, ..Capabilities::in_process() }
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn default_ttl(&self) -> Ttl {
        self.default_ttl
    }

    fn get<'a>(&'a self, key: &[u8], mut buffer: Vec<u8>) -> Reply<'a, Read> {
        let answer = self.cache.get_into_uncounted(key, &mut buffer);
        ready(answer.map(|answer| read(buffer, answer)))
    }

    fn set<'a>(&'a self, key: &[u8], value: &[u8], options: SetOptions) -> Reply<'a, SetOutcome> {
        let valid;
        let condition = match &options.condition {
            Condition::Always => engine::Condition::Always,
            Condition::Absent => engine::Condition::Absent,
            Condition::Present => engine::Condition::Present,
            Condition::Version(version) => {
                engine::Condition::Version(engine::Version::from_u128(version.as_u128()))
            }
            Condition::Token(token) => {
                valid = || token.is_valid();
                engine::Condition::If(&valid)
            }
        };
        let mut set = engine::SetOptions::new(self.lifetime(options.ttl)).when(condition);
        if options.keep_deadline {
            set = set.keep_deadline();
        }
        ready(self.cache.set_opts(key, value, &set).map(|outcome| match outcome {
            engine::SetOutcome::ConditionFailed => SetOutcome::ConditionFailed,
            _ => SetOutcome::Stored,
        }))
    }

    fn delete<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        ready(self.cache.delete(key))
    }

    fn exists<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        ready(self.cache.exists(key))
    }

    fn ttl<'a>(&'a self, key: &[u8]) -> Reply<'a, TtlState> {
        ready(self.cache.ttl(key).map(|state| match state {
            engine::TtlState::Missing => TtlState::Missing,
            engine::TtlState::Never => TtlState::Never,
            engine::TtlState::Remaining(left) => TtlState::Remaining(left),
        }))
    }

    fn expire<'a>(&'a self, key: &[u8], ttl: Ttl) -> Reply<'a, bool> {
        ready(match self.lifetime(ttl) {
            None => self.cache.persist(key),
            Some(span) => self.cache.expire(key, span),
        })
    }

    fn take<'a>(&'a self, key: &[u8], mut buffer: Vec<u8>) -> Reply<'a, Read> {
        let answer = self.cache.take_into(key, &mut buffer);
        ready(answer.map(|answer| read(buffer, answer)))
    }

    fn add<'a>(&'a self, key: &[u8], delta: i64, ttl: Ttl) -> Reply<'a, i64> {
        ready(self.cache.add(key, delta, self.lifetime(ttl)))
    }

    fn get_multi<'a>(&'a self, keys: &[&[u8]], mut batch: ReadBatch) -> Reply<'a, ReadBatch> {
        batch.reset(keys.len());
        let visit = |index, value: &[u8], entry| batch.hit(index, value, found(entry));
        match self.cache.get_multi_uncounted(keys, visit) {
            Ok(()) => Reply::ready(Ok(batch)),
            Err(engine::Error::Closed) => Reply::ready(Err(Error::closed())),
            // The engine looks up all keys, or none if one is invalid.
            Err(_) => {
                let mut buffer = Vec::new();
                batch.reset(keys.len());
                for (index, key) in keys.iter().enumerate() {
                    match self.cache.get_into_uncounted(key, &mut buffer) {
                        Ok(Some(entry)) => batch.hit(index, &buffer, found(entry)),
                        Ok(None) => {}
                        Err(error) => batch.fail(index, error.into()),
                    }
                }
                Reply::ready(Ok(batch))
            }
        }
    }

    fn set_multi<'a>(&'a self, entries: &[(&[u8], &[u8])], ttl: Ttl) -> Reply<'a, Failures> {
        Reply::ready(match self.cache.set_multi(entries, self.lifetime(ttl)) {
            Ok(()) => Ok(Failures::new()),
            Err(error) if *error.error() == engine::Error::Closed => Err(Error::closed()),
            Err(error) => Ok(failures(error.into_failed())),
        })
    }

    fn delete_multi<'a>(&'a self, keys: &[&[u8]]) -> Reply<'a, Deleted> {
        let mut deleted = Deleted::default();
        match self.cache.delete_multi(keys) {
            Ok(count) => deleted.count = count,
            Err(engine::Error::Closed) => return Reply::ready(Err(Error::closed())),
            // The engine deletes all keys, or none if one is invalid.
            Err(_) => {
                for (index, key) in keys.iter().enumerate() {
                    match self.cache.delete(key) {
                        Ok(was_there) => deleted.count += u64::from(was_there),
                        Err(error) => deleted.failed.push((index, error.into())),
                    }
                }
            }
        }
        Reply::ready(Ok(deleted))
    }

    fn scan<'a>(&'a self, prefix: &[u8], cursor: Option<&Cursor>) -> Reply<'a, Page> {
        let start = match cursor.map(|cursor| cursor.as_bytes().try_into().map(u64::from_le_bytes)) {
            None => engine::Cursor::START,
            Some(Ok(place)) => engine::Cursor::from_u64(place),
            // Not a cursor of this provider: the listing ends. If it began again, a caller could repeat that
            // for ever.
            Some(Err(_)) => return Reply::ready(Ok(Page::default())),
        };
        ready(self.cache.scan(prefix, start, PAGE_KEYS, |_| true).map(|page| Page {
            keys: page.keys,
            next: page.next.map(|next| Cursor::from_bytes(next.as_u64().to_le_bytes().to_vec())),
        }))
    }

    fn clear<'a>(&'a self, prefix: &[u8]) -> Reply<'a, ()> {
        ready(if prefix.is_empty() { self.cache.clear() } else { self.cache.clear_prefix(prefix) }.map(drop))
    }

    fn stats(&self) -> Reply<'_, Stats> {
        if self.cache.is_closed() {
            return Reply::ready(Err(Error::closed()));
        }
        let counted = self.cache.stats();
        Reply::ready(Ok(Stats {
            hits: counted.hits,
            misses: counted.misses,
            known_absences: counted.absences,
            undecodable: counted.undecodable,
            sets: counted.sets,
            adds: counted.adds,
            replaced: Some(counted.replaced),
            deletes: counted.deletes,
            evictions: Some(counted.evictions),
            expirations: Some(counted.expirations),
            rejections: counted.rejections,
            keys: Some(counted.keys),
            memory_bytes: Some(counted.memory_bytes),
            payload_bytes: Some(counted.payload_bytes),
            max_bytes: Some(counted.max_bytes),
            uptime: counted.uptime,
            ..Stats::default()
        }))
    }

    fn record_lookups(&self, lookups: Lookups) {
        self.cache.record_lookups(to_engine(lookups));
    }

    fn close(&self) -> Reply<'_, ()> {
        self.cache.close();
        Reply::ready(Ok(()))
    }

    fn native(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(&self.cache)
    }
}
