//! [`Capabilities`] and [`Limits`]: a provider's declarations, so that a missing ability is never faked.

/// The abilities of a provider beyond the required verbs. All false by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Capabilities {
    /// [`Condition::Absent`](super::Condition::Absent) and
    /// [`Condition::Present`](super::Condition::Present).
    pub conditions: bool,
    /// Reads return a version, and [`Condition::Version`](super::Condition::Version) works.
    pub versions: bool,
    /// [`Condition::Token`](super::Condition::Token): the token is checked in one step with the
    /// store, in order with every other write to that key through the same provider. Without it
    /// [`get_or_load`](crate::Cache::get_or_load) stores only if sets answer at once, and then orders them
    /// with the handle's other writes itself.
    pub tokens: bool,
    /// [`SetOptions::keep_deadline`](super::SetOptions::keep_deadline).
    pub keep_deadline: bool,
    /// [`Provider::take`](super::Provider::take).
    pub take: bool,
    /// [`Provider::add`](super::Provider::add).
    pub counters: bool,
    /// A key that exists throughout a listing is listed exactly once.
    pub exact_listing: bool,
    /// [`Provider::invalidations`](super::Provider::invalidations).
    pub invalidations: bool,
    /// No verb ever returns `Unavailable`, `Timeout` or `Denied`: the entries are in this process. Then the
    /// handle need not remember failed removals.
    pub always_available: bool,
}

impl Capabilities {
    /// All abilities of a cache in one process: everything except pushing invalidations.
    #[must_use]
    pub fn in_process() -> Self {
        Capabilities {
            conditions: true,
            versions: true,
            tokens: true,
            keep_deadline: true,
            take: true,
            counters: true,
            exact_listing: true,
            invalidations: false,
            always_available: false,
        }
    }
}

/// The sizes a provider accepts, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest name a user may give, without the namespace. 1 KiB unless set.
    pub max_key_bytes: usize,
    /// The longest key as it is stored, namespace and name joined. 32 KiB at most.
    pub max_stored_key_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_key_bytes: 1024, max_stored_key_bytes: 32 * 1024 }
    }
}

impl Limits {
    /// These limits with another longest name.
    #[must_use]
    pub fn with_max_key_bytes(self, max_key_bytes: usize) -> Self {
        Limits { max_key_bytes, ..self }
    }

    /// These limits with another longest stored key.
    #[must_use]
    pub fn with_max_stored_key_bytes(self, max_stored_key_bytes: usize) -> Self {
        Limits { max_stored_key_bytes, ..self }
    }
}
