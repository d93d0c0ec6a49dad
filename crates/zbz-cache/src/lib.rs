//! Bring your own cache: typed code written once against a contract, served by a provider made by
//! name from options.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> zbz_cache::Result<()> {
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//! use zbz_cache::{Contract, options};
//!
//! #[derive(Serialize, Deserialize, Debug, PartialEq)]
//! struct User { id: u64, name: String }
//!
//! let provider = zbz_cache::new_provider("memory", options! { "max_size" => "64MiB" })?;
//! let users = Contract::<User>::new("users", provider)?.cache();
//!
//! let ann = User { id: 1, name: "Ann".into() };
//! users.set("1", &ann, Duration::from_secs(3600)).await?;
//! assert_eq!(users.get("1").await?, Some(ann));
//! # Ok(()) }
//! ```
//!
//! # The parts
//!
//! - [`new_provider`] makes a [`ProviderHandle`] by name from [`Options`]; [`register_provider`]
//!   adds your own [`Provider`] (`examples/own_provider.rs` is a complete one).
//! - [`Contract`] gives a namespace its type and its [`Codec`], and makes a [`Cache`] with the typed
//!   verbs, async; [`BlockingCache`] has the same verbs without async.
//! - [`Cache::get_or_load`] is the verb for most callers: from the cache, or loaded once for all
//!   callers that ask; [`LoadOptions`] say how long entries are fresh and what happens when a load fails.
//! - [`Ttl`], [`TtlState`], [`Pattern`], [`Stats`], [`Error`] are the arguments and results of verbs.
//!
//! The [guide] goes through it one feature at a time.
//!
//! # What every provider promises
//!
//! A miss is `Ok(None)`; errors are for failures. A hit is exactly the value that was set for
//! exactly that key. Deadlines are exact: an entry is never returned at or after its deadline, and never
//! lost before it except by eviction. Batches are not atomic. No input causes a panic. The feature
//! `conformance` has the suite that checks all of this on any provider.
//!
//! # Features
//!
//! | feature | default | brings |
//! | --- | --- | --- |
//! | `memory` | yes | provider "memory", `MemoryCache`, `Clock` |
//! | `redis` | no | provider "redis" over Redis and Valkey, `redis::RedisConnection` |
//! | `tiered` | no | provider "tiered": memory in front of another provider, `tiered` |
//! | `json` | no | codec `Json` |
//! | `tokio` | no | refreshes run in the tokio runtime a contract is made in |
//! | `tracing` | yes | warnings, as events of the crate `tracing` |
//! | `anyhow` | yes | [`Error::load_source`] finds the error inside a loader's `anyhow::Error` |
//! | `conformance` | no | `conformance::check`, for tests of your own provider |

#![forbid(unsafe_code)]

/// Logs a warning that no caller's answer can carry; takes the arguments of `tracing::warn!`. Without the
/// feature `tracing` they are evaluated, and nothing is logged.
#[cfg(feature = "tracing")]
macro_rules! warn_log {
    ($($arguments:tt)+) => { tracing::warn!($($arguments)+) };
}
#[cfg(not(feature = "tracing"))]
macro_rules! warn_log {
    ($($name:ident = $value:expr,)* $message:literal) => {{ $(let _ = &$value;)* }};
}

mod blocking;
mod cache;
pub mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
mod error;
mod flight;
mod glob;
#[cfg(any(doc, doctest))]
pub mod guide;
mod handle;
mod key;
mod load;
mod options;
pub mod provider;
mod providers;
mod registry;
mod reply;
mod scratch;
mod stats;
mod ttl;

pub use blocking::BlockingCache;
pub use cache::{Cache, NamePage, Versioned};
pub use codec::{Codec, MessagePack};
pub use contract::{Contract, ContractSettings};
pub use error::{BatchOutcome, Error, ErrorKind, Result};
pub use glob::{MAX_PATTERN_BYTES, Pattern};
pub use handle::ProviderHandle;
pub use load::{
    LoadAnswer, LoadAnswers, LoadOptions, LoadOptionsBuilder, LoadOutcome, Loaded, LoadedEntry, OnFailure,
    Origin, Spawner,
};
pub use options::{ENV_PREFIX, OptionValue, Options};
pub use provider::{Cursor, Provider};
#[cfg(feature = "memory")]
pub use providers::memory;
#[cfg(feature = "redis")]
pub use providers::redis;
#[cfg(feature = "tiered")]
pub use providers::tiered;
pub use registry::{
    new_provider, new_provider_from_url, providers, register_provider, register_provider_with_options,
};
pub use reply::Reply;
pub use stats::{LoadStats, NearStats, Stats};
pub use ttl::{Lifetime, TTL_HORIZON, Ttl, TtlState};

/// The type of [`Contract::raw`] for bytes that are cheap to clone, from the crate `bytes`.
pub use bytes::Bytes;

#[cfg(feature = "memory")]
pub use zbz_cache_memory::{Clock, ManualClock, MemoryCache, WhenFull};

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
