//! A whole provider of one's own: a map under a mutex, registered by name and used through a
//! contract like any other. Its tests (`tests/conformance.rs`) run the suite that all providers
//! pass.
//!
//! It does the required verbs and declares no more, so the ones that only some providers have
//! answer `Unsupported`. It has no limit: a real cache needs one.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use zbz_cache::provider::{
    Capabilities, Condition, Found, LookupCounters, Lookups, Page, Read, SetOptions, SetOutcome,
};
use zbz_cache::{
    Contract, Cursor, Error, Lifetime, Options, Provider, Reply, Result, Stats, Ttl, TtlState, options,
};

/// How many keys a page of a listing looks at.
const PAGE_KEYS: usize = 1000;

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    /// `None` for no deadline.
    deadline: Option<Instant>,
}

impl Entry {
    fn is_live(&self, now: Instant) -> bool {
        self.deadline.is_none_or(|deadline| now < deadline)
    }

    fn remaining(&self, now: Instant) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(now))
    }
}

#[derive(Debug, Default)]
struct Inside {
    map: BTreeMap<Vec<u8>, Entry>,
    /// Its sets and deletes; what this cache does not count stays `None`.
    counted: Stats,
    closed: bool,
}

impl Inside {
    /// The entry of a key that is live at this moment; a dead one is removed on the way.
    fn live(&mut self, key: &[u8], now: Instant) -> Option<&mut Entry> {
        if self.map.get(key).is_some_and(|entry| !entry.is_live(now)) {
            self.map.remove(key);
        }
        self.map.get_mut(key)
    }

    fn remove(&mut self, key: &[u8]) -> bool {
        let was_live = self.live(key, Instant::now()).is_some();
        self.map.remove(key);
        self.counted.deletes += u64::from(was_live);
        was_live
    }
}

/// A cache in a map.
#[derive(Debug)]
pub struct MapProvider {
    inside: Mutex<Inside>,
    lookups: LookupCounters,
    default_ttl: Ttl,
    made: Instant,
}

impl MapProvider {
    /// Makes one from options: `default_ttl`.
    pub fn from_options(options: &Options) -> Result<MapProvider> {
        options.refuse_unknown(&["default_ttl"])?;
        let default_ttl = options.ttl("default_ttl")?.unwrap_or(Ttl::Never);
        let (inside, lookups) = (Mutex::default(), LookupCounters::default());
        Ok(MapProvider { inside, lookups, default_ttl, made: Instant::now() })
    }

    fn lock(&self) -> Result<MutexGuard<'_, Inside>> {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.closed { Err(Error::closed()) } else { Ok(inside) }
    }

    /// Does a verb under the lock; its answer is ready at once.
    fn verb<'a, T>(&self, run: impl FnOnce(&mut Inside) -> Result<T>) -> Reply<'a, T> {
        Reply::ready(self.lock().and_then(|mut inside| run(&mut inside)))
    }

    /// What to do with a time to live: `None` is "absent afterwards".
    fn deadline(&self, ttl: Ttl) -> Option<Option<Instant>> {
        match ttl.or(self.default_ttl).lifetime() {
            Lifetime::Gone => None,
            Lifetime::Never => Some(None),
            // A clock that cannot count that far has no such deadline.
            Lifetime::For(span) => Some(Instant::now().checked_add(span)),
        }
    }
}

impl Provider for MapProvider {
    fn name(&self) -> &str {
        "map"
    }

    fn capabilities(&self) -> Capabilities {
        // Pages go in the order of the keys, so no key is met twice.
        let mut able = Capabilities::default();
        able.exact_listing = true;
        able
    }

    fn default_ttl(&self) -> Ttl {
        self.default_ttl
    }

    fn get<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        self.verb(|inside| {
            let now = Instant::now();
            Ok(match inside.live(key, now) {
                None => Read::miss(buffer),
                Some(entry) => {
                    let found = Found::new(entry.remaining(now), None);
                    Read::hit(buffer, &entry.value, found)
                }
            })
        })
    }

    fn set<'a>(&'a self, key: &[u8], value: &[u8], options: SetOptions) -> Reply<'a, SetOutcome> {
        if options.keep_deadline || !matches!(options.condition, Condition::Always) {
            return Reply::ready(Err(Error::unsupported("a set under a condition")));
        }
        self.verb(|inside| {
            inside.counted.sets += 1;
            match self.deadline(options.ttl) {
                Some(deadline) => {
                    inside.map.insert(key.into(), Entry { value: value.into(), deadline });
                }
                None => {
                    inside.map.remove(key);
                    inside.counted.deletes += 1;
                }
            }
            Ok(SetOutcome::Stored)
        })
    }

    fn delete<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        self.verb(|inside| Ok(inside.remove(key)))
    }

    fn ttl<'a>(&'a self, key: &[u8]) -> Reply<'a, TtlState> {
        self.verb(|inside| {
            let now = Instant::now();
            let state = |entry: &mut Entry| entry.remaining(now).map_or(TtlState::Never, TtlState::Remaining);
            Ok(inside.live(key, now).map_or(TtlState::Missing, state))
        })
    }

    fn expire<'a>(&'a self, key: &[u8], ttl: Ttl) -> Reply<'a, bool> {
        self.verb(|inside| match self.deadline(ttl) {
            None => Ok(inside.remove(key)),
            Some(deadline) => {
                let entry = inside.live(key, Instant::now());
                Ok(entry.map(|entry| entry.deadline = deadline).is_some())
            }
        })
    }

    fn scan<'a>(&'a self, prefix: &[u8], cursor: Option<&Cursor>) -> Reply<'a, Page> {
        // A cursor is the last key of the page before.
        let after = cursor.map(Cursor::as_bytes).filter(|key| *key >= prefix);
        self.verb(|inside| {
            let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
            let range = inside.map.range::<[u8], _>((from, Bound::Unbounded));
            let mut met = range.take_while(|(key, _)| key.starts_with(prefix)).peekable();
            let (mut page, mut last, now) = (Page::default(), None, Instant::now());
            for (key, entry) in met.by_ref().take(PAGE_KEYS) {
                last = Some(key.clone());
                page.keys.extend(entry.is_live(now).then(|| key.clone()));
            }
            page.next = last.filter(|_| met.peek().is_some()).map(Cursor::from_bytes);
            Ok(page)
        })
    }

    fn clear<'a>(&'a self, prefix: &[u8]) -> Reply<'a, ()> {
        self.verb(|inside| {
            let keys: Vec<_> = inside.map.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
            for key in keys {
                inside.remove(&key);
            }
            Ok(())
        })
    }

    fn stats(&self) -> Reply<'_, Stats> {
        self.verb(|inside| {
            let mut stats = inside.counted.clone();
            self.lookups.fill(&mut stats);
            stats.keys = Some(inside.map.len() as u64);
            stats.uptime = self.made.elapsed();
            Ok(stats)
        })
    }

    fn record_lookups(&self, lookups: Lookups) {
        self.lookups.record(lookups);
    }

    fn close(&self) -> Reply<'_, ()> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        *inside = Inside { closed: true, ..Inside::default() };
        Reply::ready(Ok(()))
    }
}

fn main() -> Result<()> {
    zbz_cache::register_provider("map", MapProvider::from_options)?;
    let provider = zbz_cache::new_provider("map", options! { "default_ttl" => "10m" })?;
    let visits = Contract::<u32>::new("visits", provider)?.cache().blocking();
    visits.set("home", &1, Ttl::Default)?;
    println!("{:?} visits, {:?}", visits.get("home")?, visits.ttl("home")?);
    println!("{}", visits.stats()?);
    Ok(())
}
