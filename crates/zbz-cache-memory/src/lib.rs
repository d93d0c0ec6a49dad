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

mod budget;
mod cache;
mod clock;
mod config;
mod counters;
mod engine;
mod error;
mod found;
#[cfg_attr(not(test), expect(dead_code, reason = "a part of the engine that is being built"))]
mod geometry;
#[cfg_attr(not(test), expect(dead_code, reason = "a part of the engine that is being built"))]
mod hazard;
#[cfg_attr(not(test), expect(dead_code, reason = "a part of the engine that is being built"))]
mod index;
#[cfg_attr(not(test), expect(dead_code, reason = "a part of the engine that is being built"))]
mod item;
#[cfg(not(loom))]
#[cfg_attr(not(test), expect(dead_code, reason = "a part of the engine that is being built"))]
mod log;
mod maintenance;
mod options;
mod room;
mod scan;
#[cfg_attr(not(test), expect(dead_code, reason = "a part of the engine that is being built"))]
mod segment;
mod shard;
#[cfg_attr(not(test), expect(dead_code, reason = "a part of the engine that is being built"))]
mod slot;
mod stats;
mod store;
mod sync;
mod system;
mod ttl;
#[cfg_attr(not(test), expect(dead_code, reason = "a part of the engine that is being built"))]
mod words;

pub use cache::MemoryCache;
pub use clock::{Clock, ManualClock};
pub use config::{Builder, DEFAULT_MAX_SIZE, MIN_MAX_SIZE, WhenFull};
pub use counters::Lookups;
pub use error::{BatchError, Error};
pub use found::{Found, Version};
pub use maintenance::Maintenance;
pub use options::{Condition, SetOptions, SetOutcome, SetTtl};
pub use scan::{Cursor, Page};
pub use stats::Stats;
pub use ttl::{TTL_HORIZON, TtlState};
