//! [`Contract`]: the agreement about one namespace: its name, its provider, its codec, and, in its
//! [`ContractSettings`], how long values live and how they are loaded.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{Bare, Codec, Decimal, Framed, MessagePack, Raw};
use crate::error::Result;
use crate::handle::{Binding, ProviderHandle};
use crate::key::Namespace;
use crate::load::{LoadOptions, OnFailure, Terms};
use crate::ttl::Ttl;

mod settings;

pub use settings::ContractSettings;

/// An agreement about the values of one namespace, from which [`cache`](Contract::cache) makes
/// the typed handle that callers use.
///
/// One provider may be opened any number of times under one name with the same type and codec.
///
/// ```
/// use std::time::Duration;
/// use zbz_cache::{Contract, options};
///
/// let provider = zbz_cache::new_provider("memory", options! {})?;
/// let scores = Contract::<Vec<u32>>::new("scores", provider)?
///     .default_ttl(Duration::from_secs(600))
///     .schema(2)
///     .cache()?;
/// assert_eq!(scores.blocking().get("today")?, None);
/// # Ok::<(), zbz_cache::Error>(())
/// ```
pub struct Contract<T> {
    pub(crate) parts: Parts<T>,
}

/// The parts of a contract; a cache takes them over whole.
pub(crate) struct Parts<T> {
    pub(crate) name: String,
    pub(crate) handle: ProviderHandle,
    pub(crate) namespace: Namespace,
    pub(crate) codec: Framed<T>,
    /// The meaning of [`Ttl::Default`]: the contract's TTL, or else the provider's.
    pub(crate) default_ttl: Ttl,
    pub(crate) load_options: LoadOptions,
    /// What they come to.
    pub(crate) terms: Terms,
    /// While it lives, no contract with another type or codec opens under this name.
    pub(crate) binding: Arc<Binding>,
}

impl<T: Serialize + DeserializeOwned + 'static> Contract<T> {
    /// A contract whose values are encoded by the default codec, [`MessagePack`].
    ///
    /// # Errors
    ///
    /// `Config`: the name is empty or too long, or is open on this provider with another type or
    /// codec.
    pub fn new(name: &str, provider: ProviderHandle) -> Result<Self> {
        Contract::with_codec(name, provider, MessagePack)
    }
}

impl<T: 'static> Contract<T> {
    /// A contract with another codec. A codec of your own is trusted to decode what it encoded; see
    /// [`Codec::check`].
    ///
    /// # Errors
    ///
    /// As [`new`](Contract::new).
    pub fn with_codec<C: Codec<T>>(name: &str, provider: ProviderHandle, codec: C) -> Result<Self> {
        Contract::open::<C>(name, provider, Framed::with_header(name, codec))
    }

    fn open<C: Codec<T>>(name: &str, handle: ProviderHandle, codec: Framed<T>) -> Result<Self> {
        let limits = handle.provider().limits();
        let namespace = Namespace::new(name, limits).map_err(|error| handle.name_error(error, "contract"))?;
        let binding = handle.bind::<T, C>(&namespace)?;
        let (name, default_ttl) = (name.to_owned(), told_default(&handle));
        let parts = Parts {
            name,
            handle,
            namespace,
            codec,
            default_ttl,
            load_options: LoadOptions::default(),
            terms: Terms::plain(),
            binding,
        };
        Ok(Contract { parts })
    }

    /// The deadline of values that are set with [`Ttl::Default`]; see
    /// [`ContractSettings::default_ttl`].
    pub fn default_ttl(self, ttl: impl Into<Ttl>) -> ContractSettings<T> {
        ContractSettings::of(self).default_ttl(ttl)
    }

    /// How loads are done unless a call says otherwise; see [`ContractSettings::load_options`].
    pub fn load_options(self, options: LoadOptions) -> ContractSettings<T> {
        ContractSettings::of(self).load_options(options)
    }

    /// The schema number of the values, 0 unless set; see [`ContractSettings::schema`].
    pub fn schema(self, schema: u16) -> ContractSettings<T> {
        ContractSettings::of(self).schema(schema)
    }

    /// How loads and plain reads behave while the provider does not answer; see
    /// [`ContractSettings::on_failure`].
    pub fn on_failure(self, on_failure: OnFailure) -> ContractSettings<T> {
        ContractSettings::of(self).on_failure(on_failure)
    }

    /// Its name, which is the namespace of its keys.
    pub fn name(&self) -> &str {
        &self.parts.name
    }
}

/// The default TTL that a provider declares. A default of never counts as none.
fn told_default(handle: &ProviderHandle) -> Ttl {
    match handle.provider().default_ttl() {
        Ttl::Never => Ttl::Default,
        told => told,
    }
}

impl<T: Raw> Contract<T> {
    /// A contract of plain bytes, without codec and header: `Bytes`, `Vec<u8>` or `String`.
    ///
    /// # Errors
    ///
    /// As [`new`](Contract::new).
    pub fn raw(name: &str, provider: ProviderHandle) -> Result<Self> {
        Contract::open::<Bare>(name, provider, Framed::bare(name, Bare))
    }
}

impl Contract<i64> {
    /// A contract of counters, stored as plain decimal numbers.
    ///
    /// # Errors
    ///
    /// As [`new`](Contract::new).
    pub fn counter(name: &str, provider: ProviderHandle) -> Result<Self> {
        Contract::open::<Decimal>(name, provider, Framed::bare(name, Decimal))
    }
}

impl<T> fmt::Debug for Contract<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contract")
            .field("name", &self.parts.name)
            .field("provider", &self.parts.handle)
            .finish_non_exhaustive()
    }
}
