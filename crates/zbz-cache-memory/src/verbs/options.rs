//! How a write is to be done: for how long, under which condition, and what came of it.

use crate::Version;
use std::fmt;
use std::time::Duration;

/// The time to live of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetTtl {
    /// No deadline.
    Never,
    /// This long from the moment of the write. Zero: the entry is absent afterwards. Below 1 ms
    /// rounds up to 1 ms; beyond [`TTL_HORIZON`](crate::TTL_HORIZON) means never.
    After(Duration),
    /// A live entry keeps the deadline it has, or keeps having none.
    Keep {
        /// The time to live of an entry that was not there: `None` is never, else as in
        /// [`SetTtl::After`].
        otherwise: Option<Duration>,
    },
}

impl From<Option<Duration>> for SetTtl {
    fn from(ttl: Option<Duration>) -> SetTtl {
        ttl.map_or(SetTtl::Never, SetTtl::After)
    }
}

/// The condition of a write. Checked in one step with the write.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub enum Condition<'a> {
    /// Nothing.
    #[default]
    Always,
    /// The key is absent, or its time has passed.
    Absent,
    /// The key is there and live.
    Present,
    /// The key is there and live, and its bytes are still those of this version.
    Version(Version),
    /// This answers true. It is asked while the key's bucket is locked, so no other write of the key comes
    /// between the answer and the store. It must be quick and must not call the cache, which may
    /// wait for ever. It may be asked more than once in one write; the last answer counts.
    If(&'a dyn Fn() -> bool),
}

impl fmt::Debug for Condition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Always => f.write_str("Always"),
            Condition::Absent => f.write_str("Absent"),
            Condition::Present => f.write_str("Present"),
            Condition::Version(version) => f.debug_tuple("Version").field(version).finish(),
            Condition::If(_) => f.write_str("If(..)"),
        }
    }
}

/// The choices of one write.
///
/// ```
/// use std::time::Duration;
/// use zbz_cache_memory::{Condition, MemoryCache, SetOptions, SetOutcome};
///
/// let cache = MemoryCache::builder().build()?;
/// let only_new = SetOptions::new(Some(Duration::from_secs(60))).when(Condition::Absent);
/// assert_eq!(cache.set_opts(b"k", b"first", &only_new)?, SetOutcome::Stored);
/// assert_eq!(cache.set_opts(b"k", b"second", &only_new)?, SetOutcome::ConditionFailed);
/// # Ok::<(), zbz_cache_memory::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SetOptions<'a> {
    /// For how long.
    pub ttl: SetTtl,
    /// Under which condition.
    pub condition: Condition<'a>,
}

impl<'a> SetOptions<'a> {
    /// Store whatever is there, for `ttl`; `None` is never.
    pub fn new(ttl: Option<Duration>) -> SetOptions<'a> {
        SetOptions { ttl: ttl.into(), condition: Condition::Always }
    }

    /// These options, under a condition.
    #[must_use]
    pub fn when(self, condition: Condition<'a>) -> SetOptions<'a> {
        SetOptions { condition, ..self }
    }

    /// These options, with a live entry keeping its deadline; the time to live given before is for an entry
    /// that is new.
    #[must_use]
    pub fn keep_deadline(self) -> SetOptions<'a> {
        let otherwise = match self.ttl {
            SetTtl::Never => None,
            SetTtl::After(ttl) => Some(ttl),
            SetTtl::Keep { otherwise } => otherwise,
        };
        SetOptions { ttl: SetTtl::Keep { otherwise }, ..self }
    }
}

impl Default for SetOptions<'_> {
    fn default() -> Self {
        SetOptions::new(None)
    }
}

/// The result of a write without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a condition that did not hold leaves everything as it was"]
#[non_exhaustive]
pub enum SetOutcome {
    /// The value was stored. (It may have been evicted since, or at once.)
    Stored,
    /// The condition did not hold; nothing was changed.
    ConditionFailed,
}
