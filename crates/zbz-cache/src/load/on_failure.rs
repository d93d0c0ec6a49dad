//! [`OnFailure`]: what a contract wants while its provider does not answer.

/// What becomes of loads and reads while the provider does not answer, which is an error of kind `Unavailable`,
/// `Timeout` or `Denied` ([`ErrorKind::is_outage`](crate::ErrorKind::is_outage)). A contract says it by
/// [`on_failure`](crate::Contract::on_failure).
///
/// Whatever it says, these tell the error: verbs that remove (`delete`, `take`, `clear`, a TTL of zero) or move a
/// deadline, because the old value would stay; verbs with a condition, versions, counters and listings, because
/// their answer decides something.
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
    /// Loads go on: a load whose look at the cache fails runs its loader, shared by all who ask as ever, and
    /// hands the value out without storing it ([`Origin::LoadedAround`](crate::Origin::LoadedAround)). Plain
    /// verbs tell the error.
    #[default]
    LoadAround,
    /// Every verb tells the error, loads too.
    Error,
    /// Loads go on, and plain reads (`get`, `get_multi`, `get_each`, `exists`, `ttl`) answer as for a missing entry;
    /// plain sets (`set`, `set_multi`) are dropped and answer `Ok`. Both are counted:
    /// [`Stats::failed_reads`](crate::Stats::failed_reads), [`Stats::dropped_sets`](crate::Stats::dropped_sets).
    Miss,
}
