//! Converts a TTL into a deadline, and a deadline into the remaining TTL.
//!
//! Invariant: an entry is live exactly while `now < deadline`. `NEVER` is later than any moment a
//! clock can show.

use std::time::Duration;

/// The deadline of an entry that has none.
pub(crate) const NEVER: u64 = u64::MAX;

/// A time to live beyond this, 100 years of 365.25 days, means never.
pub const TTL_HORIZON: Duration = Duration::from_secs(100 * 31_557_600);

/// The system's clock tells deadlines in units of so many nanoseconds, as a power of two: less than it
/// takes to read a clock twice. A millisecond is a whole number of units.
pub(crate) const GRAIN_BITS: u32 = 6;

const SHORTEST: Duration = Duration::from_millis(1);

/// What [`MemoryCache::ttl`](crate::MemoryCache::ttl) found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TtlState {
    /// The key is absent, or its time has passed.
    Missing,
    /// The entry has no deadline.
    Never,
    /// The entry is live for this much longer; always more than zero.
    Remaining(Duration),
}

/// When an entry written at some moment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At once: the entry is absent after the write.
    AtOnce,
    /// At this moment; `NEVER` for one that does not end.
    At(u64),
}

/// The end of an entry written at `now` with a time to live of `ttl`; `None` is never.
pub(crate) fn end_of(now: u64, ttl: Option<Duration>) -> End {
    match ttl {
        None => End::At(NEVER),
        Some(Duration::ZERO) => End::AtOnce,
        Some(ttl) if ttl > TTL_HORIZON => End::At(NEVER),
        Some(ttl) => {
            let nanos = u64::try_from(ttl.max(SHORTEST).as_nanos()).unwrap_or(NEVER);
            End::At(now.saturating_add(nanos))
        }
    }
}

/// The time from `now` to `deadline`, or `None` when there is no deadline. The caller knows
/// that it is ahead.
pub(crate) fn remaining(now: u64, deadline: u64) -> Option<Duration> {
    (deadline != NEVER).then(|| Duration::from_nanos(deadline.saturating_sub(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ttls_round_up_to_a_millisecond_and_others_are_exact() {
        assert_eq!(end_of(5, Some(Duration::from_nanos(1))), End::At(1_000_005));
        assert_eq!(end_of(5, Some(Duration::from_nanos(1_000_001))), End::At(1_000_006));
        assert_eq!(end_of(5, Some(Duration::ZERO)), End::AtOnce);
    }

    #[test]
    fn a_ttl_beyond_the_horizon_is_never() {
        assert_eq!(end_of(0, None), End::At(NEVER));
        assert_eq!(end_of(0, Some(Duration::MAX)), End::At(NEVER));
        assert_eq!(end_of(u64::MAX - 1, Some(TTL_HORIZON)), End::At(NEVER));
        assert!(matches!(end_of(0, Some(TTL_HORIZON)), End::At(at) if at < NEVER));
        assert_eq!(end_of(0, Some(TTL_HORIZON + Duration::from_nanos(1))), End::At(NEVER));
    }

    #[test]
    fn what_remains_is_counted_from_the_moment_of_the_read() {
        assert_eq!(remaining(3, NEVER), None);
        assert_eq!(remaining(3, 10), Some(Duration::from_nanos(7)));
    }
}
