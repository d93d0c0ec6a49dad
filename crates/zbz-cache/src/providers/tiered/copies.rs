//! [`Copies`]: the entries near. Behind the value of each stand the data it is judged by.
//!
//! ```text
//!   entry    | value | stamp: 8 | near deadline: 8 | far deadline: 8 | version: 16 |
//! ```
//!
//! Deadlines are nanoseconds of the tier's clock, `u64::MAX` for none. The engine is told of no deadline,
//! so that a hit reads the clock once. A copy that is past its time goes when it is met, or for room.

use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use bytes::Bytes;
use foldhash::quality::RandomState;
use zbz_cache_memory::{Clock, Condition, Error as EngineError, MemoryCache, SetOptions};

use super::coherence::{Coherence, Stamp, Token};
use crate::error::{Error, Result};
use crate::provider::{Found, Version};

const META_LEN: usize = 40;

/// A far provider may tell whole milliseconds of remaining time, rounded up.
const ROUNDED: u64 = 1_000_000;

/// Where a tier gets its time.
#[derive(Debug)]
pub(super) enum TierClock {
    System(Instant),
    Own(Clock),
}

/// The data behind a value: what it is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CopyMeta {
    stamp: Stamp,
    near_until: u64,
    far_until: u64,
    version: Version,
}

/// The result of a look near.
#[derive(Debug)]
pub(super) enum NearLookup {
    /// The value alone is in the buffer.
    Hit(Found),
    Miss,
}

/// The near side.
pub(super) struct Copies {
    pub(super) cache: MemoryCache,
    pub(super) coherence: Coherence,
    pub(super) time: TierClock,
    pub(super) max_near_ttl: u64,
    /// Whether the far side's reads bring versions.
    pub(super) versions: bool,
    pub(super) hasher: RandomState,
}

impl TierClock {
    #[inline]
    pub(super) fn now(&self) -> u64 {
        match self {
            TierClock::System(start) => nanos(start.elapsed()),
            TierClock::Own(clock) => nanos(clock.elapsed()),
        }
    }
}

/// Without the 128-bit arithmetic of `Duration::as_nanos`; what does not fit is centuries away.
#[inline]
pub(super) fn nanos(span: Duration) -> u64 {
    span.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(span.subsec_nanos()))
}

impl CopyMeta {
    /// Of what a far read that was sent at `sent` found.
    fn new(stamp: Stamp, sent: u64, found: Found, max_near_ttl: u64) -> CopyMeta {
        let far_until = found.remaining.map_or(u64::MAX, |left| sent.saturating_add(nanos(left)));
        let near_until = match far_until {
            u64::MAX => u64::MAX,
            until => until.saturating_sub(ROUNDED),
        };
        CopyMeta {
            stamp,
            near_until: near_until.min(sent.saturating_add(max_near_ttl)),
            far_until,
            version: found.version().unwrap_or(Version::from_u128(0)),
        }
    }

    fn to_bytes(self) -> [u8; META_LEN] {
        let mut bytes = [0; META_LEN];
        bytes[..8].copy_from_slice(&self.stamp.to_bits().to_le_bytes());
        bytes[8..16].copy_from_slice(&self.near_until.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.far_until.to_le_bytes());
        bytes[24..].copy_from_slice(&self.version.as_u128().to_le_bytes());
        bytes
    }

    #[inline]
    fn split(entry: &[u8]) -> Option<(&[u8], CopyMeta)> {
        let (value, meta) = entry.split_last_chunk::<META_LEN>()?;
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| meta[at + byte]));
        let version = u128::from(word(32)) << 64 | u128::from(word(24));
        let meta = CopyMeta {
            stamp: Stamp::from_bits(word(0)),
            near_until: word(8),
            far_until: word(16),
            version: Version::from_u128(version),
        };
        Some((value, meta))
    }
}

impl Copies {
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.time.now()
    }

    /// The copy of `key`, if it may be served; its value is then in `buffer`.
    ///
    /// # Errors
    ///
    /// `Closed`.
    #[inline]
    pub(super) fn look(&self, key: &[u8], buffer: &mut Vec<u8>) -> Result<NearLookup> {
        match self.cache.get_into_uncounted(key, buffer) {
            Ok(Some(_)) => {}
            Err(EngineError::Closed) => return Err(Error::closed()),
            // A key that is too long for the near side is never there.
            Ok(None) | Err(_) => return Ok(NearLookup::Miss),
        }
        let Some((value, found)) = self.judge(buffer) else {
            self.drop_dead(key);
            return Ok(NearLookup::Miss);
        };
        let len = value.len();
        buffer.truncate(len);
        Ok(NearLookup::Hit(found))
    }

    /// The copies of many keys, as `look`: `visit` is called for each hit.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub(super) fn look_multi(
        &self,
        keys: &[&[u8]],
        mut visit: impl FnMut(usize, &[u8], Found),
    ) -> Result<()> {
        let judged = |index, entry: &[u8], _| match self.judge(entry) {
            Some((value, found)) => visit(index, value, found),
            None => self.drop_dead(keys[index]),
        };
        match self.cache.get_multi_uncounted(keys, judged) {
            Err(EngineError::Closed) => Err(Error::closed()),
            // One of the keys is too long for the near side: all of them are read through.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The value of an entry that may be served at this moment.
    #[inline]
    fn judge<'a>(&self, entry: &'a [u8]) -> Option<(&'a [u8], Found)> {
        let (value, meta) = CopyMeta::split(entry)?;
        let until = self.coherence.serves_until(meta.stamp).min(meta.near_until);
        // The time comes last: a thread that slept since the bytes were found reads a later one.
        let now = self.now();
        (now < until).then(|| (value, self.found(&meta, now)))
    }

    #[inline]
    fn found(&self, meta: &CopyMeta, now: u64) -> Found {
        let remaining =
            (meta.far_until != u64::MAX).then(|| Duration::from_nanos(meta.far_until.saturating_sub(now)));
        Found::new(remaining, self.versions.then_some(meta.version))
    }

    /// Takes away a copy that is of no use: right at any time, for any key.
    #[cold]
    fn drop_dead(&self, key: &[u8]) {
        let _ = self.cache.delete(key);
    }

    /// An entry of what a far read brought.
    pub(super) fn entry(&self, stamp: Stamp, sent: u64, value: &[u8], found: Found) -> Bytes {
        let meta = CopyMeta::new(stamp, sent, found, self.max_near_ttl);
        Bytes::from([value, meta.to_bytes().as_slice()].concat())
    }

    /// Keeps an entry, if its token is good and it has any time left.
    pub(super) fn fill(&self, key: &[u8], entry: &[u8], token: &Token) {
        let Some((_, meta)) = CopyMeta::split(entry) else { return };
        if meta.near_until <= self.now() {
            return;
        }
        let is_good = || self.coherence.is_good(token);
        let set = SetOptions::new(None).when(Condition::If(&is_good));
        // What does not fit is read through.
        let _ = self.cache.set_opts(key, entry, &set);
    }

    /// The value of an entry that was brought for this caller or one that it joined; `None` past its
    /// far deadline.
    pub(super) fn open<'a>(&self, entry: &'a [u8]) -> Option<(&'a [u8], Found)> {
        let (value, meta) = CopyMeta::split(entry)?;
        let now = self.now();
        (now < meta.far_until).then(|| (value, self.found(&meta, now)))
    }

    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Revokes what is known of a key: first its tokens, then its copy.
    pub(super) fn invalidate(&self, key: &[u8]) {
        self.coherence.revoke(self.hash(key));
        let _ = self.cache.delete(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn meta(remaining: Option<Duration>) -> CopyMeta {
        let version = Some(Version::from_u128(1 << 100 | 7));
        CopyMeta::new(Stamp::from_bits(5 << 48 | 9), 50 * MS, Found::new(remaining, version), 1000 * MS)
    }

    #[test]
    fn an_entry_gives_back_its_value_and_what_stands_behind_it() {
        for value in [&b""[..], b"v", &[0xff; 100]] {
            let entry = [value, meta(None).to_bytes().as_slice()].concat();
            assert_eq!(CopyMeta::split(&entry), Some((value, meta(None))));
        }
        assert_eq!(CopyMeta::split(&[0; META_LEN - 1]), None);
    }

    #[test]
    fn a_copy_ends_first_of_all_its_ends() {
        let until = |remaining| (meta(remaining).near_until / MS, meta(remaining).far_until / MS);
        assert_eq!(until(Some(Duration::from_millis(30))), (79, 80));
        assert_eq!(until(Some(Duration::from_secs(30))), (1050, 30_050));
        assert_eq!(until(None), (1050, u64::MAX / MS));
        assert_eq!(until(Some(Duration::MAX)), (1050, u64::MAX / MS));
        assert!(meta(Some(Duration::from_nanos(1))).near_until < 50 * MS, "nothing is left of it");
    }
}
