//! Verbs that read values. Callers' closures run under no lock, on the bytes in place or on a copy of a
//! chunked entry.

use super::MemoryCache;
use crate::base::counters::Count;
use crate::base::error::Error;
use crate::base::hazard;
use crate::entries::found::Found;
use crate::entries::key::HashedKey;
use crate::verbs::get::{BATCH, Prefetched, Sought, look_up};

impl MemoryCache {
    /// The value of a key, copied, or `None` if it is absent or its time has passed.
    ///
    /// Counts a hit or a miss.
    ///
    /// # Errors
    ///
    /// [`Error::KeyEmpty`], [`Error::KeyTooLong`], [`Error::Closed`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        look_up(&self.engine.store, key, |hit| self.count_lookup(hit), |bytes, _| bytes.to_vec())
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
        self.read_into(key, value, |hit| self.count_lookup(hit))
    }

    /// Reads a value where it is: on a hit, answers what `read` makes of the bytes.
    ///
    /// `read` runs under no lock and may call the cache; it sees the bytes as they were when they
    /// were found, whatever is written meanwhile. While it runs, one segment of the cache's memory,
    /// a small part of it, is not used for anything else. Counts a hit or a miss.
    ///
    /// # Errors
    ///
    /// As [`get`](MemoryCache::get).
    pub fn get_with<R>(&self, key: &[u8], read: impl FnOnce(&[u8], Found) -> R) -> Result<Option<R>, Error> {
        look_up(
            &self.engine.store,
            key,
            |hit| self.count_lookup(hit),
            |bytes, entry| read(bytes, entry.found()),
        )
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
        let stripe = self.engine.store.entries.counters.stripe();
        self.visit_each(keys, |hit| stripe.add(if hit { Count::Hits } else { Count::Misses }, 1), &mut visit)
    }

    /// As [`get_into`](MemoryCache::get_into), but counts neither a hit nor a miss: for layers that
    /// judge that themselves and tell [`record_lookups`](MemoryCache::record_lookups).
    ///
    /// # Errors
    ///
    /// As [`get`](MemoryCache::get).
    pub fn get_into_uncounted(&self, key: &[u8], value: &mut Vec<u8>) -> Result<Option<Found>, Error> {
        self.read_into(key, value, |_| ())
    }

    #[inline(always)]
    fn read_into(
        &self,
        key: &[u8],
        value: &mut Vec<u8>,
        count: impl Fn(bool),
    ) -> Result<Option<Found>, Error> {
        let found = look_up(&self.engine.store, key, count, |bytes, entry| {
            value.clear();
            value.extend_from_slice(bytes);
            entry.found()
        });
        // By reference: see `look_up`.
        if matches!(&found, Ok(None)) {
            value.clear();
        }
        found
    }

    /// As [`get_multi`](MemoryCache::get_multi), but counts neither hits nor misses.
    ///
    /// # Errors
    ///
    /// As [`get_multi`](MemoryCache::get_multi).
    pub fn get_multi_uncounted<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        mut visit: impl FnMut(usize, &[u8], Found),
    ) -> Result<(), Error> {
        self.visit_each(keys, |_| (), &mut visit)
    }

    /// Whether a key is there and live. Counts nothing.
    ///
    /// # Errors
    ///
    /// As [`get`](MemoryCache::get).
    pub fn exists(&self, key: &[u8]) -> Result<bool, Error> {
        Ok(look_up(&self.engine.store, key, |_| (), |_, _| ())?.is_some())
    }

    #[inline]
    fn count_lookup(&self, hit: bool) {
        self.engine.store.entries.counters.add(if hit { Count::Hits } else { Count::Misses }, 1);
    }

    /// Reads the keys in stretches whose memory is asked for beforehand.
    fn visit_each<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        count: impl Fn(bool),
        visit: &mut impl FnMut(usize, &[u8], Found),
    ) -> Result<(), Error> {
        self.check_keys(keys)?;
        let store = &self.engine.store;
        let mut at = 0;
        for stretch in keys.chunks(BATCH) {
            let ahead = store.reader().prefetch(stretch);
            let mut guard = hazard::begin();
            for (key, Prefetched { hash, candidate }) in stretch.iter().zip(ahead) {
                // A caller's closure may have taken its time.
                let now = store.entries.call_time();
                let key = HashedKey { hash, bytes: key.as_ref() };
                let found = store.reader().look_up_at(
                    guard.reading(),
                    Sought { key, candidate },
                    &now,
                    |bytes, entry| {
                        count(true);
                        visit(at, bytes, entry.found());
                    },
                );
                if found.is_none() {
                    // Entries that a close removed were not absent before it.
                    store.limits.check_open()?;
                    count(false);
                }
                at += 1;
            }
        }
        Ok(())
    }

    pub(super) fn check_keys<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<(), Error> {
        self.engine.store.limits.check_open()?;
        keys.iter().try_for_each(|key| self.engine.store.limits.check_key(key.as_ref()))
    }
}
