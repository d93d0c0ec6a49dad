//! The handle that users hold: cheap to clone, safe to share. Verbs that read are in
//! `read`, those that write in `cache/write.rs`, those on deadlines in
//! `cache/deadline.rs`; here is what concerns the cache as a whole.
//!
//! On every verb: a key that is empty or too long is [`Error::KeyEmpty`] or [`Error::KeyTooLong`],
//! and a closed cache answers [`Error::Closed`] before anything else is judged.

mod deadline;
mod read;
mod write;

use crate::api::maintenance::Maintenance;
use crate::base::counters::Lookups;
use crate::base::error::Error;
use crate::engine::Engine;
use crate::verbs::list::{self, Cursor, Page};
use crate::verbs::report::{self, MemoryReport};
use crate::verbs::stats::{self, Stats};
use crate::verbs::sweep;
use std::fmt;
use std::sync::Arc;

/// A concurrent cache of byte keys and byte values, bounded in bytes.
///
/// A clone is another handle to the same cache and costs a counter. Dropping the last one frees
/// everything and ends the background thread without waiting for it.
///
/// Keys have 1 byte to [`max_key_bytes`](MemoryCache::max_key_bytes), values 0 bytes to
/// [`max_value_bytes`](MemoryCache::max_value_bytes).
///
/// ```
/// use zbz_cache_memory::MemoryCache;
///
/// let cache = MemoryCache::builder().build()?;
/// let other = cache.clone();
/// std::thread::spawn(move || other.set(b"k", b"v", None)).join().expect("no panic")?;
/// assert_eq!(cache.get(b"k")?, Some(b"v".to_vec()));
/// # Ok::<(), zbz_cache_memory::Error>(())
/// ```
#[derive(Clone)]
pub struct MemoryCache {
    engine: Arc<Engine>,
}

impl MemoryCache {
    pub(crate) fn from_engine(engine: Arc<Engine>) -> MemoryCache {
        MemoryCache { engine }
    }

    /// The next keys of a listing: those that begin with `prefix` (all, if it is empty) and that
    /// `matches` says yes to.
    ///
    /// Start with [`Cursor::START`] and go on with [`Page::next`] until it is `None`. A key that is
    /// present throughout the listing is met exactly once, overwritten or not; one that is absent
    /// throughout is never met; others may be. `limit` is about how many keys a page should hold,
    /// at least one. Writers are not held up: one bucket is locked at a time, and none while
    /// `matches` runs.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    ///
    /// ```
    /// use zbz_cache_memory::{Cursor, MemoryCache};
    ///
    /// let cache = MemoryCache::builder().build()?;
    /// for key in ["user:1", "user:22", "job:1"] {
    ///     cache.set(key.as_bytes(), b"", None)?;
    /// }
    /// let mut keys = Vec::new();
    /// let mut cursor = Some(Cursor::START);
    /// while let Some(from) = cursor {
    ///     let page = cache.scan(b"user:", from, 100, |key| key.ends_with(b"2"))?;
    ///     keys.extend(page.keys);
    ///     cursor = page.next;
    /// }
    /// assert_eq!(keys, [b"user:22"]);
    /// # Ok::<(), zbz_cache_memory::Error>(())
    /// ```
    pub fn scan(
        &self,
        prefix: &[u8],
        cursor: Cursor,
        limit: usize,
        matches: impl FnMut(&[u8]) -> bool,
    ) -> Result<Page, Error> {
        list::scan(&self.engine.store, prefix, cursor, limit, matches)
    }

    /// Removes every entry and answers how many live ones there were.
    ///
    /// Removes what was set before the call; an entry set after it returned stays; one set
    /// meanwhile may do either. One bucket is locked at a time. The memory goes back to the system.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn clear(&self) -> Result<u64, Error> {
        sweep::clear_prefix(&self.engine.store, b"")
    }

    /// Removes every entry whose key begins with `prefix` and answers how many live ones there
    /// were. Otherwise as [`clear`](MemoryCache::clear).
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn clear_prefix(&self, prefix: &[u8]) -> Result<u64, Error> {
        sweep::clear_prefix(&self.engine.store, prefix)
    }

    /// How many entries there are; may include expired ones that were not swept yet. Zero after
    /// [`close`](MemoryCache::close).
    pub fn len(&self) -> usize {
        usize::try_from(self.engine.store.entries.counters.keys()).unwrap_or(usize::MAX)
    }

    /// Whether there are no entries at all, not even expired ones.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the counters. Works on a closed cache too.
    pub fn stats(&self) -> Stats {
        stats::stats(&self.engine.store, self.engine.uptime())
    }

    /// Says what holds each accounted byte. Looks at every segment once: for people and for
    /// dashboards, not for every call.
    ///
    /// ```
    /// use zbz_cache_memory::MemoryCache;
    ///
    /// let cache = MemoryCache::builder().build()?;
    /// cache.set(b"k", b"value", None)?;
    /// let report = cache.memory_report();
    /// assert_eq!(report.payload_bytes, 6);
    /// println!("{report}");
    /// # Ok::<(), zbz_cache_memory::Error>(())
    /// ```
    pub fn memory_report(&self) -> MemoryReport {
        report::memory_report(&self.engine.store)
    }

    /// How many keys the index has in the cache line where a get looks first, in the line beside it,
    /// and in a line elsewhere. A get of the first misses two lines in a cold cache, the index's and
    /// the entry's first; of the others three, or more. Looks at the whole index, a bucket at a time.
    pub fn keys_by_line(&self) -> [u64; 3] {
        report::keys_by_line(&self.engine.store)
    }

    /// Adds reads that were judged elsewhere to the counters, exactly as given.
    ///
    /// For layers that read with [`get_into_uncounted`](MemoryCache::get_into_uncounted) or
    /// [`get_multi_uncounted`](MemoryCache::get_multi_uncounted) and know better whether a read was a hit.
    pub fn record_lookups(&self, lookups: Lookups) {
        self.engine.store.entries.counters.record(lookups);
    }

    /// The budget in bytes.
    pub fn max_size(&self) -> u64 {
        self.engine.store.limits.max_size()
    }

    /// The most bytes a new key may have: 32 KiB, or an eighth of the budget if that is less.
    ///
    /// A cache that was resized down still finds and removes the longer keys that it took before.
    pub fn max_key_bytes(&self) -> usize {
        self.engine.store.limits.max_key_bytes()
    }

    /// The most bytes a value may have: a quarter of the budget.
    pub fn max_value_bytes(&self) -> usize {
        self.engine.store.limits.max_value_bytes()
    }

    /// Changes the budget of a cache in use.
    ///
    /// A larger one holds at once, up to [`max_resize`](MemoryCache::max_resize). A smaller one
    /// holds when the call returns; until then the old one is reported and kept. An evicting cache
    /// evicts down to it; what stays is served even if its key or value is larger than a new one
    /// might be. A rejecting cache loses nothing that is live: it reclaims expired entries, and if
    /// that is not enough the budget stays.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] below [`min_resize`](MemoryCache::min_resize) or beyond
    /// [`max_resize`](MemoryCache::max_resize); [`Error::Full`] if a rejecting cache holds more
    /// than fits, or if readers that do not end keep too much in use; [`Error::Closed`]. The
    /// budget is then as it was.
    pub fn resize(&self, max_size: u64) -> Result<(), Error> {
        self.engine.resize(max_size)
    }

    /// The largest budget that [`resize`](MemoryCache::resize) takes: eight times the first, for
    /// which addresses, but no memory, were reserved when the cache was built; less where the
    /// system refuses as many addresses, and never 256 GiB.
    pub fn max_resize(&self) -> u64 {
        self.engine.store.space.room.layout.ceiling
    }

    /// The smallest budget that [`resize`](MemoryCache::resize) takes:
    /// [`MIN_MAX_SIZE`](crate::MIN_MAX_SIZE), or more in a cache that was built for more than some
    /// 100 MiB, whose index does not become smaller than it began, or on more than six processors,
    /// each of which has counters, or in one that rejects, whose segments do not become smaller.
    pub fn min_resize(&self) -> u64 {
        self.engine.store.space.room.least_budget
    }

    /// Sweeps expired entries now, as the background thread does from time to time.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn run_maintenance(&self) -> Result<Maintenance, Error> {
        sweep::sweep(&self.engine.store).map(|expired| Maintenance { expired })
    }

    /// Frees every entry and ends the background thread without waiting for it. From then on every
    /// verb of every clone answers [`Error::Closed`], and the statistics can still be read. Closing
    /// twice is closing once.
    pub fn close(&self) {
        self.engine.close();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.engine.store.limits.check_open().is_err()
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (memory_bytes, max_size) = self.engine.store.space.room.budget.used_and_told();
        f.debug_struct("MemoryCache")
            .field("max_size", &max_size)
            .field("memory_bytes", &memory_bytes)
            .field("keys", &self.len())
            .field("when_full", &self.engine.store.space.room.full.when_full())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
