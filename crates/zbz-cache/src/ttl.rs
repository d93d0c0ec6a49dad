//! How long an entry lives: the caller's wish ([`Ttl`]), its meaning for a provider ([`Lifetime`]), and
//! the remaining time ([`TtlState`]).

use std::time::Duration;

/// The longest TTL that gives a deadline: 100 years of 365.25 days. With a longer one an entry never
/// expires.
pub const TTL_HORIZON: Duration = Duration::from_secs(100 * 31_557_600);

/// How long an entry should live.
///
/// A `Duration` converts into it. Zero means that the entry is absent afterwards; less than one
/// millisecond is rounded up to one; more than [`TTL_HORIZON`] means never.
///
/// ```
/// use std::time::Duration;
/// use zbz_cache::Ttl;
///
/// assert_eq!(Ttl::from(Duration::from_secs(60)), Ttl::After(Duration::from_secs(60)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Ttl {
    /// The contract's default; without one the provider's; without that, never.
    #[default]
    Default,
    /// No deadline.
    Never,
    /// This long from the moment of the write.
    After(Duration),
}

impl From<Duration> for Ttl {
    fn from(duration: Duration) -> Self {
        Ttl::After(duration)
    }
}

impl Ttl {
    /// This TTL, or `fallback` if this is [`Ttl::Default`].
    #[must_use]
    pub fn or(self, fallback: Ttl) -> Ttl {
        match self {
            Ttl::Default => fallback,
            said => said,
        }
    }

    /// The meaning of this TTL for a provider. Every special case is resolved here, once for all providers;
    /// [`Ttl::Default`] must be resolved before.
    #[must_use]
    pub fn lifetime(self) -> Lifetime {
        match self {
            Ttl::Default | Ttl::Never => Lifetime::Never,
            Ttl::After(span) if span.is_zero() => Lifetime::Gone,
            Ttl::After(span) if span > TTL_HORIZON => Lifetime::Never,
            Ttl::After(span) => Lifetime::For(span.max(Duration::from_millis(1))),
        }
    }

    /// Warns about a default of zero, since no caller's answer can report it; `of` names its owner.
    pub(crate) fn warn_if_gone(self, of: &str) {
        if self.lifetime() == Lifetime::Gone {
            warn_log!(
                of = of,
                "a default ttl is zero, so every value that is set with Ttl::Default is gone at once; give more \
                 than zero, or Ttl::Never"
            );
        }
    }
}

/// The meaning of a [`Ttl`] for a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lifetime {
    /// The entry must be absent afterwards.
    Gone,
    /// The entry has no deadline.
    Never,
    /// The entry has a deadline this far away: 1 ms to [`TTL_HORIZON`].
    For(Duration),
}

/// The remaining time of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TtlState {
    /// There is no live entry.
    Missing,
    /// The entry exists and has no deadline.
    Never,
    /// The entry exists and lives for this long; never zero.
    Remaining(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_a_ttl_are_gone_one_millisecond_and_never() {
        let lifetime = |span| Ttl::After(span).lifetime();
        assert_eq!(lifetime(Duration::ZERO), Lifetime::Gone);
        assert_eq!(lifetime(Duration::from_nanos(1)), Lifetime::For(Duration::from_millis(1)));
        assert_eq!(lifetime(TTL_HORIZON), Lifetime::For(TTL_HORIZON));
        assert_eq!(lifetime(TTL_HORIZON + Duration::from_nanos(1)), Lifetime::Never);
        assert_eq!(lifetime(Duration::MAX), Lifetime::Never);
        assert_eq!(Ttl::Default.or(Ttl::Never).lifetime(), Lifetime::Never);
    }
}
