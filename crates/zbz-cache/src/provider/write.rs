//! The options of writes (a TTL and a condition), and their results.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::read::Version;
use crate::error::Error;
use crate::ttl::Ttl;

/// The condition of a set; checked in one step with the store.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Condition {
    /// Always.
    #[default]
    Always,
    /// Only if there is no live entry.
    Absent,
    /// Only if there is a live entry.
    Present,
    /// Only if the live entry still has this version.
    Version(Version),
    /// Only if this token was not revoked.
    Token(Token),
}

/// A right to store a value that was read or loaded elsewhere, until it is revoked.
///
/// Every change of a key first revokes the key's tokens and then writes. A provider with
/// [`Capabilities::tokens`](super::Capabilities::tokens) checks the token in one step with the store, so
/// an old value is never stored after a newer write.
#[derive(Debug, Clone, Default)]
pub struct Token {
    revoked: Arc<AtomicBool>,
}

impl Token {
    /// A token that is good until it is revoked.
    #[must_use]
    pub fn new() -> Self {
        Token::default()
    }

    /// Voids the token and every clone of it.
    pub fn revoke(&self) {
        // Pairs with the Acquire in `is_valid`: a thread that sees the token revoked sees
        // everything that the revoking thread did before.
        self.revoked.store(true, Ordering::Release);
    }

    /// Whether it is not revoked.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.revoked.load(Ordering::Acquire)
    }
}

/// A value that was loaded while the key's server could not be read; see
/// [`Provider::keep_loaded`](super::Provider::keep_loaded).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoadedAround {
    /// The right to store it.
    pub token: Token,
    /// When its loader began.
    pub began: Instant,
    /// How long it would have been stored for.
    pub ttl: Ttl,
}

impl LoadedAround {
    /// A value whose loader began at this moment.
    #[must_use]
    pub fn new(token: Token, began: Instant, ttl: Ttl) -> Self {
        LoadedAround { token, began, ttl }
    }
}

/// The options of a set.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SetOptions {
    /// The entry's time; [`Ttl::Default`] is the provider's own default.
    pub ttl: Ttl,
    /// Whether a live entry keeps its deadline, or stays without one; `ttl` is then for a new entry only.
    /// Needs [`Capabilities::keep_deadline`](super::Capabilities).
    pub keep_deadline: bool,
    /// When it takes effect.
    pub condition: Condition,
}

impl SetOptions {
    /// An unconditional set with this TTL.
    #[must_use]
    pub fn new(ttl: Ttl) -> Self {
        SetOptions { ttl, ..SetOptions::default() }
    }

    /// Makes the set conditional.
    #[must_use]
    pub fn when(self, condition: Condition) -> Self {
        SetOptions { condition, ..self }
    }

    /// Leaves the deadline of a live entry as it is.
    #[must_use]
    pub fn keep_deadline(self) -> Self {
        SetOptions { keep_deadline: true, ..self }
    }
}

/// The result of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a condition that did not hold leaves everything as it was"]
#[non_exhaustive]
pub enum SetOutcome {
    /// The value was stored (and may be evicted at any time).
    Stored,
    /// The condition did not hold; nothing was changed.
    ConditionFailed,
}

/// The failures of a batch, by the index of the entry; empty if none failed.
pub type Failures = Vec<(usize, Error)>;

/// The result of a batch delete.
#[derive(Debug, Clone, Default)]
#[must_use = "some keys may have failed"]
#[non_exhaustive]
pub struct Deleted {
    /// How many keys had a live entry.
    pub count: u64,
    /// The keys that failed.
    pub failed: Failures,
}

impl Deleted {
    /// `count` keys had a live entry, and these failed.
    pub fn new(count: u64, failed: Failures) -> Self {
        Deleted { count, failed }
    }
}
