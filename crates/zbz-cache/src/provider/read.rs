//! The results of reads: one entry in a reused buffer, or many in one.

use std::time::Duration;

use crate::error::Error;

/// The version of an entry's bytes when it was read. Opaque; its only use is a later
/// [`Condition::Version`](super::Condition::Version) on the same key of the same provider.
///
/// A swap by version never succeeds after the bytes changed. It may be refused after a change of the
/// deadline or an internal move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    // Two words rather than one of 128 bits, whose alignment would pad every answer that holds it.
    high: u64,
    low: u64,
}

impl Version {
    /// A version whose meaning only its provider knows.
    pub const fn from_u128(mark: u128) -> Self {
        Version { high: (mark >> 64) as u64, low: mark as u64 }
    }

    /// The provider's representation of it.
    pub const fn as_u128(self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }
}

/// The parts of an entry that a read has to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadParts {
    /// The bytes; the remaining TTL and the version may be left out.
    Value,
    /// The bytes, the remaining TTL, and the version if the provider has versions.
    All,
}

/// The properties of an entry besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Found {
    /// The remaining time, more than zero; `None` if the entry has no deadline.
    pub remaining: Option<Duration>,
    standing: Standing,
}

/// The use that may be made of an entry that was read. One word, so that an answer fits a cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Standing {
    #[default]
    Unversioned,
    Versioned(Version),
    Degraded,
}

impl Found {
    /// An entry with this remaining TTL (`None` without a deadline) and version.
    pub const fn new(remaining: Option<Duration>, version: Option<Version>) -> Self {
        let standing = match version {
            Some(version) => Standing::Versioned(version),
            None => Standing::Unversioned,
        };
        Found { remaining, standing }
    }

    /// Marks it as a copy that may be out of date. It has no version: no write may depend on it.
    #[must_use]
    pub const fn degraded(self) -> Self {
        Found { standing: Standing::Degraded, ..self }
    }

    /// Its version, from providers that have [`Capabilities::versions`](super::Capabilities).
    pub const fn version(&self) -> Option<Version> {
        match self.standing {
            Standing::Versioned(version) => Some(version),
            Standing::Unversioned | Standing::Degraded => None,
        }
    }

    /// Whether it is a copy that may be out of date, because the far side does not answer.
    pub const fn is_degraded(&self) -> bool {
        matches!(self.standing, Standing::Degraded)
    }
}

/// The answer of a get: the buffer that was passed in, filled if the key existed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Read {
    /// The bytes of the value on a hit; empty, with its capacity, on a miss.
    pub buffer: Vec<u8>,
    /// The entry that was found.
    pub found: Option<Found>,
}

impl Read {
    /// A miss, which gives the buffer back.
    pub fn miss(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Read { buffer, found: None }
    }

    /// A hit whose bytes are copied into `buffer`.
    pub fn hit(mut buffer: Vec<u8>, value: &[u8], found: Found) -> Self {
        buffer.clear();
        buffer.extend_from_slice(value);
        Read { buffer, found: Some(found) }
    }
}

/// The answers of a batch get, by the index of the key; reusable.
#[derive(Debug, Default)]
pub struct ReadBatch {
    bytes: Vec<u8>,
    entries: Vec<BatchEntry>,
    failed: Vec<(usize, Error)>,
}

/// The result for one key of a batch.
#[derive(Debug, Clone, Copy)]
enum BatchEntry {
    Miss,
    /// Its value begins at `start` of the batch's bytes.
    Hit {
        start: usize,
        len: usize,
        found: Found,
    },
    /// Its error is at this index of the failures.
    Failed(usize),
}

impl ReadBatch {
    /// Empties the batch and makes room for `len` answers, all of them misses.
    pub fn reset(&mut self, len: usize) {
        self.bytes.clear();
        self.failed.clear();
        self.entries.clear();
        self.entries.resize(len, BatchEntry::Miss);
    }

    /// Makes the key at `index` a hit. Out of range, or one that failed: ignored.
    pub fn hit(&mut self, index: usize, value: &[u8], found: Found) {
        if let Some(entry) = self.entries.get_mut(index)
            && !matches!(entry, BatchEntry::Failed(_))
        {
            *entry = BatchEntry::Hit { start: self.bytes.len(), len: value.len(), found };
            self.bytes.extend_from_slice(value);
        }
    }

    /// Makes the key at `index` a failure. Out of range, or one that failed already: ignored.
    pub fn fail(&mut self, index: usize, error: Error) {
        if let Some(entry) = self.entries.get_mut(index)
            && !matches!(entry, BatchEntry::Failed(_))
        {
            *entry = BatchEntry::Failed(self.failed.len());
            self.failed.push((index, error));
        }
    }

    /// Turns failures for which `is_forgotten` is true into misses; returns how many.
    pub(crate) fn forget_failures(&mut self, is_forgotten: impl Fn(&Error) -> bool) -> usize {
        let failed = std::mem::take(&mut self.failed);
        let all = failed.len();
        for (index, error) in failed {
            self.entries[index] = BatchEntry::Miss;
            if !is_forgotten(&error) {
                self.fail(index, error);
            }
        }
        all - self.failed.len()
    }

    /// The value and the entry at `index`; `None` for a miss or a failure.
    pub fn get(&self, index: usize) -> Option<(&[u8], Found)> {
        match *self.entries.get(index)? {
            BatchEntry::Hit { start, len, found } => Some((self.bytes.get(start..start + len)?, found)),
            BatchEntry::Miss | BatchEntry::Failed(_) => None,
        }
    }

    /// Why the key at `index` failed; `None` if it did not.
    pub fn error(&self, index: usize) -> Option<&Error> {
        match self.entries.get(index)? {
            BatchEntry::Failed(at) => self.failed.get(*at).map(|(_, error)| error),
            BatchEntry::Miss | BatchEntry::Hit { .. } => None,
        }
    }

    /// How many keys were asked for.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no key was asked for.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The keys that failed, by index.
    pub fn failed(&self) -> &[(usize, Error)] {
        &self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_gives_back_what_was_put_in() {
        for mark in [0, 1, u128::MAX, 7 << 64 | 9] {
            assert_eq!(Version::from_u128(mark).as_u128(), mark);
        }
    }

    #[test]
    fn an_answer_is_a_cache_line() {
        assert_eq!(size_of::<Result<Read, Error>>(), 64);
    }

    #[test]
    fn a_batch_keeps_what_it_was_told_by_index_and_forgets_it_when_reset() {
        let mut batch = ReadBatch::default();
        batch.reset(3);
        batch.hit(2, b"two", Found::default());
        batch.hit(0, b"", Found::default());
        batch.hit(3, b"out of range", Found::default());
        batch.fail(1, Error::closed());
        batch.fail(1, Error::closed());
        batch.fail(9, Error::closed());
        batch.hit(1, b"after it failed", Found::default());
        let values: Vec<_> = (0..4).map(|index| batch.get(index).map(|(value, _)| value)).collect();
        assert_eq!(values, [Some(&b""[..]), None, Some(b"two"), None]);
        assert_eq!((batch.len(), batch.failed().len()), (3, 1));
        assert!(batch.error(1).is_some() && batch.error(0).is_none() && batch.error(9).is_none());
        assert_eq!((batch.forget_failures(|_| false), batch.failed().len()), (0, 1));
        assert_eq!((batch.forget_failures(|_| true), batch.failed().len()), (1, 0));
        assert!(batch.error(1).is_none() && batch.get(1).is_none());
        batch.reset(1);
        assert_eq!((batch.get(0), batch.failed().len()), (None, 0));
    }
}
