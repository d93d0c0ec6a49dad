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
//!     bucket      | version, lock      |   | item | item | dead | item | |   open, sealed,
//!     (two lines) | tag hits location -+-->|      ^ header, key, value   |   draining, limbo
//!                 | ...                |   +-----------------------------+
//!                 +--------------------+
//!   get   scan a cache line for the tag, protect the segment, look again, read in place
//!   set   append the item, lock the bucket, swap the slot
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
//!   [`Clock`], and never lost before it except to make room. The system's clock is read in units of
//!   64 ns when a deadline is set, less than it takes to ask it. The wall clock has no say.
//! - **Memory.** Keys, values, index and tables never take more than `max_size`, counted before they
//!   are touched. A full cache evicts, or refuses with [`Error::Full`], as it was
//!   [built](Builder::when_full).
//! - **Waiting.** A read takes no lock, unless what it reads changes faster than it can be read, or
//!   it is its thread's first. A write waits for a bucket's lock, held for a few stores, and in a full cache
//!   does a bounded part of an eviction. Only a shrinking [`resize`](MemoryCache::resize) waits for
//!   readers.
//! - **Callers' code** runs under no lock of the cache, and its panic harms only that call. The one
//!   exception is [`Condition::If`], which says so.
//! - **Errors.** A miss is `Ok(None)`. No key, value, duration or size makes a call panic.
//!
//! # Reading order
//!
//! A folder is a layer, and imports point downward only. `docs/engine.md` follows a set, an eviction and a
//! sweep from file to file.
//!
//! 1. `api`: what users call. `engine`: how the parts are put together.
//! 2. `verbs`: one verb a file; `verbs/get` is the whole of a get above the index and the log.
//! 3. `space`: room. `space/room` reserves and never evicts; `space/evictors` and `space/walk` free;
//!    `space` has the loop above both. `space/full` decides what a full cache does.
//! 4. `entries`: index, log and counters together; an entry is found under its lock, replaced and removed
//!    there alone.
//! 5. `log` (segments and items), `index` (buckets and slots), `policy` (the choices).
//! 6. `base`: memory as atomic words, the system, hazard pointers, threads, counters, the clock.
//!
//! Unsafe code is in `log/memory`, `base/words` and `base/system` alone.

#![deny(unsafe_code)]

#[cfg(not(target_has_atomic = "64"))]
compile_error!("zbz-cache-memory needs 64-bit atomics, which this target has not");

#[cfg(not(loom))]
mod api;
mod base;
#[cfg(not(loom))]
mod engine;
#[cfg(not(loom))]
mod entries;
mod index;
mod log;
mod policy;
#[cfg(not(loom))]
mod space;
#[cfg(all(test, not(loom)))]
mod tests;
#[cfg(not(loom))]
mod verbs;

#[cfg(not(loom))]
pub use api::builder::Builder;
#[cfg(not(loom))]
pub use api::cache::MemoryCache;
#[cfg(not(loom))]
pub use api::maintenance::Maintenance;
pub use base::clock::{Clock, ManualClock};
pub use base::counters::Lookups;
pub use base::error::{BatchError, Error};
pub use base::ttl::{TTL_HORIZON, TtlState};
#[cfg(not(loom))]
pub use entries::found::{Found, Version};
#[cfg(not(loom))]
pub use space::full::WhenFull;
#[cfg(not(loom))]
pub use space::layout::{DEFAULT_MAX_SIZE, MIN_MAX_SIZE};
#[cfg(not(loom))]
pub use verbs::list::{Cursor, Page};
#[cfg(not(loom))]
pub use verbs::options::{Condition, SetOptions, SetOutcome, SetTtl};
#[cfg(not(loom))]
pub use verbs::report::MemoryReport;
#[cfg(not(loom))]
pub use verbs::stats::Stats;
