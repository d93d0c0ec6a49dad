//! A concurrent in-process cache of byte keys and byte values, bounded in bytes, with exact
//! deadlines. Synchronous: no serde, no async.
//!
//! ```
//! use std::time::Duration;
//! use zbz_cache_memory::MemoryCache;
//!
//! let cache = MemoryCache::builder().max_size(16 * 1024 * 1024).build()?;
//! cache.set(b"user:1", b"Ann", Some(Duration::from_secs(3600)))?;
//! cache.set(b"user:2", b"Bob", None)?;
//! assert_eq!(cache.get(b"user:1")?.as_deref(), Some(&b"Ann"[..]));
//! assert_eq!(cache.get(b"user:3")?, None);
//! assert!(cache.delete(b"user:2")?);
//! println!("{}", cache.stats());
//! # Ok::<(), zbz_cache_memory::Error>(())
//! ```
//!
//! # Promises
//!
//! - **Values.** A hit brings exactly the bytes that were set for exactly that key, never a mix of
//!   two writes. Each key behaves as in a map under one lock, except that an entry may go by itself
//!   when room is needed; after a miss the key stays absent until it is set.
//! - **Deadlines.** An entry is never returned at or after its deadline, to the nanosecond of the
//!   [`Clock`], and never lost before it except to make room. The system's wall clock has no say.
//! - **Memory.** The bytes accounted for never exceed `max_size`. A full cache evicts, or refuses
//!   with [`Error::Full`], as it was [built](Builder::when_full).
//! - **Callers' code** runs under no lock of the cache, and its panic harms only that call. The one
//!   exception is [`Condition::If`], which says so.
//! - **Errors.** A miss is `Ok(None)`. No key, value, duration or size makes a call panic.
//!
//! # Reading order
//!
//! `cache` (the handle and its verbs), `config`, `options`, `found`, `ttl`, `clock`, `error`; then
//! the inside: `engine` (what the handles share), `store` (a write, step by step), `room`
//! (evicting, sweeping, resizing), `budget` (who may use which bytes), `shard` (entries and their
//! order), `scan`, `maintenance` (the background thread), `counters`, `stats`.

#![deny(unsafe_code)]

#[cfg(not(loom))]
mod append;
mod budget;
#[cfg(not(loom))]
mod cache;
mod clock;
#[cfg(not(loom))]
mod config;
mod counters;
#[cfg(not(loom))]
mod engine;
mod error;
#[cfg(not(loom))]
mod evict;
mod found;
mod geometry;
mod ghosts;
mod hazard;
mod index;
mod item;
#[cfg(not(loom))]
mod lanes;
mod large;
#[cfg(not(loom))]
mod log;
#[cfg(not(loom))]
mod lookup;
#[cfg(not(loom))]
mod maintenance;
mod options;
#[cfg(not(loom))]
mod resize;
#[cfg(not(loom))]
mod scan;
mod segment;
mod shape;
mod slot;
mod stats;
#[cfg(not(loom))]
mod store;
#[cfg(not(loom))]
mod sweep;
mod sync;
mod system;
mod threads;
mod tide;
mod ttl;
#[cfg(not(loom))]
mod update;
mod words;

#[cfg(not(loom))]
pub use cache::MemoryCache;
pub use clock::{Clock, ManualClock};
#[cfg(not(loom))]
pub use config::{Builder, DEFAULT_MAX_SIZE, MIN_MAX_SIZE, WhenFull};
pub use counters::Lookups;
pub use error::{BatchError, Error};
pub use found::{Found, Version};
#[cfg(not(loom))]
pub use maintenance::Maintenance;
pub use options::{Condition, SetOptions, SetOutcome, SetTtl};
#[cfg(not(loom))]
pub use scan::{Cursor, Page};
pub use stats::Stats;
pub use ttl::{TTL_HORIZON, TtlState};
