//! [`Invalidation`]: a change that a provider reports to a near cache.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A message to a subscriber. Messages come in the order in which the provider learned of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalidation<'a> {
    /// The entry of this key was written, removed or expired.
    Key(&'a [u8]),
    /// Anything may have changed.
    All,
    /// The subscription works at this moment. If this is not repeated within the span, the subscriber must
    /// take it for lost. The first message once the subscription works.
    Alive(Duration),
    /// The subscription is lost: later changes are not reported. `Alive` follows when it works again;
    /// changes in between are never reported.
    Lost,
}

/// Receives invalidations, on the provider's own thread: it must be quick and never block. Never called
/// inside a verb: the sink may need a lock that the verb's caller holds.
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
