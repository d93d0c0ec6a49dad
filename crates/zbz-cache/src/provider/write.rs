//! What writes take: a deadline and a condition; and what they answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::read::Version;
use crate::error::Error;
use crate::ttl::Ttl;

/// When a set takes effect; judged in one step with the store.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Condition {
    /// In any case.
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
/// Every change of a key first revokes the tokens given out for it and then writes. A provider
/// with [`Capabilities::tokens`](super::Capabilities::tokens) judges the token in one step with
/// the store, so an old value never lands after the newer write.
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

    /// Whether nobody revoked it so far.
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
    /// What a loader that began at this moment brought.
    #[must_use]
    pub fn new(token: Token, began: Instant, ttl: Ttl) -> Self {
        LoadedAround { token, began, ttl }
    }
}

/// How a set is to be done.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SetOptions {
    /// The entry's time; [`Ttl::Default`] is the provider's own default.
    pub ttl: Ttl,
    /// Whether a live entry keeps the deadline it has (or its having none); `ttl` is then for a
    /// new entry only. Needs [`Capabilities::keep_deadline`](super::Capabilities).
    pub keep_deadline: bool,
    /// When it takes effect.
    pub condition: Condition,
}

impl SetOptions {
    /// A set in any case, with this time to live.
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

/// What a set did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a condition that did not hold leaves everything as it was"]
#[non_exhaustive]
pub enum SetOutcome {
    /// The value was stored (and may be evicted at any time).
    Stored,
    /// The condition did not hold; nothing was changed.
    ConditionFailed,
}

/// What failed in a batch, by the index of the entry; empty if nothing did.
pub type Failures = Vec<(usize, Error)>;

/// What a batch delete did.
#[derive(Debug, Clone, Default)]
#[must_use = "some keys may have failed"]
#[non_exhaustive]
pub struct Deleted {
    /// How many keys were there and live.
    pub count: u64,
    /// The keys that failed.
    pub failed: Failures,
}

impl Deleted {
    /// So many keys were there, and these failed.
    pub fn new(count: u64, failed: Failures) -> Self {
        Deleted { count, failed }
    }
}
