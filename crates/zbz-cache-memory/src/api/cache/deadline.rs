//! Verbs on deadlines.

use std::time::Duration;

use super::MemoryCache;
use crate::base::error::Error;
use crate::base::ttl::TtlState;
use crate::verbs::{get, update};

impl MemoryCache {
    /// How much longer a key is live. Counts nothing.
    ///
    /// # Errors
    ///
    /// [`Error::KeyEmpty`], [`Error::KeyTooLong`], [`Error::Closed`].
    pub fn ttl(&self, key: &[u8]) -> Result<TtlState, Error> {
        get::ttl(&self.engine.store, key)
    }

    /// Gives a live entry a new deadline, `ttl` from now, rounded as in [`set`](MemoryCache::set);
    /// zero deletes it. True if it was there and live. An evicting cache that finds no room for the
    /// entry as it is then evicts it.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] (rejecting caches only), and as [`ttl`](MemoryCache::ttl): nothing was
    /// changed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use zbz_cache_memory::{MemoryCache, TtlState};
    ///
    /// let cache = MemoryCache::builder().build()?;
    /// cache.set(b"k", b"v", None)?;
    /// assert!(cache.expire(b"k", Duration::from_secs(60))?);
    /// assert!(matches!(cache.ttl(b"k")?, TtlState::Remaining(_)));
    /// assert!(cache.persist(b"k")?);
    /// assert_eq!(cache.ttl(b"k")?, TtlState::Never);
    /// # Ok::<(), zbz_cache_memory::Error>(())
    /// ```
    pub fn expire(&self, key: &[u8], ttl: Duration) -> Result<bool, Error> {
        update::expire(&self.engine.store, key, Some(ttl))
    }

    /// Takes away the deadline of a live entry. True if it was there and live, deadline or not.
    ///
    /// # Errors
    ///
    /// As [`expire`](MemoryCache::expire).
    pub fn persist(&self, key: &[u8]) -> Result<bool, Error> {
        update::expire(&self.engine.store, key, None)
    }
}
