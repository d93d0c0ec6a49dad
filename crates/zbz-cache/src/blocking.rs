//! [`BlockingCache`]: the verbs of [`Cache`] without async.

use std::any::Any;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;

use crate::cache::load::each::values_of_each;
use crate::cache::load::multi::values;
use crate::cache::{Cache, NamePage, Versioned};
use crate::error::Result;
use crate::load::{LoadAnswer, LoadAnswers, LoadOptions, LoadOutcome};
use crate::provider::{Cursor, SetOptions, SetOutcome, Version};
use crate::reply::block_on;
use crate::stats::Stats;
use crate::ttl::{Ttl, TtlState};

/// The typed cache for code without async. Each verb behaves like that of [`Cache`], errors included; it
/// runs on the calling thread, and blocks while it waits.
///
/// On the memory provider only loads wait, so all other verbs may be used anywhere. With a provider across
/// a network do not call it on an async executor's own threads.
///
/// ```
/// use zbz_cache::{Contract, Ttl, options};
///
/// let provider = zbz_cache::new_provider("memory", options! {})?;
/// let names = Contract::<String>::new("names", provider)?.cache().blocking();
/// names.set("1", &"Ann".to_owned(), Ttl::Never)?;
/// assert_eq!(names.get("1")?.as_deref(), Some("Ann"));
/// # Ok::<(), zbz_cache::Error>(())
/// ```
pub struct BlockingCache<T> {
    cache: Cache<T>,
}

/// Verbs whose arguments go to the async one as they are.
macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident($($arg:ident: $type:ty),*) -> $answer:ty;)+) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        #[doc = concat!("As [`Cache::", stringify!($verb), "`].")]
        #[inline]
        pub fn $verb(&self, $($arg: $type),*) -> Result<$answer> {
            block_on(self.cache.$verb($($arg),*))
        }
    )+};
}

impl<T: 'static> Cache<T> {
    /// The verbs of this cache without async.
    pub fn blocking(&self) -> BlockingCache<T> {
        BlockingCache { cache: self.clone() }
    }
}

impl<T: 'static> BlockingCache<T> {
    verbs! {
        /// The value of `name`.
        get(name: &str) -> Option<T>;
        /// Stores a value.
        set(name: &str, value: &T, ttl: impl Into<Ttl>) -> ();
        /// Removes `name`; true if it existed.
        delete(name: &str) -> bool;
        /// Whether `name` exists.
        exists(name: &str) -> bool;
        /// The entry's remaining time.
        ttl(name: &str) -> TtlState;
        /// Gives the entry a new deadline; true if it existed.
        expire(name: &str, ttl: impl Into<Ttl>) -> bool;
        /// Removes the entry's deadline; true if the entry existed.
        persist(name: &str) -> bool;
        /// Stores a value if there is none.
        set_if_absent(name: &str, value: &T, ttl: impl Into<Ttl>) -> SetOutcome;
        /// Stores a value if there is one.
        replace(name: &str, value: &T, ttl: impl Into<Ttl>) -> SetOutcome;
        /// Stores a value under a condition, keeping the deadline of a live entry, or both.
        set_opts(name: &str, value: &T, options: SetOptions) -> SetOutcome;
        /// The value of `name` with its version.
        get_versioned(name: &str) -> Option<Versioned<T>>;
        /// Stores a value if the entry still holds the bytes of that version.
        compare_and_swap(name: &str, version: Version, value: &T, ttl: impl Into<Ttl>) -> SetOutcome;
        /// Removes `name` and returns its value, in one step.
        take(name: &str) -> Option<T>;
        /// The values of those of `names` that exist, by name.
        get_multi(names: impl IntoIterator<Item: AsRef<str>>) -> HashMap<String, T>;
        /// Removes many names; returns how many existed.
        delete_multi(names: impl IntoIterator<Item: AsRef<str>>) -> u64;
        /// The names that match `pattern`.
        keys(pattern: &str) -> Vec<String>;
        /// One page of the names that match `pattern`.
        keys_page(pattern: &str, cursor: Option<&Cursor>) -> NamePage;
        /// Removes every entry of this namespace.
        clear() -> ();
        /// The counters of the whole provider.
        stats() -> Stats;
    }

    /// One answer for each of `names`, in their order, as [`Cache::get_each`].
    pub fn get_each(&self, names: impl IntoIterator<Item: AsRef<str>>) -> Vec<Result<Option<T>>> {
        block_on(self.cache.get_each(names))
    }

    /// Stores many values with one deadline.
    ///
    /// # Errors
    ///
    /// As [`Cache::set_multi`].
    pub fn set_multi<K, V>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
        ttl: impl Into<Ttl>,
    ) -> Result<()>
    where
        K: AsRef<str>,
        V: Borrow<T>,
    {
        block_on(self.cache.set_multi(entries, ttl))
    }

    /// The value of `name`: from the cache, else from `loader`, which runs on this thread.
    ///
    /// A load belongs to the caller whose loader runs, and is not interrupted: a
    /// [timeout](crate::LoadOptionsBuilder::timeout) releases the callers that wait for it, while this
    /// call returns when its loader does. For a stale entry one caller runs its loader and the others get the
    /// stale value, even if the contract has a spawner; if it has one, a failed loader leaves its own caller
    /// the stale value too. If a caller waits for an async load that all async callers leave, it runs its own
    /// loader.
    ///
    /// # Errors
    ///
    /// As [`Cache::get_or_load`]; and `LoadDeadlock`: it would have to wait for a load, and this thread
    /// polls one that is still under way. In async code, await the async verb, or call this one in
    /// `spawn_blocking` or on a separate thread.
    #[inline]
    pub fn get_or_load<R: LoadAnswer<T>>(&self, name: &str, loader: impl FnOnce() -> R) -> Result<Option<T>> {
        self.cache.get_or_load_blocking(name, loader)
    }

    /// As [`get_or_load`](BlockingCache::get_or_load), with options for this call; also returns where the
    /// value came from.
    ///
    /// # Errors
    ///
    /// As [`Cache::get_or_load_opts`]; and `LoadDeadlock`, as [`get_or_load`](BlockingCache::get_or_load).
    pub fn get_or_load_opts<R: LoadAnswer<T>>(
        &self,
        name: &str,
        options: &LoadOptions,
        loader: impl FnOnce() -> R,
    ) -> Result<LoadOutcome<T>> {
        self.cache.get_or_load_with_blocking(name, options, loader)
    }

    /// The values of `names`, by name; missing ones come from `loader`, in one call.
    ///
    /// # Errors
    ///
    /// As [`Cache::get_or_load_multi`]; and `LoadDeadlock` for each name that it would have to wait for, as
    /// [`get_or_load`](BlockingCache::get_or_load).
    pub fn get_or_load_multi<R: LoadAnswers<T>>(
        &self,
        names: impl IntoIterator<Item: AsRef<str>>,
        loader: impl FnMut(Vec<String>) -> R,
    ) -> Result<HashMap<String, T>> {
        values(self.cache.get_or_load_multi_blocking(names, None, loader))
    }

    /// As [`get_or_load_multi`](BlockingCache::get_or_load_multi), with options for this call; also returns
    /// where each value came from.
    ///
    /// # Errors
    ///
    /// As [`Cache::get_or_load_multi_opts`]; and `LoadDeadlock`, as
    /// [`get_or_load_multi`](BlockingCache::get_or_load_multi).
    pub fn get_or_load_multi_opts<R: LoadAnswers<T>>(
        &self,
        names: impl IntoIterator<Item: AsRef<str>>,
        options: &LoadOptions,
        loader: impl FnMut(Vec<String>) -> R,
    ) -> Result<HashMap<String, LoadOutcome<T>>> {
        self.cache.get_or_load_multi_blocking(names, Some(options), loader)
    }

    /// One answer for each of `names`, in their order; missing ones come from `loader`, in one call, as in
    /// [`Cache::get_or_load_each`].
    pub fn get_or_load_each<R: LoadAnswers<T>>(
        &self,
        names: impl IntoIterator<Item: AsRef<str>>,
        loader: impl FnMut(Vec<String>) -> R,
    ) -> Vec<Result<Option<T>>> {
        values_of_each(self.cache.get_or_load_each_blocking(names, None, loader))
    }

    /// As [`get_or_load_each`](BlockingCache::get_or_load_each), with options for this call; also returns
    /// where each value came from, as [`Cache::get_or_load_each_opts`].
    pub fn get_or_load_each_opts<R: LoadAnswers<T>>(
        &self,
        names: impl IntoIterator<Item: AsRef<str>>,
        options: &LoadOptions,
        loader: impl FnMut(Vec<String>) -> R,
    ) -> Vec<Result<LoadOutcome<T>>> {
        self.cache.get_or_load_each_blocking(names, Some(options), loader)
    }

    /// The native client underneath, as [`Cache::native`].
    pub fn native<N: Any>(&self) -> Option<&N> {
        self.cache.native()
    }

    /// The async cache.
    pub fn cache(&self) -> &Cache<T> {
        &self.cache
    }
}

impl BlockingCache<i64> {
    verbs! {
        /// Adds to the counter `name` and returns the sum.
        add(name: &str, delta: i64, ttl: impl Into<Ttl>) -> i64;
    }
}

impl<T> Clone for BlockingCache<T> {
    fn clone(&self) -> Self {
        BlockingCache { cache: self.cache.clone() }
    }
}

impl<T> fmt::Debug for BlockingCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockingCache").field(&self.cache).finish()
    }
}
