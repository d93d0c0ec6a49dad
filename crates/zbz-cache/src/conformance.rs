//! The behaviours every provider must show: one suite, run by every provider's own tests.
//!
//! [`check`] takes a [`Harness`], which says how to make a provider and how time passes, and runs
//! every row on it. What a provider can do beyond the required verbs is read from its
//! [`capabilities`](crate::Provider::capabilities): where an ability is not declared, its row
//! checks that the verb says `Unsupported` and changes nothing.
//!
//! ```
//! use zbz_cache::conformance::{Harness, Setup, check};
//! use zbz_cache::{new_provider, options};
//!
//! # fn a_test_of_my_provider() {
//! check(&Harness::new(|setup| match setup {
//!     Setup::Default => new_provider("memory", options! {}).ok(),
//!     _ => None,
//! }));
//! # }
//! ```

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::handle::ProviderHandle;

mod atomic;
mod batch;
mod clear;
mod close;
mod codec;
mod conditions;
mod counting;
mod deadline;
mod fresh;
mod full;
mod ground;
mod guard;
mod invalidations;
mod keys;
mod listing;
mod loaded;
mod loader;
mod loading;
mod swaps;
mod ttl;
mod user_code;
mod values;
mod versions;

use ground::{Ground, Row};

/// What kind of provider a row asks for. Each time it must be a new and empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setup {
    /// One with room for 64 MiB, which loses nothing for room meanwhile.
    Default,
    /// One that evicts to stay within so many bytes.
    Evicting {
        /// The limit in bytes, keys and values included.
        max_bytes: u64,
    },
    /// One that refuses with `Full` what does not fit into so many bytes.
    Rejecting {
        /// The limit in bytes, keys and values included.
        max_bytes: u64,
    },
}

/// How the suite gets at providers of one kind, and at time.
pub struct Harness {
    factory: Box<dyn Fn(Setup) -> Option<ProviderHandle>>,
    advance: Option<Box<dyn Fn(Duration)>>,
}

impl Harness {
    /// Providers made by `factory`, in real time: the suite sleeps, a few seconds in all.
    ///
    /// The factory answers `None` where a provider cannot be set up so; the rows that need it do
    /// not apply then. [`Setup::Default`] there must be. Rows use names of their own, so providers
    /// may share a server that others use as well.
    pub fn new(factory: impl Fn(Setup) -> Option<ProviderHandle> + 'static) -> Self {
        Harness { factory: Box::new(factory), advance: None }
    }

    /// The same providers on a clock that stands still until `advance` moves it: nothing sleeps,
    /// and deadlines are checked to the nanosecond.
    #[must_use]
    pub fn with_clock(self, advance: impl Fn(Duration) + 'static) -> Self {
        Harness { advance: Some(Box::new(advance)), ..self }
    }
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("has_clock", &self.advance.is_some()).finish_non_exhaustive()
    }
}

const CHAPTERS: &[&[Row]] = &[
    values::ROWS,
    keys::ROWS,
    ttl::ROWS,
    deadline::ROWS,
    batch::ROWS,
    listing::ROWS,
    clear::ROWS,
    full::ROWS,
    counting::ROWS,
    codec::ROWS,
    user_code::ROWS,
    conditions::ROWS,
    versions::ROWS,
    atomic::ROWS,
    swaps::ROWS,
    loading::ROWS,
    loaded::ROWS,
    guard::ROWS,
    fresh::ROWS,
    invalidations::ROWS,
    close::ROWS,
];

/// Runs every row, prints one line for each, and fails at the end if any failed.
///
/// # Panics
///
/// If a row failed; the message lists all that did.
pub fn check(harness: &Harness) {
    let mut failed = Vec::new();
    for (index, row) in CHAPTERS.iter().copied().flatten().enumerate() {
        let ground = Ground::new(harness, index);
        let ended = catch_unwind(AssertUnwindSafe(|| (row.run)(&ground)));
        match ended {
            Ok(Ok(())) => println!("passed          {}", row.name),
            Ok(Err(reason)) => println!("not applicable  {} ({reason})", row.name),
            Err(panic) => {
                let line = format!("{}: {}", row.name, words_of(&*panic));
                println!("FAILED          {line}");
                failed.push(line);
            }
        }
    }
    assert!(failed.is_empty(), "{} rows failed:\n{}", failed.len(), failed.join("\n"));
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}
