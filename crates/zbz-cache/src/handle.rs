//! [`ProviderHandle`]: a shared provider, as users hold it.

mod ready;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::{Error, Result};
use crate::flight::Flights;
use crate::key::Namespace;
use crate::provider::{Health, HealthSink, Invalidation, Provider, Subscription};
use crate::stats::Stats;

/// A shared provider: cloning is cheap, and all contracts made from clones of one handle share its
/// entries. Made by [`new_provider`](crate::new_provider) or from a [`Provider`].
///
/// Dropping the last clone (caches hold one each) closes the provider without waiting for it.
/// After a fork the child process must not use it.
#[derive(Clone)]
pub struct ProviderHandle {
    shared: Arc<Shared>,
}

struct Shared {
    name: Arc<str>,
    provider: Arc<dyn Provider>,
    /// The type and codec of each namespace in use; a namespace is in use as long as a contract of it lives.
    bindings: Mutex<HashMap<Vec<u8>, Weak<Binding>>>,
    flights: Arc<Flights>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Only background refreshes are left; every other load holds the handle.
        self.flights.close();
    }
}

/// The type and codec of one namespace; kept by every contract and cache of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    value: TypeId,
    codec: TypeId,
}

impl ProviderHandle {
    /// Makes a handle of this provider, for a provider that is not made by name.
    pub fn new(provider: impl Provider) -> Self {
        ProviderHandle::from_shared(Arc::new(provider))
    }

    pub(crate) fn from_shared(provider: Arc<dyn Provider>) -> Self {
        let (name, flights) = (Arc::from(provider.name()), Flights::new());
        let loads = Arc::downgrade(&flights);
        provider.tell_changes(Arc::new(move |changed| {
            if let Some(flights) = loads.upgrade() {
                flights.told(changed);
            }
        }));
        let shared = Shared { name, provider, bindings: Mutex::default(), flights };
        ProviderHandle { shared: Arc::new(shared) }
    }

    /// The provider's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The provider's byte verbs, below contracts: no namespaces, no codecs, and no lookup is counted unless
    /// the caller records it. Loads under way do not notice writes made here or by the native client: call
    /// [`revoke_loads`](ProviderHandle::revoke_loads) after them.
    pub fn provider(&self) -> &Arc<dyn Provider> {
        &self.shared.provider
    }

    /// The native client underneath, if it is an `N`: [`MemoryCache`](crate::MemoryCache) for
    /// "memory".
    pub fn native<N: Any>(&self) -> Option<&N> {
        self.shared.provider.native()?.downcast_ref()
    }

    /// Tells loads under way that entries changed elsewhere. Their values reach their callers and are not
    /// stored, and later callers wait for a load that begins after this call. The keys are stored keys,
    /// namespace and name joined. Verbs of caches do this by themselves.
    pub fn revoke_loads(&self, changed: Invalidation<'_>) {
        self.shared.flights.told(changed);
    }

    /// Whether each of the provider's servers answers. Neither waits nor sends anything. Empty for a provider
    /// that has no servers or does not watch them.
    pub fn health(&self) -> Health {
        self.shared.provider.health()
    }

    /// Calls `sink` for each change of a server's state, until the subscription is dropped. It runs on the
    /// provider's own thread: it must be quick and never block. `None` from a provider that has no servers or
    /// does not watch them. While there is a subscription, a server that is down is probed.
    pub fn tell_health(&self, sink: HealthSink) -> Option<Subscription> {
        self.shared.provider.tell_health(sink)
    }

    pub(crate) fn flights(&self) -> &Arc<Flights> {
        &self.shared.flights
    }

    /// The provider's counters, over all namespaces, and those of loads through this handle.
    ///
    /// # Errors
    ///
    /// Those of the provider: over a network it may be unreachable.
    pub async fn stats(&self) -> Result<Stats> {
        let stats = self.shared.provider.stats().await;
        stats.map(|stats| self.with_loads(stats)).map_err(|error| self.name_error(error, "stats"))
    }

    fn with_loads(&self, stats: Stats) -> Stats {
        let flights = &self.shared.flights;
        flights.counters.fill(stats, flights.under_way())
    }

    /// Closes the provider for every clone of the handle: from then on each verb returns `Closed`, as do
    /// loads under way. Idempotent.
    ///
    /// # Errors
    ///
    /// Those of the provider.
    pub async fn close(&self) -> Result<()> {
        let closed = self.shared.provider.close().await;
        self.shared.flights.close();
        closed.map_err(|error| self.name_error(error, "close"))
    }

    /// [`stats`](ProviderHandle::stats) without async: this thread blocks until the answer comes. With a
    /// provider across a network do not call it on an async executor's own threads.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn blocking_stats(&self) -> Result<Stats> {
        let stats = self.shared.provider.stats().wait();
        stats.map(|stats| self.with_loads(stats)).map_err(|error| self.name_error(error, "stats"))
    }

    /// [`close`](ProviderHandle::close) without async: this thread blocks as in
    /// [`blocking_stats`](ProviderHandle::blocking_stats).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn blocking_close(&self) -> Result<()> {
        let closed = self.shared.provider.close().wait();
        self.shared.flights.close();
        closed.map_err(|error| self.name_error(error, "close"))
    }

    #[cold]
    pub(crate) fn name_error(&self, error: Error, operation: &'static str) -> Error {
        error.with_provider(&self.shared.name).with_operation(operation)
    }

    /// The prefixes of the living contracts' keys.
    fn open_prefixes(&self) -> Vec<Vec<u8>> {
        let bindings = self.shared.bindings.lock().unwrap_or_else(PoisonError::into_inner);
        bindings
            .iter()
            .filter(|(_, held)| held.strong_count() > 0)
            .map(|(prefix, _)| prefix.clone())
            .collect()
    }

    /// Claims a namespace for values of `T` under the codec `C`.
    ///
    /// # Errors
    ///
    /// `Config`: a living contract holds it for another type or codec.
    pub(crate) fn bind<T: 'static, C: 'static>(&self, namespace: &Namespace) -> Result<Arc<Binding>> {
        self.bind_as(Binding { value: TypeId::of::<T>(), codec: TypeId::of::<C>() }, namespace)
    }

    /// Claims another namespace for what this one is bound to.
    ///
    /// # Errors
    ///
    /// As [`bind`](ProviderHandle::bind).
    pub(crate) fn bind_like(&self, binding: &Binding, namespace: &Namespace) -> Result<Arc<Binding>> {
        self.bind_as(Binding { value: binding.value, codec: binding.codec }, namespace)
    }

    fn bind_as(&self, wanted: Binding, namespace: &Namespace) -> Result<Arc<Binding>> {
        let mut bindings = self.shared.bindings.lock().unwrap_or_else(PoisonError::into_inner);
        match bindings.get(namespace.prefix()).and_then(Weak::upgrade) {
            Some(held) if *held == wanted => return Ok(held),
            Some(_) => {
                let message = format!(
                    "the contract {:?} is open on this provider with another type or codec; \
                     give this one another name, or drop the other first",
                    namespace.name()
                );
                return Err(self.name_error(Error::config(message), "contract"));
            }
            None => {}
        }
        let binding = Arc::new(wanted);
        // Dead entries go when the table would otherwise grow, so it never holds more than twice
        // the namespaces that live.
        if bindings.len() == bindings.capacity() {
            bindings.retain(|_, held| held.strong_count() > 0);
        }
        bindings.insert(namespace.prefix().to_vec(), Arc::downgrade(&binding));
        Ok(binding)
    }
}

impl fmt::Debug for ProviderHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProviderHandle").field(&self.name()).finish()
    }
}
