//! [`Loaded`] and [`LoadOutcome`]: a loader's answer, and the result of a load for its caller.

use std::time::Duration;

use crate::ttl::{Ttl, TtlState};

/// A loader's answer for one key. Made from a value, from an `Option` whose `None` is
/// [absent](Loaded::absent), or by one of its functions.
///
/// ```
/// use std::time::Duration;
/// use zbz_cache::Loaded;
///
/// let plain: Loaded<u32> = 7.into();
/// let short: Loaded<u32> = Loaded::value(7).ttl(Duration::from_secs(5));
/// let unknown: Loaded<u32> = Loaded::absent();
/// let secret: Loaded<u32> = Loaded::value(7).not_stored();
/// # let _ = (plain, short, unknown, secret);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<T> {
    pub(crate) value: Option<T>,
    pub(crate) ttl: Ttl,
    pub(crate) is_stored: bool,
}

impl<T> Loaded<T> {
    /// A value, stored for the TTL of the call's options.
    #[must_use]
    pub fn value(value: T) -> Self {
        Loaded { value: Some(value), ttl: Ttl::Default, is_stored: true }
    }

    /// There is no value. That is stored for the `absent_ttl` of the call's options, and not at
    /// all without one. It differs from a stored `None` of an optional `T`.
    #[must_use]
    pub fn absent() -> Self {
        Loaded { value: None, ttl: Ttl::Default, is_stored: true }
    }

    /// Gives it a TTL of its own; [`Ttl::Default`] is that of the options.
    #[must_use]
    pub fn ttl(self, ttl: impl Into<Ttl>) -> Self {
        Loaded { ttl: ttl.into(), ..self }
    }

    /// Keeps it out of the cache: only the waiting callers get it.
    #[must_use]
    pub fn not_stored(self) -> Self {
        Loaded { is_stored: false, ..self }
    }
}

impl<T> From<T> for Loaded<T> {
    fn from(value: T) -> Self {
        Loaded::value(value)
    }
}

impl<T> From<Option<T>> for Loaded<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(Loaded::absent, Loaded::value)
    }
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// From the cache, within its fresh time.
    Hit,
    /// From the cache, past its fresh time and before its deadline.
    Stale,
    /// From this call's loader.
    Loaded,
    /// From the loader of an earlier call.
    Coalesced,
    /// From this call's loader, and not stored: the provider did not answer when the cache was read.
    LoadedAround,
    /// From a copy that may be out of date: the far side does not answer, and the provider is configured to
    /// serve its copies meanwhile.
    Degraded,
}

/// The result of `get_or_load_opts`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOutcome<T> {
    /// The value; `None` if a loader said that there is none.
    pub value: Option<T>,
    /// Where it came from.
    pub origin: Origin,
    /// The entry's remaining time; [`TtlState::Missing`] if the value was not stored.
    pub ttl: TtlState,
}

pub(crate) fn state_of(remaining: Option<Duration>) -> TtlState {
    remaining.map_or(TtlState::Never, TtlState::Remaining)
}
