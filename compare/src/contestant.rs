//! What a cache or map must offer to race, and the card that introduces it.
//!
//! [`Contestant`] is generic and inlined into the timed loops: no virtual call stands between the harness and a rival.
//! The harness holds contestants through the object-safe [`Racer`](crate::racer::Racer), whose calls are whole laps.

use crate::data::Key;
use crate::racer::Racer;
use std::time::Duration;

/// One cache or map under test, reached the way its own API offers.
pub trait Contestant: Send + Sync + 'static {
    /// What one thread keeps between gets; a contestant that needs nothing uses `()`.
    type Scratch: Default;

    /// Shows the value of `key` to `see` while the contestant's reference, handle or copy is held.
    fn get<R>(&self, scratch: &mut Self::Scratch, key: &[u8], see: impl FnOnce(&[u8]) -> R) -> Option<R>;

    /// Shows the values of those of `keys` that are present, each with its place in `keys`.
    ///
    /// Contestants without a batch verb keep this loop.
    fn get_batch(&self, scratch: &mut Self::Scratch, keys: &[Key], mut see: impl FnMut(usize, &[u8])) {
        for (place, key) in keys.iter().enumerate() {
            self.get(scratch, key, |value| see(place, value));
        }
    }

    /// Stores `value` under `key`; false when the contestant returned an error.
    fn set(&self, key: &[u8], value: &[u8]) -> bool;

    /// Stores many values; answers how many of them the contestant returned an error for.
    ///
    /// Contestants without a batch verb keep this loop.
    fn set_batch(&self, entries: &[(Key, &[u8])]) -> u64 {
        entries.iter().map(|(key, value)| u64::from(!self.set(key, value))).sum()
    }
}

/// A contestant whose `get` answers something that shows the value, and whose `insert` takes key and value.
macro_rules! contestant {
    ($name:ident($inner:ty), |$found:ident| $value:expr) => {
        struct $name($inner);

        impl crate::contestant::Contestant for $name {
            type Scratch = ();

            #[inline]
            fn get<R>(&self, (): &mut (), key: &[u8], see: impl FnOnce(&[u8]) -> R) -> Option<R> {
                self.0.get(key).map(|$found| see($value))
            }

            #[inline]
            fn set(&self, key: &[u8], value: &[u8]) -> bool {
                self.0.insert(key.into(), value.into());
                true
            }
        }
    };
}
pub(crate) use contestant;

/// What a contestant is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Keeps everything it is given.
    Map,
    /// Keeps a limit by evicting.
    Cache,
    /// This project's engine: a cache, and what the others are compared with.
    Ours,
}

/// In which unit a contestant's limit is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// It keeps none.
    None,
    /// A number of entries.
    Entries,
    /// A number of bytes.
    Bytes,
}

/// How many entries a contestant is asked to hold, in its own unit.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Entries or bytes, as the card's [`Limit`] says; ignored by maps.
    pub limit: u64,
    /// Key and value bytes of one entry.
    pub entry_bytes: u64,
    /// How long every entry is to live; for ever, if absent. Ignored by contestants whose card tells no way.
    pub ttl: Option<Duration>,
}

/// Builds a contestant, or says why it could not.
pub type Build = fn(Capacity) -> Result<Box<dyn Racer>, String>;

/// All that is known about a contestant before it is built.
pub struct Card {
    /// The name in tables and in `--only`.
    pub name: &'static str,
    /// Its package, to look the version up in the lock file; none for the standard library.
    pub package: Option<&'static str>,
    /// What it is.
    pub kind: Kind,
    /// In which unit it is limited.
    pub limit: Limit,
    /// Whether it races for speed, or is a variant that only plays the hit ratio tables.
    pub races: bool,
    /// What a get hands out.
    pub hands_out: &'static str,
    /// What is stored for a key and a value.
    pub stores: &'static str,
    /// How it was set up.
    pub setup: &'static str,
    /// Its verb for reading many keys, if it has one.
    pub batch: Option<&'static str>,
    /// Its verb for writing many, if it has one.
    pub batch_set: Option<&'static str>,
    /// How entries are given a time to live, if they can be.
    pub ttl: Option<&'static str>,
    /// Bytes a byte-limited contestant is first given per entry beyond the payload.
    pub guess_bytes: u64,
    /// Builds it.
    pub build: Build,
}

impl Card {
    /// What most cards say, for the others to be read by what they say differently: a cache limited in entries whose get
    /// hands out a counted handle.
    pub const CACHE: Self = Self {
        name: "",
        package: None,
        kind: Kind::Cache,
        limit: Limit::Entries,
        races: true,
        hands_out: "counted handle",
        stores: "`Box<[u8]>`, `Arc<[u8]>`",
        setup: "",
        batch: None,
        batch_set: None,
        ttl: None,
        guess_bytes: 0,
        build: |_| Err("it has no card of its own".to_string()),
    };

    /// The same for maps, which keep everything.
    pub const MAP: Self =
        Self { kind: Kind::Map, limit: Limit::None, stores: "`Box<[u8]>`, `Box<[u8]>`", ..Self::CACHE };

    /// The capacity with which this contestant should hold `entries` entries of `entry_bytes` payload each.
    ///
    /// For contestants limited in bytes it is a first guess.
    pub fn capacity_for(&self, entries: u64, entry_bytes: u64) -> Capacity {
        let limit = match self.limit {
            Limit::None | Limit::Entries => entries,
            Limit::Bytes => entries * (entry_bytes + self.guess_bytes),
        };
        Capacity { limit, entry_bytes, ttl: None }
    }

    /// Whether it evicts, so that it can be raced when full.
    pub fn evicts(&self) -> bool {
        self.limit != Limit::None
    }
}
