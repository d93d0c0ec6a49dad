//! The lookup of a key in its locked bucket.

use crate::base::call_time::CallTime;
use crate::entries::entry::{EntryInfo, Extent};
use crate::index::{LockedBucket, SlotRef};

/// An entry in its locked bucket.
#[derive(Debug)]
pub(crate) struct Located<'a> {
    pub(crate) place: SlotRef<'a>,
    pub(crate) info: EntryInfo,
}

/// The bucket of a key, locked, and what it has of the key.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    pub(crate) bucket: LockedBucket<'a>,
    pub(crate) found: Option<Located<'a>>,
}

impl Lookup<'_> {
    #[inline(always)]
    pub(crate) fn info(&self) -> Option<&EntryInfo> {
        self.found.as_ref().map(|located| &located.info)
    }

    /// The key's entry, if its time has not passed.
    pub(crate) fn live(&self, now: &CallTime<'_>) -> Option<&EntryInfo> {
        self.info().filter(|info| info.is_live(now))
    }
}

/// The bytes that become free when an entry is moved.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Freed<'a> {
    /// All that it took.
    Entry(&'a EntryInfo),
    /// Parts of it; the others are where they were.
    Parts(&'a [Extent]),
}
