//! How a provider that others write to tells a near cache what changed.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a subscriber is told, in the order in which the provider learned it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalidation<'a> {
    /// The entry of this key was written, removed or expired.
    Key(&'a [u8]),
    /// Anything may have changed.
    All,
    /// The link was alive just now; unless this is said again within that span it must be taken
    /// for lost. Said first when the subscription has begun to work.
    Alive(Duration),
    /// The link is lost: changes from here on are not told. `Alive` follows when it is back, and
    /// what changed in between is not told again.
    Lost,
}

/// Receives invalidations, on the provider's own thread: it must be quick and never block. Never called
/// from within a verb: what it does may wait for what that verb's caller holds.
pub type InvalidationSink = Arc<dyn Fn(Invalidation<'_>) + Send + Sync>;

/// A running subscription; dropping it ends it.
#[must_use = "a subscription ends when it is dropped"]
pub struct Subscription(#[expect(dead_code, reason = "held for its drop")] Box<dyn Any + Send + Sync>);

impl Subscription {
    /// A subscription that ends when `guard` is dropped.
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Subscription(Box::new(guard))
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}
