//! Verbs that read values. Callers' closures run on a shared copy, under no lock.

use super::MemoryCache;
use crate::engine::Hit;
use crate::{Error, Found, Lookups};

const ONE_HIT: Lookups = Lookups { hits: 1, misses: 0, undecodable: 0 };
const ONE_MISS: Lookups = Lookups { hits: 0, misses: 1, undecodable: 0 };

impl MemoryCache {
    /// The value of a key, copied, or `None` if it is absent or its time has passed.
    ///
    /// Counts a hit or a miss.
    ///
    /// # Errors
    ///
    /// [`Error::KeyEmpty`], [`Error::KeyTooLong`], [`Error::Closed`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.get_with(key, |value, _| value.to_vec())
    }

    /// Reads a value into a buffer whose memory is reused: its contents are replaced by the value
    /// on a hit, cleared on a miss, and left alone on an error.
    ///
    /// Counts a hit or a miss.
    ///
    /// # Errors
    ///
    /// As [`get`](MemoryCache::get).
    ///
    /// ```
    /// use zbz_cache_memory::MemoryCache;
    ///
    /// let cache = MemoryCache::builder().build()?;
    /// cache.set(b"k", b"value", None)?;
    /// let mut value = Vec::new();
    /// let found = cache.get_into(b"k", &mut value)?.expect("it was just set");
    /// assert_eq!((&value[..], found.remaining()), (&b"value"[..], None));
    /// # Ok::<(), zbz_cache_memory::Error>(())
    /// ```
    pub fn get_into(&self, key: &[u8], value: &mut Vec<u8>) -> Result<Option<Found>, Error> {
        let found = self.lookup_into(key, value)?;
        self.record_lookups(if found.is_some() { ONE_HIT } else { ONE_MISS });
        Ok(found)
    }

    /// Reads a value where it is: on a hit, answers what `read` makes of the bytes.
    ///
    /// `read` runs under no lock and may call the cache; it sees the bytes as they were when they
    /// were found, whatever is written meanwhile. Counts a hit or a miss.
    ///
    /// # Errors
    ///
    /// As [`get`](MemoryCache::get).
    pub fn get_with<R>(&self, key: &[u8], read: impl FnOnce(&[u8], Found) -> R) -> Result<Option<R>, Error> {
        let looked_up = self.engine.look_up(key)?;
        self.record_lookups(if looked_up.is_some() { ONE_HIT } else { ONE_MISS });
        Ok(looked_up.map(|hit| read(&hit.value, hit.found)))
    }

    /// Reads many keys: calls `visit` for every hit, in input order, with the key's index, the
    /// value and what is known of it. Keys may repeat.
    ///
    /// Each key is read at its own moment. `visit` runs under no lock. Counts a hit or a miss for
    /// every key.
    ///
    /// # Errors
    ///
    /// As [`get`](MemoryCache::get); if any key is bad, nothing was visited or counted.
    ///
    /// ```
    /// use zbz_cache_memory::MemoryCache;
    ///
    /// let cache = MemoryCache::builder().build()?;
    /// cache.set(b"b", b"2", None)?;
    /// cache.get_multi(&["a", "b"], |index, value, _| assert_eq!((index, value), (1, &b"2"[..])))?;
    /// # Ok::<(), zbz_cache_memory::Error>(())
    /// ```
    pub fn get_multi<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        mut visit: impl FnMut(usize, &[u8], Found),
    ) -> Result<(), Error> {
        self.visit_each(keys, |index, looked_up| match looked_up {
            Some(hit) => {
                self.record_lookups(ONE_HIT);
                visit(index, &hit.value, hit.found);
            }
            None => self.record_lookups(ONE_MISS),
        })
    }

    /// As [`get_into`](MemoryCache::get_into), but counts neither a hit nor a miss: for layers that
    /// judge that themselves and tell [`record_lookups`](MemoryCache::record_lookups).
    ///
    /// # Errors
    ///
    /// As [`get`](MemoryCache::get).
    pub fn lookup_into(&self, key: &[u8], value: &mut Vec<u8>) -> Result<Option<Found>, Error> {
        let looked_up = self.engine.look_up(key)?;
        Ok(copy_out(looked_up, value))
    }

    /// As [`get_multi`](MemoryCache::get_multi), but counts neither hits nor misses.
    ///
    /// # Errors
    ///
    /// As [`get_multi`](MemoryCache::get_multi).
    pub fn lookup_multi<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        mut visit: impl FnMut(usize, &[u8], Found),
    ) -> Result<(), Error> {
        self.visit_each(keys, |index, looked_up| {
            if let Some(hit) = looked_up {
                visit(index, &hit.value, hit.found);
            }
        })
    }

    /// Whether a key is there and live. Counts nothing.
    ///
    /// # Errors
    ///
    /// As [`get`](MemoryCache::get).
    pub fn exists(&self, key: &[u8]) -> Result<bool, Error> {
        Ok(self.engine.look_up(key)?.is_some())
    }

    fn visit_each<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        mut each: impl FnMut(usize, Option<Hit>),
    ) -> Result<(), Error> {
        self.check_keys(keys)?;
        for (index, key) in keys.iter().enumerate() {
            each(index, self.engine.look_up(key.as_ref())?);
        }
        Ok(())
    }

    pub(super) fn check_keys<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<(), Error> {
        self.engine.check_open()?;
        keys.iter().try_for_each(|key| self.engine.check_key(key.as_ref()))
    }
}

/// Copies a value that was found into `value`, or clears it.
pub(super) fn copy_out(hit: Option<Hit>, value: &mut Vec<u8>) -> Option<Found> {
    value.clear();
    let hit = hit?;
    value.extend_from_slice(&hit.value);
    Some(hit.found)
}
