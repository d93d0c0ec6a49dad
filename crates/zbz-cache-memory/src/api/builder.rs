//! The builder: every choice made once, checked before anything is built.

use crate::api::cache::MemoryCache;
use crate::api::maintenance;
use crate::base::clock::Clock;
use crate::base::error::Error;
use crate::engine::{Config, Engine};
use crate::space::full::WhenFull;
use crate::space::layout::{DEFAULT_MAX_SIZE, check_max_size};
use std::sync::Arc;
use std::time::Duration;

const DEFAULT_CLEANUP_INTERVAL: Duration = Duration::from_secs(60);

/// Builds a [`MemoryCache`].
///
/// ```
/// use std::time::Duration;
/// use zbz_cache_memory::{MemoryCache, WhenFull};
///
/// let cache = MemoryCache::builder()
///     .max_size(8 * 1024 * 1024)
///     .cleanup_interval(Duration::from_secs(5))
///     .when_full(WhenFull::Reject)
///     .build()?;
/// assert_eq!(cache.max_size(), 8 * 1024 * 1024);
/// # Ok::<(), zbz_cache_memory::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    pub(crate) max_size: u64,
    pub(crate) cleanup_interval: Duration,
    pub(crate) when_full: WhenFull,
    pub(crate) clock: Clock,
}

impl MemoryCache {
    /// Begins building a cache.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl Builder {
    /// The defaults: 100 MiB, a sweep every minute, evicting, the system's clock.
    pub fn new() -> Builder {
        Builder {
            max_size: DEFAULT_MAX_SIZE,
            cleanup_interval: DEFAULT_CLEANUP_INTERVAL,
            when_full: WhenFull::default(),
            clock: Clock::system(),
        }
    }

    /// The whole memory of the cache, in bytes: keys, values and what it takes to hold them. At
    /// least [`MIN_MAX_SIZE`](crate::MIN_MAX_SIZE).
    pub fn max_size(self, bytes: u64) -> Builder {
        Builder { max_size: bytes, ..self }
    }

    /// How often a background thread sweeps expired entries. Zero: no thread; call
    /// [`MemoryCache::run_maintenance`] instead, or let room be made when it is needed.
    ///
    /// Reads never depend on it: an expired entry is not returned whether it was swept or not.
    pub fn cleanup_interval(self, interval: Duration) -> Builder {
        Builder { cleanup_interval: interval, ..self }
    }

    /// The behaviour of a write that finds no room.
    pub fn when_full(self, when_full: WhenFull) -> Builder {
        Builder { when_full, ..self }
    }

    /// Where the cache gets its time. With a manual clock no background thread is started.
    pub fn clock(self, clock: Clock) -> Builder {
        Builder { clock, ..self }
    }

    /// Builds the cache.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `max_size` is below [`MIN_MAX_SIZE`](crate::MIN_MAX_SIZE) or beyond what the system gives
    /// addresses for, or if the system gives no background thread.
    pub fn build(self) -> Result<MemoryCache, Error> {
        let Builder { max_size, cleanup_interval: _, when_full, clock } = self;
        check_max_size(max_size)?;
        let is_swept = !self.cleanup_interval.is_zero() && !clock.is_manual();
        let engine = Arc::new(Engine::new(&Config { max_size, when_full, clock })?);
        if is_swept {
            maintenance::start(&engine, self.cleanup_interval)?;
        }
        Ok(MemoryCache::from_engine(engine))
    }
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MIN_MAX_SIZE;

    #[test]
    fn a_size_below_the_minimum_is_refused_by_name() {
        let error = Builder::new().max_size(65_535).build().unwrap_err();
        assert_eq!(error.to_string(), "option `max_size` got 65535 bytes; it takes at least 65536 bytes");
        assert!(Builder::new().max_size(MIN_MAX_SIZE).build().is_ok());
        assert!(matches!(Builder::new().max_size(u64::MAX).build(), Err(Error::Config { .. })));
    }

    #[test]
    fn an_interval_without_end_is_taken() {
        let cache = Builder::new().cleanup_interval(Duration::MAX).build().unwrap();
        cache.set(b"k", b"v", None).unwrap();
        assert!(cache.exists(b"k").unwrap());
    }
}
