//! Verbs that write and remove values.

use std::time::Duration;

use super::MemoryCache;
use crate::base::error::{BatchError, Error};
use crate::entries::found::Found;
use crate::verbs::options::{SetOptions, SetOutcome};
use crate::verbs::{set, update};

impl MemoryCache {
    /// Stores a value for `ttl`, in place of the key's old value; `None` is never.
    ///
    /// Zero: the entry is absent afterwards. Below 1 ms rounds up to 1 ms; beyond
    /// [`TTL_HORIZON`](crate::TTL_HORIZON) means never. Readers see the old value or the new one.
    /// An evicting cache that finds nothing to evict at that moment answers as if the new value had
    /// been evicted at once.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`]: the value can never be held, and the old one is gone. [`Error::Full`]
    /// (rejecting caches only), [`Error::KeyEmpty`], [`Error::KeyTooLong`], [`Error::Closed`]:
    /// nothing was changed.
    pub fn set(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<(), Error> {
        self.set_opts(key, value, &SetOptions::new(ttl)).map(|_| ())
    }

    /// Stores a value as [`set`](MemoryCache::set) does, under a condition that is judged in one
    /// step with the store, or keeping the deadline of the old value.
    ///
    /// # Errors
    ///
    /// As [`set`](MemoryCache::set). A condition that does not hold is not an error, and is checked before
    /// the size of the value.
    ///
    /// ```
    /// use zbz_cache_memory::{Condition, MemoryCache, SetOptions, SetOutcome};
    ///
    /// let cache = MemoryCache::builder().build()?;
    /// cache.set(b"k", b"1", None)?;
    /// let version = cache.get_with(b"k", |_, found| found.version())?.expect("it was just set");
    /// cache.set(b"k", b"2", None)?;
    /// let swap = SetOptions::new(None).when(Condition::Version(version));
    /// assert_eq!(cache.set_opts(b"k", b"3", &swap)?, SetOutcome::ConditionFailed);
    /// # Ok::<(), zbz_cache_memory::Error>(())
    /// ```
    pub fn set_opts(&self, key: &[u8], value: &[u8], options: &SetOptions<'_>) -> Result<SetOutcome, Error> {
        set::set(&self.engine.store, key, value, options)
    }

    /// Stores many values, one after another; of entries with one key the last wins. Not atomic:
    /// others may see some stored and some not yet. Every entry is tried, whatever became of
    /// others.
    ///
    /// # Errors
    ///
    /// [`BatchError`] names every entry that was not stored, by index, with what
    /// [`set`](MemoryCache::set) said to it. All others were stored. On a closed cache also an
    /// empty batch is an error.
    pub fn set_multi<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        entries: &[(K, V)],
        ttl: Option<Duration>,
    ) -> Result<(), BatchError> {
        let mut failed = Vec::new();
        set::set_multi(&self.engine.store, entries, &SetOptions::new(ttl), |index, error| {
            failed.push((index, error));
        });
        let first = match failed.first() {
            Some((_, error)) => error.clone(),
            None if entries.is_empty() => match self.engine.store.limits.check_open() {
                Ok(()) => return Ok(()),
                Err(closed) => closed,
            },
            None => return Ok(()),
        };
        Err(BatchError::new(first, failed))
    }

    /// Removes a key. True if it was there and live.
    ///
    /// # Errors
    ///
    /// [`Error::KeyEmpty`], [`Error::KeyTooLong`], [`Error::Closed`].
    pub fn delete(&self, key: &[u8]) -> Result<bool, Error> {
        update::delete(&self.engine.store, key)
    }

    /// Removes many keys, one after another, and answers how many were there and live.
    ///
    /// # Errors
    ///
    /// As [`delete`](MemoryCache::delete); if any key is bad, nothing was removed.
    pub fn delete_multi<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<u64, Error> {
        self.check_keys(keys)?;
        let mut deleted = 0;
        for key in keys {
            deleted += u64::from(self.delete(key.as_ref())?);
        }
        Ok(deleted)
    }

    /// Removes a key and reads what it held into `value`, in one step: of several callers only one
    /// gets it. The buffer is cleared if the key was absent, and left alone on an error.
    ///
    /// Counts a delete, and neither a hit nor a miss.
    ///
    /// # Errors
    ///
    /// As [`delete`](MemoryCache::delete).
    pub fn take_into(&self, key: &[u8], value: &mut Vec<u8>) -> Result<Option<Found>, Error> {
        let mut taken = Vec::new();
        let found = update::take(&self.engine.store, key, |bytes, found| {
            taken.clear();
            taken.extend_from_slice(bytes);
            found
        })?;
        value.clear();
        if found.is_some() {
            value.extend_from_slice(&taken);
        }
        Ok(found)
    }

    /// Adds to a number and answers the sum, in one step. An absent key counts as zero.
    ///
    /// The value is a bare decimal `i64` in ASCII, written as Rust prints it; one with a plus sign,
    /// leading zeros or spaces is no number. An entry that is there keeps its deadline; a new one
    /// gets `ttl_if_new`, as in [`set`](MemoryCache::set). Counts an add.
    ///
    /// # Errors
    ///
    /// [`Error::NotANumber`], [`Error::Overflow`], [`Error::Full`] (rejecting caches only),
    /// [`Error::KeyEmpty`], [`Error::KeyTooLong`], [`Error::Closed`]: nothing was changed.
    ///
    /// ```
    /// use zbz_cache_memory::MemoryCache;
    ///
    /// let cache = MemoryCache::builder().build()?;
    /// assert_eq!(cache.add(b"visits", 1, None)?, 1);
    /// assert_eq!(cache.add(b"visits", 41, None)?, 42);
    /// assert_eq!(cache.get(b"visits")?, Some(b"42".to_vec()));
    /// # Ok::<(), zbz_cache_memory::Error>(())
    /// ```
    pub fn add(&self, key: &[u8], delta: i64, ttl_if_new: Option<Duration>) -> Result<i64, Error> {
        update::add(&self.engine.store, key, delta, ttl_if_new)
    }
}
