//! Finding a live entry and reading it in place: without a lock, and without a write that other
//! readers see, but for hits that the policy counts.
//!
//! - *Judged while announced*: the deadline and the value belong to the item that the slot named
//!   at the second look; the time is read after it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::{Engine, HashedKey, Moment};
use crate::entry::Look;
use crate::hazard::{self, Reading};
use crate::index::Probe;
use crate::item::{Item, Kind};
use crate::large::Head;
use crate::slot::Slot;
use crate::tide::Side;
use crate::ttl::{NEVER, remaining};
use crate::{Error, Found, TtlState, Version};

/// Keys of a batch whose memory is asked for before the first is read.
pub(crate) const BATCH: usize = 32;

/// How often an entry in pieces is begun again before it is copied under the bucket's bit.
const LARGE_ROUNDS: u32 = 4;

/// The bytes of a value that was found.
#[derive(Debug)]
pub(crate) enum Bytes<'a> {
    InPlace(&'a [u8]),
    /// Put together for this call.
    Gathered(Vec<u8>),
}

impl Bytes<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::InPlace(bytes) => bytes,
            Bytes::Gathered(bytes) => bytes,
        }
    }

    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self {
            Bytes::InPlace(bytes) => bytes.to_vec(),
            Bytes::Gathered(bytes) => bytes,
        }
    }
}

/// A live entry that was found; what is not asked for costs nothing.
#[derive(Debug)]
pub(crate) struct Glance<'a> {
    engine: &'a Engine,
    pub(crate) slot: Slot,
    /// `NEVER` for none.
    pub(crate) deadline: u64,
    now: u64,
    /// `None` while the entry is held in place, which tells it.
    version: Option<Version>,
}

/// What a search for a key came to.
enum Seen<R> {
    /// The entry's time has passed.
    Nothing,
    /// The caller read it in place.
    Read(R),
    /// Its value was in pieces.
    Gathered(Gathered),
    /// It, or its bucket, changed whenever it was looked at.
    Contended,
}

/// A value that was put together, and what was known of its entry while that was held in place.
struct Gathered {
    value: Vec<u8>,
    slot: Slot,
    deadline: u64,
    version: Version,
}

impl Glance<'_> {
    #[inline]
    pub(crate) fn found(&self) -> Found {
        Found::new(remaining(self.now, self.deadline), self.version())
    }

    /// Of the entry that was found, whatever stands in its place by now.
    #[inline]
    pub(crate) fn version(&self) -> Version {
        self.version.unwrap_or_else(|| self.engine.version_at(self.slot.location()))
    }
}

impl Engine {
    /// Calls `read` with the live value of a key. Counts nothing.
    #[inline]
    pub(crate) fn look_up<R>(
        &self,
        key: &[u8],
        read: impl FnOnce(Bytes<'_>, Glance<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        self.check_key(key)?;
        let found = self.look_up_hashed(self.hashed(key), &self.moment(), read);
        if found.is_none() {
            // What a close has removed was not absent before.
            self.check_open()?;
        }
        Ok(found)
    }

    #[inline]
    pub(crate) fn look_up_hashed<R>(
        &self,
        key: HashedKey<'_>,
        moment: &Moment<'_>,
        read: impl FnOnce(Bytes<'_>, Glance<'_>) -> R,
    ) -> Option<R> {
        // By far the most are the first candidate of the line that their key prefers.
        let found = hazard::reading(|reading| {
            let Some((word, slot)) = self.index.candidate(key.hash) else { return Err(read) };
            let Some(item) = self.log.read(reading, word, slot) else { return Err(read) };
            if item.kind() != Kind::Whole || !item.has_key(key.bytes) {
                return Err(read);
            }
            let Some(glance) = self.glance(&item, slot, moment) else { return Ok(None) };
            self.count_hit(word, slot);
            Ok(Some(read(Bytes::InPlace(item.value()), glance)))
        });
        found.unwrap_or_else(|read| self.search(key, moment, read))
    }

    /// The same for any key.
    #[inline(never)]
    fn search<R>(
        &self,
        key: HashedKey<'_>,
        moment: &Moment<'_>,
        read: impl FnOnce(Bytes<'_>, Glance<'_>) -> R,
    ) -> Option<R> {
        // Called once at most: after it the search is over.
        let mut read = Some(read);
        let mut rounds = 0_u32;
        let found = hazard::reading(|reading| {
            self.index.find(key.hash, |word, slot| {
                let Some(item) = self.log.read(reading, word, slot) else { return Probe::Changed };
                if item.is_head() {
                    rounds += 1;
                    return self.probe_head(&item, key.bytes, (word, slot), rounds);
                }
                if !item.has_key(key.bytes) {
                    return Probe::Other;
                }
                Probe::Answer(match self.glance(&item, slot, moment) {
                    None => Seen::Nothing,
                    Some(glance) => {
                        self.count_hit(word, slot);
                        let read = read.take().map(|read| read(Bytes::InPlace(item.value()), glance));
                        read.map_or(Seen::Nothing, Seen::Read)
                    }
                })
            })
        });
        let gathered = match found.unwrap_or(Some(Seen::Contended))? {
            Seen::Nothing => return None,
            Seen::Read(answer) => return Some(answer),
            Seen::Gathered(gathered) => gathered,
            Seen::Contended => self.gather_held(key)?,
        };
        let Gathered { value, slot, deadline, version } = gathered;
        let now = if deadline == NEVER { 0 } else { moment.get() };
        let glance = Glance { engine: self, slot, deadline, now, version: Some(version) };
        let glance = (now < deadline).then_some(glance)?;
        read.take().map(|read| read(Bytes::Gathered(value), glance))
    }

    /// `None` if the item's time has passed.
    #[inline(always)]
    fn glance(&self, item: &Item<'_>, slot: Slot, moment: &Moment<'_>) -> Option<Glance<'_>> {
        let (deadline, now) = match item.deadline() {
            None => (NEVER, 0),
            Some(deadline) => (deadline, moment.get()),
        };
        (now < deadline).then_some(Glance { engine: self, slot, deadline, now, version: None })
    }

    /// Looks at an item that was cut.
    #[cold]
    #[inline(never)]
    fn probe_head<R>(
        &self,
        item: &Item<'_>,
        key: &[u8],
        (word, slot): (&AtomicU64, Slot),
        round: u32,
    ) -> Probe<Seen<R>> {
        let Some(head) = Head::parse(item.value()) else { return Probe::Other };
        let Some(key_rest) = key.strip_prefix(item.key()) else { return Probe::Other };
        if key_rest.len() != head.key_len {
            return Probe::Other;
        }
        if round > LARGE_ROUNDS {
            return Probe::Answer(Seen::Contended);
        }
        let Some(mut rest) = self.gather(head, (word, slot)) else { return Probe::Changed };
        if !rest.starts_with(key_rest) {
            return Probe::Other;
        }
        self.count_hit(word, slot);
        rest.drain(..head.key_len);
        let (deadline, version) = (item.deadline().unwrap_or(NEVER), self.version_at(slot.location()));
        Probe::Answer(Seen::Gathered(Gathered { value: rest, slot, deadline, version }))
    }

    /// What a head and its pieces hold beyond the head's key. Each piece is announced in its turn,
    /// and the slot looked at again: while it names the head, its pieces are not written. `None` if
    /// it changed.
    fn gather(&self, head: Head<'_>, (word, slot): (&AtomicU64, Slot)) -> Option<Vec<u8>> {
        let mut rest = Vec::new();
        let gathered = hazard::reading(|second: &mut Reading<'_>| {
            head.gather(&mut rest, |piece, rest| {
                let bytes = self.log.read_piece(second, word, slot, piece);
                bytes.map(|bytes| rest.extend_from_slice(bytes)).is_some()
            })
        });
        gathered.then_some(rest)
    }

    /// The same, copied while the bucket is held: for an entry that changes faster than it can be
    /// read.
    #[cold]
    fn gather_held(&self, key: HashedKey<'_>) -> Option<Gathered> {
        let Look { held, found } = self.look(key);
        let slot = found?.0.slot();
        let item = self.log.read_held(&held, slot);
        let (deadline, version) = (item.deadline().unwrap_or(NEVER), self.version_at(slot.location()));
        if !item.is_head() {
            return Some(Gathered { value: item.value().to_vec(), slot, deadline, version });
        }
        let head = Head::parse(item.value())?;
        let mut rest = Vec::new();
        head.gather(&mut rest, |piece, rest| {
            rest.extend_from_slice(self.log.read_piece_held(&held, piece));
            true
        });
        rest.drain(..head.key_len.min(rest.len()));
        Some(Gathered { value: rest, slot, deadline, version })
    }

    /// Lets the policy know of a hit; a slot that has all hits that count is not written.
    #[inline(always)]
    fn count_hit(&self, word: &AtomicU64, slot: Slot) {
        if !slot.is_hot() {
            self.count_one_hit(word, slot);
        }
    }

    #[inline(never)]
    fn count_one_hit(&self, word: &AtomicU64, slot: Slot) {
        let segment = self.log.segment(self.log.segment_of(slot.location()));
        let hit = match crate::lanes::side_of(segment.place()) {
            // The newest part of the small queue does not count hits; else one is as good as all.
            Side::Small => {
                let since = self.lanes.opened_since(Side::Small, segment.start());
                if since * segment.size() < self.tide.window() {
                    return;
                }
                slot.hottest()
            }
            Side::Main => slot.hotter(),
        };
        // Relaxed: nothing is read by it, and an exchange keeps the item's release sequence. One
        // that fails is a hit not counted.
        let _ = word.compare_exchange(slot.word(), hit.word(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// How much longer a key is live. Counts nothing.
    pub(crate) fn ttl(&self, key: &[u8]) -> Result<TtlState, Error> {
        let found = self.look_up(key, |_, glance| remaining(glance.now, glance.deadline))?;
        Ok(match found {
            None => TtlState::Missing,
            Some(None) => TtlState::Never,
            Some(Some(left)) => TtlState::Remaining(left),
        })
    }

    /// Asks for the memory of some keys, buckets first, so that it is there when they are read.
    pub(crate) fn prefetch<K: AsRef<[u8]>>(&self, keys: &[K], hashes: &mut [u64; BATCH]) {
        for (key, hash) in keys.iter().zip(hashes.iter_mut()) {
            *hash = self.hash(key.as_ref());
            self.index.prefetch(*hash);
        }
        for hash in &hashes[..keys.len().min(BATCH)] {
            if let Some(slot) = self.index.peek(*hash) {
                self.log.prefetch(slot);
            }
        }
    }
}
