//! [`ContractSettings`]: the optional settings of a contract, validated together.

use std::fmt;

use super::{Contract, told_default};
use crate::error::Result;
use crate::key::Namespace;
use crate::load::{LoadOptions, OnFailure, Terms};
use crate::ttl::Ttl;

/// A contract with settings. They may be given in any order, and the last of a kind counts. They are
/// validated when the contract is [built](ContractSettings::build) or the
/// [cache](ContractSettings::cache) is made.
///
/// ```
/// use std::time::Duration;
/// use zbz_cache::{Contract, LoadOptions, options};
///
/// let provider = zbz_cache::new_provider("memory", options! {})?;
/// let fresh = LoadOptions::builder().fresh_for(Duration::from_secs(60)).refresh_by_callers().build()?;
/// let users = Contract::<String>::new("users", provider.clone())?.load_options(fresh.clone());
/// let cache = users.default_ttl(Duration::from_secs(300)).cache()?;
///
/// let names = Contract::<String>::new("names", provider)?.load_options(fresh);
/// assert!(names.cache().is_err(), "nothing is stale without a ttl");
/// # drop(cache);
/// # Ok::<(), zbz_cache::Error>(())
/// ```
#[must_use = "settings do nothing until a cache is made"]
pub struct ContractSettings<T> {
    contract: Contract<T>,
    default_ttl: Option<Ttl>,
    load_options: Option<LoadOptions>,
    schema: Option<u16>,
    on_failure: Option<OnFailure>,
}

impl<T: 'static> ContractSettings<T> {
    pub(super) fn of(contract: Contract<T>) -> Self {
        ContractSettings { contract, default_ttl: None, load_options: None, schema: None, on_failure: None }
    }

    /// The TTL of values that are set with [`Ttl::Default`]; without it the provider's. A TTL of zero, with
    /// which such values are never stored, is logged as a warning.
    pub fn default_ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        let ttl = ttl.into();
        ttl.warn_if_gone(self.contract.name());
        self.default_ttl = Some(ttl);
        self
    }

    /// How loads are done unless a call says otherwise; see [`LoadOptions`]. They are validated against the
    /// [`default_ttl`](ContractSettings::default_ttl), or without one against the
    /// [provider's](crate::Provider::default_ttl). With a `fresh_for`, entries that are set become stale as
    /// loaded ones do.
    pub fn load_options(mut self, options: LoadOptions) -> Self {
        self.load_options = Some(options);
        self
    }

    /// The schema number of the values, 0 unless set; raise it when a change of the type would make old values
    /// wrong. It is a part of the stored keys, so the values of two numbers live side by side: while a new version
    /// of a program is rolled out, old and new processes neither read nor overwrite each other's values. Listings
    /// and clears see those of their own number. What is left of an old number ends by its deadlines. A server
    /// that limits its user to keys has to allow `:<number>:<namespace>:*` too.
    pub fn schema(mut self, schema: u16) -> Self {
        self.schema = Some(schema);
        self
    }

    /// How loads and plain reads behave while the provider does not answer. Unless set, loads go on and plain
    /// verbs return the error ([`OnFailure::LoadAround`]).
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = Some(on_failure);
        self
    }

    /// Validates the settings, and makes the contract.
    ///
    /// # Errors
    ///
    /// `Config`: a `fresh_for` longer than the TTL or without a spawner, or one on a raw contract, whose
    /// values have no header to hold it; load options without a TTL, if the default is zero; a contract of that
    /// schema number that is open with another type or codec.
    pub fn build(self) -> Result<Contract<T>> {
        let ContractSettings { mut contract, default_ttl, load_options, schema, on_failure } = self;
        let handle = contract.parts.handle.clone();
        let parts = &mut contract.parts;
        let before = parts.terms.on_failure;
        let judge = || {
            if let Some(schema) = schema {
                parts.codec.set_schema(schema);
                let limits = parts.handle.provider().limits();
                parts.namespace = Namespace::with_schema(&parts.name, schema, limits)?;
                parts.binding = parts.handle.bind_like(&parts.binding, &parts.namespace)?;
            }
            if let Some(ttl) = default_ttl {
                parts.default_ttl = ttl.or(told_default(&parts.handle));
                parts.terms.ttl = parts.load_options.ttl.or(parts.default_ttl);
            }
            if let Some(options) = load_options {
                let has_header = parts.codec.has_header();
                parts.terms = Terms::of_contract(&options, parts.default_ttl, has_header)?;
                parts.load_options = options.with_refresh(&parts.terms);
            }
            parts.terms.on_failure = on_failure.unwrap_or(before);
            Ok(())
        };
        judge().map_err(|error| handle.name_error(error, "contract"))?;
        Ok(contract)
    }
}

impl<T> fmt::Debug for ContractSettings<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContractSettings")
            .field("contract", &self.contract)
            .field("default_ttl", &self.default_ttl)
            .field("load_options", &self.load_options)
            .field("schema", &self.schema)
            .field("on_failure", &self.on_failure)
            .finish()
    }
}
