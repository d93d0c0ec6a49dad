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
//! # The engine
//!
//! ```text
//!   key --hash--> index                    log: segments of one size
//!                 +--------------------+   +-----------------------------+
//!     bucket      | version, bit       |   | item | item | dead | item | |   open, sealed,
//!     (two lines) | tag hits location -+-->|      ^ header, key, value   |   draining, limbo
//!                 | ...                |   +-----------------------------+
//!                 +--------------------+
//!   get   scan a line for the tag, announce the segment, look again, read in place
//!   set   append the item, hold the bucket's bit, swap the slot
//!
//!   new --> small queue --hit--> main queue --hit--> main again       queues of sealed segments,
//!               +-- not hit: a ghost +-- not hit: a ghost             walked from the oldest on
//! ```
//!
//! `docs/engine.md` in the repository draws the bits, argues that the protocols are right, and has a
//! table of every atomic and every lock.
//!
//! # Promises
//!
//! - **Values.** A hit brings exactly the bytes that were set for exactly that key, never a mix of
//!   two writes. Each key behaves as in a map under one lock, except that an entry may go by itself
//!   when room is needed; after a miss the key stays absent until it is set.
//! - **Deadlines.** An entry is never returned at or after its deadline, to the nanosecond of the
//!   [`Clock`], and never lost before it except to make room. The system's clock is told in units of
//!   64 ns when a deadline is set, less than it takes to ask it. The wall clock has no say.
//! - **Memory.** Keys, values, index and tables never take more than `max_size`, counted before they
//!   are touched. A full cache evicts, or refuses with [`Error::Full`], as it was
//!   [built](Builder::when_full).
//! - **Waiting.** A read takes no lock, unless what it reads changes faster than it can be read, or
//!   it is its thread's first. A write waits for a bucket's bit, a few stores, and in a full cache
//!   does a bounded part of an eviction. Only a shrinking [`resize`](MemoryCache::resize) waits for
//!   readers.
//! - **Callers' code** runs under no lock of the cache, and its panic harms only that call. The one
//!   exception is [`Condition::If`], which says so.
//! - **Errors.** A miss is `Ok(None)`. No key, value, duration or size makes a call panic.
//!
//! # Reading order
//!
//! 1. The face: `cache` (the handle; `cache/read`, `write`, `deadline`), `config`, `options`,
//!    `found`, `ttl`, `clock`, `stats`, `error`.
//! 2. What the handles share: `engine`, and `shape` (how large its parts are).
//! 3. A get: `lookup`. On its way: `slot`, `geometry`, `index` (then `index/find`, `bucket`,
//!    `overflow`, `step`, `visit`), `item`, `due`, `log`, `hazard`, `scratch`.
//! 4. A set: `store`, `append` (then `append/obtain`), `entry`. On its way: `segment`, `lanes` (then
//!    `lanes/lists`, `pick`, `supply`), `large` (entries that are cut), `budget`; then `update`
//!    (writes that depend on what is there).
//! 5. Making room: `evict`, `tide` (the policy), `ghosts`.
//! 6. The rest: `sweep`, `scan`, `resize`, `maintenance` (the background thread), `counters`,
//!    `threads`.
//! 7. The ground: `words`, `system`, `sync`. Unsafe code is in `log`, `words` and `system` alone.

#![deny(unsafe_code)]

#[cfg(not(target_has_atomic = "64"))]
compile_error!("zbz-cache-memory needs 64-bit atomics, which this target has not");

#[cfg(not(loom))]
mod append;
mod budget;
#[cfg(not(loom))]
mod cache;
mod clock;
#[cfg(not(loom))]
mod config;
mod counters;
mod due;
#[cfg(not(loom))]
mod engine;
#[cfg(not(loom))]
mod entry;
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
mod largest;
#[cfg(not(loom))]
mod log;
#[cfg(not(loom))]
mod lookup;
#[cfg(not(loom))]
mod maintenance;
mod options;
#[cfg(not(loom))]
mod report;
#[cfg(not(loom))]
mod resize;
#[cfg(not(loom))]
mod scan;
#[cfg(not(loom))]
mod scratch;
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
#[cfg(all(test, not(loom)))]
mod tests;
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
pub use report::MemoryReport;
#[cfg(not(loom))]
pub use scan::{Cursor, Page};
pub use stats::Stats;
pub use ttl::{TTL_HORIZON, TtlState};
