//! What a read brings besides the bytes: how long they are good for, and which write they came
//! from.

use std::time::Duration;

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

/// What is known of an entry that a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    remaining: Option<Duration>,
    version: Version,
}

impl Found {
    pub(crate) fn new(remaining: Option<Duration>, version: Version) -> Found {
        Found { remaining, version }
    }

    /// How much longer the entry was live at the moment of the read: `None` without a deadline,
    /// else more than zero.
    pub fn remaining(&self) -> Option<Duration> {
        self.remaining
    }

    /// Which write the bytes came from.
    pub fn version(&self) -> Version {
        self.version
    }
}
