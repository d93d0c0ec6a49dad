//! The results of a read besides the bytes: how long they are good for, and which write they came
//! from.

use std::time::Duration;

use crate::base::ttl::remaining;
use crate::index::slot::Location;

/// Which write an entry's bytes came from.
///
/// Opaque: compare it, keep it, or hand it back in
/// [`Condition::Version`](crate::Condition::Version). It changes with every write of the bytes,
/// also when equal bytes are written, and no version of one cache matches one of another. Changing
/// a deadline may change it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(u128);

impl Version {
    /// The version that [`as_u128`](Version::as_u128) gave.
    pub const fn from_u128(bits: u128) -> Version {
        Version(bits)
    }

    /// A number to carry the version in; it has no meaning but equality.
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

/// The parts of a version, which is put together on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The cache's, so that no version of another matches.
    pub(crate) epoch: u64,
    /// Of the segment: a place in the log has another generation whenever it holds another item.
    pub(crate) generation: u64,
    pub(crate) location: Location,
}

impl Stamp {
    pub(crate) fn version(self) -> Version {
        let place = u128::from(self.generation) << 40 | u128::from(self.location.units());
        Version(u128::from(self.epoch) << 88 | place & ((1 << 88) - 1))
    }
}

/// The properties of an entry that a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Nanoseconds; `NEVER` without a deadline.
    left: u64,
    stamp: Stamp,
}

impl Found {
    #[inline(always)]
    pub(crate) fn new(left: u64, stamp: Stamp) -> Found {
        Found { left, stamp }
    }

    /// How much longer the entry was live at the moment of the read: `None` without a deadline,
    /// else more than zero. May be told short by up to about a millisecond, never long:
    /// [`ttl`](crate::MemoryCache::ttl) is exact.
    pub fn remaining(&self) -> Option<Duration> {
        remaining(0, self.left)
    }

    /// Which write the bytes came from.
    pub fn version(&self) -> Version {
        self.stamp.version()
    }
}
