//! [`Cache`]: the typed handle, and all its verbs.
//!
//! Each verb has three steps. All work that needs `T` or the caller's arguments is done at the call. The
//! provider's verb begins at the first poll of the future. Decoding follows the provider's answer. No
//! value of `T` lives across a wait, so the futures are `Send` for every `T`.

use std::any::Any;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::contract::{Contract, ContractSettings, Parts};
use crate::error::{Error, Result};
use crate::flight::Flights;
use crate::handle::ProviderHandle;
use crate::provider::{Lookups, Provider, Read, SetOptions};
use crate::reply::Reply;
use crate::scratch;
use crate::stats::Stats;
use crate::ttl::{Lifetime, Ttl, TtlState};

mod batch;
mod conditional;
mod listing;
pub(crate) mod load;
mod outage;
mod write;

pub use conditional::Versioned;
pub use listing::NamePage;

use batch::{Names, Values};

/// A typed cache: one namespace of one provider. Cheap to clone, and `Send` and `Sync` for every `T`.
///
/// Its futures do nothing before they are polled. They may be dropped at any point; the verb then took
/// effect or did not, never half. On the memory provider they are ready at the first poll. Every verb
/// returns `Closed` once the provider was closed, and over a network may return `Timeout` or
/// `Unavailable`; `# Errors` lists only the others. A batch without any valid name does not reach the
/// provider, and changes nothing.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> zbz_cache::Result<()> {
/// use std::time::Duration;
/// use zbz_cache::{Contract, options};
///
/// let provider = zbz_cache::new_provider("memory", options! {})?;
/// let names = Contract::<String>::new("names", provider)?.cache();
/// names.set("1", &"Ann".to_owned(), Duration::from_secs(60)).await?;
/// assert_eq!(names.get("1").await?.as_deref(), Some("Ann"));
/// # Ok(()) }
/// ```
pub struct Cache<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    /// The provider of `handle`, kept here to save a pointer.
    provider: Arc<dyn Provider>,
    parts: Parts<T>,
}

impl<T: 'static> Contract<T> {
    /// The typed handle.
    #[must_use]
    pub fn cache(self) -> Cache<T> {
        let parts = self.parts;
        Cache { shared: Arc::new(Shared { provider: Arc::clone(parts.handle.provider()), parts }) }
    }
}

impl<T: 'static> ContractSettings<T> {
    /// The typed handle.
    ///
    /// # Errors
    ///
    /// As [`build`](ContractSettings::build).
    pub fn cache(self) -> Result<Cache<T>> {
        Ok(self.build()?.cache())
    }
}

impl<T: 'static> Cache<T> {
    /// The value of `name`; `None` if it is absent or expired, or if its bytes do not decode (which is
    /// counted). A hit is exactly the value that was set: [`set`](Cache::set) refuses values that would not
    /// come back equal (see [`codec`](crate::codec)).
    ///
    /// In memory it allocates only what `T` needs, for values up to 64 KiB and keys up to 256 bytes. A
    /// thread's first read also registers the thread.
    ///
    /// # Errors
    ///
    /// `InvalidKey`.
    pub fn get(&self, name: &str) -> impl Future<Output = Result<Option<T>>> + Send {
        let shared = &*self.shared;
        async move {
            let read = shared.start(name, |provider, key| provider.get_value(key, scratch::take())).await;
            match read {
                Ok(read) => shared.finish_read(read),
                Err(error) => shared.get_without_answer(error),
            }
        }
    }

    /// Stores a value for `ttl` from the moment of the write: a `Duration`, [`Ttl::Never`] or
    /// [`Ttl::Default`]. Zero leaves the entry absent.
    ///
    /// # Errors
    ///
    /// `TooLarge`: more than the provider can ever hold; the old value is gone, or the message says
    /// that it could not be removed. `InvalidKey`, `Codec` (the value would not come back equal),
    /// `Full` (configured to reject rather than evict): nothing was changed. `Timeout` and
    /// `Unavailable`: the outcome is unknown.
    pub fn set(&self, name: &str, value: &T, ttl: impl Into<Ttl>) -> impl Future<Output = Result<()>> + Send {
        let (shared, ttl) = (&*self.shared, ttl.into());
        let encoded = shared.encode(value, ttl);
        let options = SetOptions::new(ttl.or(shared.parts.default_ttl));
        async move {
            let stored = shared.store(name, encoded, options, "set").await.map(drop);
            stored.or_else(|error| shared.without_store(error, ttl))
        }
    }

    /// Removes `name`; true if it existed.
    ///
    /// # Errors
    ///
    /// `InvalidKey`.
    pub fn delete(&self, name: &str) -> impl Future<Output = Result<bool>> + Send {
        self.write_verb("delete", name, |provider, key| provider.delete(key))
    }

    /// Whether `name` exists. Counts no lookup.
    ///
    /// # Errors
    ///
    /// `InvalidKey`.
    pub fn exists(&self, name: &str) -> impl Future<Output = Result<bool>> + Send {
        let shared = &*self.shared;
        async move {
            let exists = shared.start(name, |provider, key| provider.exists(key)).await;
            exists.or_else(|error| shared.without_answer(error, "exists", false))
        }
    }

    /// The entry's remaining time. Counts no lookup.
    ///
    /// # Errors
    ///
    /// `InvalidKey`.
    pub fn ttl(&self, name: &str) -> impl Future<Output = Result<TtlState>> + Send {
        let shared = &*self.shared;
        async move {
            let state = shared.start(name, |provider, key| provider.ttl(key)).await;
            state.or_else(|error| shared.without_answer(error, "ttl", TtlState::Missing))
        }
    }

    /// Gives the entry a new deadline, `ttl` from now; true if it existed. Zero deletes it.
    ///
    /// # Errors
    ///
    /// `InvalidKey`.
    pub fn expire(&self, name: &str, ttl: impl Into<Ttl>) -> impl Future<Output = Result<bool>> + Send {
        let ttl = ttl.into().or(self.shared.parts.default_ttl);
        let shared = &*self.shared;
        // Only a removal revokes loads: a caller that moves the deadline at each read would
        // otherwise never see the entry refreshed. The provider's own default is not known here and may be zero.
        let removes = matches!(ttl, Ttl::Default) || ttl.lifetime() == Lifetime::Gone;
        async move {
            let expired = match removes {
                true => shared.write(name, |provider, key| provider.expire(key, ttl)).await,
                false => shared.start(name, |provider, key| provider.expire(key, ttl)).await,
            };
            expired.map_err(|error| shared.named(error, "expire"))
        }
    }

    /// Removes the entry's deadline; true if the entry existed.
    ///
    /// # Errors
    ///
    /// `InvalidKey`.
    pub fn persist(&self, name: &str) -> impl Future<Output = Result<bool>> + Send {
        self.verb("persist", name, |provider, key| provider.expire(key, Ttl::Never))
    }

    /// The values of those of `names` that exist, by name. Not atomic.
    ///
    /// # Errors
    ///
    /// If some names fail (`InvalidKey`, a part of the provider that cannot be reached):
    /// [`Error::batch_outcome`] says which. [`get_each`](Cache::get_each) returns the others' values even so.
    pub fn get_multi<I>(&self, names: I) -> impl Future<Output = Result<HashMap<String, T>>> + Send
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let (shared, names) = (&*self.shared, Names::new(&self.shared.parts.namespace, names));
        async move {
            let batch = shared.read_batch(&names).await?;
            let values = shared.decode_batch(&batch);
            let pairs = names.into_names().zip(values);
            Ok(pairs.filter_map(|(name, value)| Some((name, value?))).collect())
        }
    }

    /// One answer for each of `names`, in their order, as [`get`](Cache::get) would give it. An error of one
    /// name is that name's answer alone; an error of the whole call is the answer of every name. Not atomic.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> zbz_cache::Result<()> {
    /// use zbz_cache::{Contract, ErrorKind, Ttl, options};
    ///
    /// let provider = zbz_cache::new_provider("memory", options! {})?;
    /// let ages = Contract::<u32>::new("ages", provider)?.cache();
    /// ages.set("ann", &30, Ttl::Never).await?;
    /// let each = ages.get_each(["ann", "", "bob"]).await;
    /// assert_eq!(each[0].as_ref().ok(), Some(&Some(30)));
    /// assert_eq!(each[1].as_ref().unwrap_err().kind(), ErrorKind::InvalidKey);
    /// assert_eq!(each[2].as_ref().ok(), Some(&None));
    /// # Ok(()) }
    /// ```
    pub fn get_each<I>(&self, names: I) -> impl Future<Output = Vec<Result<Option<T>>>> + Send
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let (shared, names) = (&*self.shared, Names::new(&self.shared.parts.namespace, names));
        async move { shared.read_each(&names).await }
    }

    /// Stores many values with one deadline. Not atomic: every entry is tried, and the last of
    /// two equal names wins.
    ///
    /// # Errors
    ///
    /// If some entries fail, with the errors of [`set`](Cache::set): [`Error::batch_outcome`] has the names
    /// that were stored, and each failed name's error.
    pub fn set_multi<I, K, V>(
        &self,
        entries: I,
        ttl: impl Into<Ttl>,
    ) -> impl Future<Output = Result<()>> + Send
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: Borrow<T>,
    {
        let shared = &*self.shared;
        let ttl = ttl.into().or(shared.parts.default_ttl);
        let values = Values::new(&shared.parts, ttl, entries);
        async move {
            let _writing = values.announce(shared.flights());
            let stored = values.start(&*shared.provider, ttl).await;
            let stored = shared.without_stores(stored, &values, ttl);
            values.finish(stored).map_err(|error| shared.named(error, "set_multi"))
        }
    }

    /// Removes many names; returns how many existed. Not atomic.
    ///
    /// # Errors
    ///
    /// If some names fail: [`Error::batch_outcome`] says which.
    pub fn delete_multi<I>(&self, names: I) -> impl Future<Output = Result<u64>> + Send
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let (shared, names) = (&*self.shared, Names::new(&self.shared.parts.namespace, names));
        async move {
            let _writing = names.announce(shared.flights());
            let deleted = names.start(|keys| shared.provider.delete_multi(keys)).await;
            let deleted = deleted.map_err(|error| shared.named(error, "delete_multi"))?;
            names.finish(&deleted.failed).map_err(|error| shared.named(error, "delete_multi"))?;
            Ok(deleted.count)
        }
    }

    /// The counters of the whole provider, over all namespaces.
    ///
    /// # Errors
    ///
    /// None of its own.
    pub async fn stats(&self) -> Result<Stats> {
        self.shared.parts.handle.stats().await
    }

    /// The native client underneath, if it is an `N`: [`MemoryCache`](crate::MemoryCache) for
    /// "memory".
    pub fn native<N: Any>(&self) -> Option<&N> {
        self.shared.parts.handle.native()
    }

    /// The name of its contract.
    pub fn name(&self) -> &str {
        &self.shared.parts.name
    }

    /// The handle of its provider.
    pub fn handle(&self) -> &ProviderHandle {
        &self.shared.parts.handle
    }

    /// As [`verb`](Self::verb), for a verb that may remove the entry.
    fn write_verb<'a, R: Send>(
        &'a self,
        operation: &'static str,
        name: &str,
        begin: impl FnOnce(&'a dyn Provider, &[u8]) -> Reply<'a, R> + Send,
    ) -> impl Future<Output = Result<R>> + Send {
        let shared = &*self.shared;
        async move { shared.write(name, begin).await.map_err(|error| shared.named(error, operation)) }
    }

    /// A verb on one key that neither encodes nor decodes.
    fn verb<'a, R: Send>(
        &'a self,
        operation: &'static str,
        name: &str,
        begin: impl FnOnce(&'a dyn Provider, &[u8]) -> Reply<'a, R> + Send,
    ) -> impl Future<Output = Result<R>> + Send {
        let shared = &*self.shared;
        async move { shared.start(name, begin).await.map_err(|error| shared.named(error, operation)) }
    }
}

impl<T: 'static> Shared<T> {
    /// Joins the key and begins the provider's verb; an invalid key is answered at once.
    #[inline]
    fn start<'a, R>(
        &'a self,
        name: &str,
        begin: impl FnOnce(&'a dyn Provider, &[u8]) -> Reply<'a, R>,
    ) -> Reply<'a, R> {
        let begun = self.parts.namespace.with_key(name, |key| begin(&*self.provider, key));
        begun.unwrap_or_else(|error| Reply::ready(Err(error)))
    }

    fn finish_read(&self, read: Read) -> Result<Option<T>> {
        let value = read.found.and_then(|_| self.parts.codec.decode(&read.buffer));
        self.provider.record_lookups(self.lookups(value.is_some(), read.found.is_some(), &read.buffer));
        scratch::give(read.buffer);
        Ok(value)
    }

    /// The kind of lookup of one key that found these bytes.
    fn lookups(&self, decoded: bool, found: bool, bytes: &[u8]) -> Lookups {
        match (decoded, found) {
            (true, _) => Lookups::HIT,
            (false, false) => Lookups::MISS,
            (false, true) if self.parts.codec.is_absence(bytes) => Lookups::KNOWN_ABSENCE,
            (false, true) => Lookups::UNDECODABLE,
        }
    }

    fn flights(&self) -> &Arc<Flights> {
        self.parts.handle.flights()
    }

    #[cold]
    fn named(&self, error: Error, operation: &'static str) -> Error {
        self.parts.handle.name_error(error, operation)
    }
}

impl<T> Clone for Cache<T> {
    fn clone(&self) -> Self {
        Cache { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &self.shared.parts;
        f.debug_struct("Cache")
            .field("name", &parts.name)
            .field("provider", &parts.handle)
            .finish_non_exhaustive()
    }
}
