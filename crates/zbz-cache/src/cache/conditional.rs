//! The conditional verbs, and those that read and write in one step.

use std::future::Future;

use super::{Cache, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::load::state_of;
use crate::provider::{Condition, Found, SetOptions, SetOutcome, Version};
use crate::scratch;
use crate::ttl::{Ttl, TtlState};

/// A value, and its version for a later [`compare_and_swap`](Cache::compare_and_swap).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// The version of the bytes it was read from.
    pub version: Version,
    /// The remaining time.
    pub ttl: TtlState,
}

impl<T: 'static> Cache<T> {
    /// Stores the value if there is none, in one step. A key that is known to be absent
    /// ([`Loaded::absent`](crate::Loaded::absent)) has none. Its entry is replaced by version, so a provider
    /// without versions refuses until that entry has expired.
    ///
    /// # Errors
    ///
    /// As [`set`](Cache::set), and `Unsupported` by a provider without
    /// [`conditions`](crate::provider::Capabilities::conditions).
    pub fn set_if_absent(
        &self,
        name: &str,
        value: &T,
        ttl: impl Into<Ttl>,
    ) -> impl Future<Output = Result<SetOutcome>> + Send {
        let (shared, ttl) = (&*self.shared, ttl.into());
        let encoded = shared.encode(value, ttl);
        let options = SetOptions::new(ttl.or(shared.parts.default_ttl));
        async move {
            let stored = match encoded {
                Ok(bytes) => shared.set_if_absent(name, &bytes, &options).await,
                Err(error) => Err(error),
            };
            stored.map_err(|error| shared.named(error, "set_if_absent"))
        }
    }

    /// Stores the value if there is one, in one step. A key that is known to be absent has none; that is
    /// checked before the step.
    ///
    /// # Errors
    ///
    /// As [`set_if_absent`](Cache::set_if_absent).
    pub fn replace(
        &self,
        name: &str,
        value: &T,
        ttl: impl Into<Ttl>,
    ) -> impl Future<Output = Result<SetOutcome>> + Send {
        let (shared, ttl) = (&*self.shared, ttl.into());
        let encoded = shared.encode(value, ttl);
        let options = SetOptions::new(ttl.or(shared.parts.default_ttl));
        async move {
            let stored = match encoded {
                Ok(bytes) => shared.replace(name, &bytes, options).await,
                Err(error) => Err(error),
            };
            stored.map_err(|error| shared.named(error, "replace"))
        }
    }

    /// Stores the value with `options`: under a condition, keeping the deadline of a live entry, or both. The
    /// TTL works as in [`set`](Cache::set), and the conditions absent and present as in
    /// [`set_if_absent`](Cache::set_if_absent) and [`replace`](Cache::replace).
    ///
    /// ```
    /// use std::time::Duration;
    /// use zbz_cache::provider::{SetOptions, SetOutcome};
    /// use zbz_cache::{Contract, Ttl, TtlState, options};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> zbz_cache::Result<()> {
    /// let provider = zbz_cache::new_provider("memory", options! {})?;
    /// let sessions = Contract::<String>::new("sessions", provider)?.cache();
    /// sessions.set("1", &"new".to_owned(), Duration::from_secs(60)).await?;
    /// let changed = SetOptions::new(Ttl::Never).keep_deadline();
    /// assert_eq!(sessions.set_opts("1", &"seen".to_owned(), changed).await?, SetOutcome::Stored);
    /// assert!(matches!(sessions.ttl("1").await?, TtlState::Remaining(_)), "it ends when it would have");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`set`](Cache::set), and `Unsupported` if the provider lacks an ability that `options` need.
    pub fn set_opts(
        &self,
        name: &str,
        value: &T,
        options: SetOptions,
    ) -> impl Future<Output = Result<SetOutcome>> + Send {
        let shared = &*self.shared;
        let encoded = shared.encode(value, options.ttl);
        let options = SetOptions { ttl: options.ttl.or(shared.parts.default_ttl), ..options };
        async move {
            let stored = match (encoded, &options.condition) {
                (Err(error), _) => Err(error),
                (Ok(bytes), Condition::Absent) => shared.set_if_absent(name, &bytes, &options).await,
                (Ok(bytes), Condition::Present) => shared.replace(name, &bytes, options).await,
                (Ok(bytes), _) => shared.set_bytes(name, &bytes, options).await,
            };
            stored.map_err(|error| shared.named(error, "set_opts"))
        }
    }

    /// The value of `name` with its version. Counts a lookup, as [`get`](Cache::get).
    ///
    /// # Errors
    ///
    /// `InvalidKey`; `Unsupported` by a provider without
    /// [`versions`](crate::provider::Capabilities::versions).
    pub fn get_versioned(&self, name: &str) -> impl Future<Output = Result<Option<Versioned<T>>>> + Send {
        let shared = &*self.shared;
        async move {
            if !shared.provider.capabilities().versions {
                return Err(shared.named(Error::unsupported("get_versioned"), "get_versioned"));
            }
            let read = shared.start(name, |provider, key| provider.get(key, scratch::take())).await;
            let read = read.map_err(|error| shared.named(error, "get_versioned"))?;
            let found = read.found;
            let value = shared.finish_read(read)?;
            Ok(value.zip(found).and_then(|(value, found)| {
                Some(Versioned { value, version: found.version()?, ttl: state_of(found.remaining) })
            }))
        }
    }

    /// Stores the value if the entry still holds the bytes of that version, in one step. Equal bytes that were
    /// set again may match. After a change of the deadline or an internal move the swap may be refused, so
    /// read again and retry.
    ///
    /// ```
    /// use zbz_cache::provider::SetOutcome;
    /// use zbz_cache::{Contract, Ttl, options};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> zbz_cache::Result<()> {
    /// let provider = zbz_cache::new_provider("memory", options! {})?;
    /// let carts = Contract::<Vec<String>>::new("carts", provider)?.cache();
    /// carts.set("ann", &vec!["tea".into()], Ttl::Never).await?;
    /// while let Some(mut cart) = carts.get_versioned("ann").await? {
    ///     cart.value.push("cake".into());
    ///     let swapped = carts.compare_and_swap("ann", cart.version, &cart.value, Ttl::Never).await?;
    ///     if swapped == SetOutcome::Stored {
    ///         break;
    ///     }
    /// }
    /// assert_eq!(carts.get("ann").await?.unwrap().len(), 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`set`](Cache::set), and `Unsupported` by a provider without
    /// [`versions`](crate::provider::Capabilities::versions).
    pub fn compare_and_swap(
        &self,
        name: &str,
        version: Version,
        value: &T,
        ttl: impl Into<Ttl>,
    ) -> impl Future<Output = Result<SetOutcome>> + Send {
        let (shared, ttl) = (&*self.shared, ttl.into());
        let encoded = shared.encode(value, ttl);
        let options = SetOptions::new(ttl.or(shared.parts.default_ttl)).when(Condition::Version(version));
        async move { shared.store(name, encoded, options, "compare_and_swap").await }
    }

    /// Removes `name` and returns its value, in one step: at most one of several callers gets it. Counts no
    /// lookup. Bytes that do not decode are removed too.
    ///
    /// # Errors
    ///
    /// `InvalidKey`; `Unsupported` by a provider without
    /// [`take`](crate::provider::Capabilities::take).
    pub fn take(&self, name: &str) -> impl Future<Output = Result<Option<T>>> + Send {
        let shared = &*self.shared;
        async move {
            let taken = shared.write(name, |provider, key| provider.take(key, scratch::take())).await;
            let taken = taken.map_err(|error| shared.named(error, "take"))?;
            let value = taken.found.and_then(|_| shared.parts.codec.decode(&taken.buffer));
            scratch::give(taken.buffer);
            Ok(value)
        }
    }
}

/// The version of no entry: every provider leaves some of the 128 bits unset.
const NO_VERSION: Version = Version::from_u128(u128::MAX);

impl<T: 'static> Shared<T> {
    async fn set_if_absent(&self, name: &str, value: &[u8], options: &SetOptions) -> Result<SetOutcome> {
        loop {
            let set = options.clone().when(Condition::Absent);
            if self.set_bytes(name, value, set).await? == SetOutcome::Stored {
                return Ok(SetOutcome::Stored);
            }
            // To the provider a known absence is an entry; its version lets the value replace exactly that
            // entry. If that fails, the key holds something else by now, and is checked again.
            let Some(version) = self.known_absence(name).await?.and_then(|found| found.version()) else {
                return Ok(SetOutcome::ConditionFailed);
            };
            let swap = options.clone().when(Condition::Version(version));
            if self.set_bytes(name, value, swap).await? == SetOutcome::Stored {
                return Ok(SetOutcome::Stored);
            }
        }
    }

    async fn replace(&self, name: &str, value: &[u8], options: SetOptions) -> Result<SetOutcome> {
        match self.known_absence(name).await?.map(|found| found.version()) {
            // Tried nevertheless, so that a caller without the right to write gets that error in every case.
            Some(Some(_)) => {
                return self.set_bytes(name, value, options.when(Condition::Version(NO_VERSION))).await;
            }
            Some(None) => return Ok(SetOutcome::ConditionFailed),
            None => {}
        }
        self.set_bytes(name, value, options.when(Condition::Present)).await
    }

    async fn set_bytes(&self, name: &str, value: &[u8], options: SetOptions) -> Result<SetOutcome> {
        self.write(name, |provider, key| provider.set(key, value, options)).await
    }

    /// The version of the entry that says that `name` is absent, if there is one.
    async fn known_absence(&self, name: &str) -> Result<Option<Found>> {
        if !self.parts.codec.has_header() {
            return Ok(None);
        }
        let read = self.start(name, |provider, key| provider.get(key, scratch::take())).await?;
        let found = read.found.filter(|_| self.parts.codec.is_absence(&read.buffer));
        scratch::give(read.buffer);
        Ok(found)
    }
}

impl Cache<i64> {
    /// Adds `delta`, which may be negative, to the counter `name` and returns the sum, in one step. An absent
    /// counter starts at 0 and gets `ttl`; an existing one keeps its deadline. For contracts made by
    /// [`Contract::counter`](crate::Contract::counter).
    ///
    /// # Errors
    ///
    /// `InvalidValue`: the entry is not a counter, the sum does not fit an `i64`, or the contract is not one
    /// of counters; nothing was changed. `Unsupported` by a provider without
    /// [`counters`](crate::provider::Capabilities::counters).
    pub fn add(
        &self,
        name: &str,
        delta: i64,
        ttl: impl Into<Ttl>,
    ) -> impl Future<Output = Result<i64>> + Send {
        let shared = &*self.shared;
        let ttl = ttl.into().or(shared.parts.default_ttl);
        let is_counter = !shared.parts.codec.has_header();
        async move {
            let sum = if is_counter {
                shared.write(name, |provider, key| provider.add(key, delta, ttl)).await
            } else {
                Err(Error::new(
                    ErrorKind::InvalidValue,
                    "this contract holds encoded numbers; counters are made by Contract::counter",
                ))
            };
            sum.map_err(|error| shared.named(error, "add"))
        }
    }
}
