//! The conformance suite: the behaviour of every provider, checked by each provider's own tests.
//!
//! [`check`] takes a [`Harness`], which makes providers and moves the time, and runs every case on it.
//! A provider declares its optional verbs by its [`capabilities`](crate::Provider::capabilities). If one
//! is not declared, its case checks that the verb returns `Unsupported` and changes nothing.
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
mod fixture;
mod fresh;
mod full;
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

use fixture::{Case, Fixture};

/// The kind of provider that a case needs. It must be new and empty each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setup {
    /// A provider with room for 64 MiB, which evicts nothing below that.
    Default,
    /// A provider that evicts to stay within a limit.
    Evicting {
        /// The limit in bytes, keys and values included.
        max_bytes: u64,
    },
    /// A provider that refuses with `Full` what exceeds a limit.
    Rejecting {
        /// The limit in bytes, keys and values included.
        max_bytes: u64,
    },
}

/// Makes the providers to be checked, and moves their time.
pub struct Harness {
    factory: Box<dyn Fn(Setup) -> Option<ProviderHandle>>,
    advance: Option<Box<dyn Fn(Duration)>>,
}

impl Harness {
    /// Uses providers made by `factory`, in real time: the suite sleeps for a few seconds in all.
    ///
    /// The factory returns `None` for a setup that the provider does not have; the cases that need it
    /// are skipped. It must make [`Setup::Default`]. Each case uses a namespace of its own, so the providers
    /// may share a server with other users.
    pub fn new(factory: impl Fn(Setup) -> Option<ProviderHandle> + 'static) -> Self {
        Harness { factory: Box::new(factory), advance: None }
    }

    /// Uses a clock that stands still until `advance` moves it: nothing sleeps, and deadlines are checked
    /// to the nanosecond.
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

const ALL_CASES: &[&[Case]] = &[
    values::CASES,
    keys::CASES,
    ttl::CASES,
    deadline::CASES,
    batch::CASES,
    listing::CASES,
    clear::CASES,
    full::CASES,
    counting::CASES,
    codec::CASES,
    user_code::CASES,
    conditions::CASES,
    versions::CASES,
    atomic::CASES,
    swaps::CASES,
    loading::CASES,
    loaded::CASES,
    guard::CASES,
    fresh::CASES,
    invalidations::CASES,
    close::CASES,
];

/// Runs every case, prints one line for each, and fails at the end if any failed.
///
/// # Panics
///
/// If a case failed; the message lists all that did.
pub fn check(harness: &Harness) {
    let mut failed = Vec::new();
    for (index, case) in ALL_CASES.iter().copied().flatten().enumerate() {
        let fixture = Fixture::new(harness, index);
        let ended = catch_unwind(AssertUnwindSafe(|| (case.run)(&fixture)));
        match ended {
            Ok(Ok(())) => println!("passed          {}", case.name),
            Ok(Err(reason)) => println!("not applicable  {} ({reason})", case.name),
            Err(panic) => {
                let line = format!("{}: {}", case.name, words_of(&*panic));
                println!("FAILED          {line}");
                failed.push(line);
            }
        }
    }
    assert!(failed.is_empty(), "{} cases failed:\n{}", failed.len(), failed.join("\n"));
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}
