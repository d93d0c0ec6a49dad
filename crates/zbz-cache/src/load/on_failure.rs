//! [`OnFailure`]: the behaviour of a contract while its provider does not answer.

/// How loads and reads behave while the provider does not answer, that is, after an error of kind
/// `Unavailable`, `Timeout` or `Denied` ([`ErrorKind::is_outage`](crate::ErrorKind::is_outage)). A contract
/// chooses by [`on_failure`](crate::Contract::on_failure).
///
/// These verbs always return the error: verbs that remove (`delete`, `take`, `clear`, a TTL of zero) or
/// move a deadline, because the old value would stay; and verbs with a condition, versions, counters and
/// listings, because their answer decides something.
///
/// ```
/// use zbz_cache::{Contract, OnFailure, options};
///
/// let provider = zbz_cache::new_provider("memory", options! {})?;
/// let hints = Contract::<String>::new("hints", provider)?.on_failure(OnFailure::Miss).cache()?;
/// # drop(hints);
/// # Ok::<(), zbz_cache::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFailure {
    /// Loads go on: if a load cannot read the cache it runs its loader, shared by all its callers as always,
    /// and returns the value without storing it ([`Origin::LoadedAround`](crate::Origin::LoadedAround)). Plain
    /// verbs return the error.
    #[default]
    LoadAround,
    /// Every verb returns the error, loads too.
    Error,
    /// Loads go on, and plain reads (`get`, `get_multi`, `get_each`, `exists`, `ttl`) answer as for a missing entry;
    /// plain sets (`set`, `set_multi`) are dropped and answer `Ok`. Both are counted:
    /// [`Stats::failed_reads`](crate::Stats::failed_reads), [`Stats::dropped_sets`](crate::Stats::dropped_sets).
    Miss,
}
