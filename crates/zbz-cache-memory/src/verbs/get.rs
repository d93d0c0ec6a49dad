//! Finding a live entry and reading it in place, without a lock.
//!
//! May write nothing that other readers see, except the hits of a slot that the policy counts.
//!
//! - *Judged while protected*: the deadline and the value belong to the item that the slot named
//!   at the second look; the time is read after it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::call_time::CallTime;
use crate::base::error::Error;
use crate::base::hazard::{self, Reading};
use crate::base::ttl::{NEVER, TtlState};
use crate::entries::Entries;
use crate::entries::found::{Found, Stamp, Version};
use crate::entries::key::HashedKey;
use crate::entries::lookup::Lookup;
use crate::index::slot::{Location, Slot};
use crate::index::{Candidate, Probe};
use crate::log::chunked::ChunkHeader;
use crate::log::item::{Item, same};
use crate::log::segment::Segment;
use crate::policy::Queue;
use crate::space::streams::{Streams, queue_of};
use crate::verbs::scratch;
use crate::verbs::store::Store;

/// Keys of a batch whose memory is asked for before the first is read.
pub(crate) const BATCH: usize = 32;

/// How often an entry in chunks is begun again before it is copied under the bucket's lock.
const CHUNKED_ROUNDS: u32 = 4;

/// A live entry that was found; what is not asked for costs nothing.
#[derive(Debug)]
pub(crate) struct LiveEntry<'a> {
    entries: &'a Entries,
    location: Location,
    /// `NEVER` for none.
    pub(crate) deadline: u64,
    /// Until then; `NEVER` for ever.
    left: u64,
    identity: Identity<'a>,
}

/// The identity of an entry.
#[derive(Debug)]
enum Identity<'a> {
    /// Its segment, while it is held in place.
    InSegment(Segment<'a>),
    Stamp(Stamp),
}

/// A key, and the slot that may be its.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought<'a> {
    pub(crate) key: HashedKey<'a>,
    pub(crate) candidate: Option<Candidate<'a>>,
}

/// A chunked entry that is put together.
#[derive(Default)]
struct Assembly {
    /// How often it was begun.
    rounds: u32,
    /// Its contents.
    rest: Vec<u8>,
}

/// A key of a batch whose item was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Prefetched<'a> {
    pub(crate) hash: u64,
    /// The slot that may be the key's.
    pub(crate) candidate: Option<Candidate<'a>>,
}

/// The result of a search for a key.
enum SearchOutcome<R> {
    /// The entry's time has passed.
    Nothing,
    /// The caller read it in place.
    Read(R),
    /// It was in chunks, which were put together.
    Assembled(Assembled),
    /// It, or its bucket, changed whenever it was looked at.
    Contended,
}

/// An entry that was put together, as it was while it was held in place.
struct Assembled {
    /// Where the value begins in what was put together.
    value_at: usize,
    deadline: u64,
    stamp: Stamp,
}

impl LiveEntry<'_> {
    #[inline(always)]
    pub(crate) fn found(&self) -> Found {
        Found::new(self.left, self.stamp())
    }

    /// Of the entry that was found, whatever stands in its place by now.
    #[inline(always)]
    fn stamp(&self) -> Stamp {
        match self.identity {
            Identity::InSegment(segment) => self.entries.stamp_in(segment, self.location),
            Identity::Stamp(stamp) => stamp,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.stamp().version()
    }
}

/// Calls `read` with the live value of a key, and `count` with whether there is one.
///
/// The usual hit is inlined, and its answer made where the caller wants it: passing it on in memory
/// would cost a store-forwarding stall.
#[inline(always)]
pub(crate) fn look_up<R>(
    store: &Store,
    key: &[u8],
    count: impl Fn(bool),
    read: impl FnOnce(&[u8], LiveEntry<'_>) -> R,
) -> Result<Option<R>, Error> {
    store.limits.check_key(key)?;
    let reader = store.reader();
    let (key, now) = (reader.entries.hashed(key), reader.entries.call_time());
    let mut guard = hazard::begin();
    let candidate = reader.entries.index.key_line(key.hash).candidate_in_both();
    if let Some((value, entry)) = reader.glimpse(guard.reading(), Sought { key, candidate }, &now) {
        count(true);
        return Ok(Some(read(value, entry)));
    }
    let found = reader.search(guard.reading(), key, &now, read);
    if found.is_none() {
        // An entry that a close has removed was not absent before.
        store.limits.check_open()?;
    }
    count(found.is_some());
    Ok(found)
}

/// How much longer a key is live. Counts nothing.
pub(crate) fn ttl(store: &Store, key: &[u8]) -> Result<TtlState, Error> {
    // Asked of the clock: a bound on the time would not do.
    let remaining = |deadline| match store.entries.clock.now() {
        _ if deadline == NEVER => TtlState::Never,
        now if now < deadline => TtlState::Remaining(Duration::from_nanos(deadline - now)),
        _ => TtlState::Missing,
    };
    let found = look_up(store, key, |_| (), |_, entry| remaining(entry.deadline))?;
    Ok(found.unwrap_or(TtlState::Missing))
}

/// Reads entries in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    entries: &'a Entries,
    streams: &'a Streams,
}

impl Store {
    #[inline(always)]
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { entries: &self.entries, streams: &self.space.room.streams }
    }
}

impl<'a> Reader<'a> {
    /// [`look_up`] for callers that know the hash; counts nothing.
    pub(crate) fn look_up<R>(
        self,
        key: HashedKey<'_>,
        now: &CallTime<'_>,
        read: impl FnOnce(&[u8], LiveEntry<'_>) -> R,
    ) -> Option<R> {
        let mut guard = hazard::begin();
        let candidate = self.entries.index.key_line(key.hash).candidate_in_both();
        self.look_up_at(guard.reading(), Sought { key, candidate }, now, read)
    }

    /// [`look_up`](Reader::look_up) that begins with a slot that may be the key's, or may have been.
    #[inline(always)]
    pub(crate) fn look_up_at<R>(
        self,
        reading: &mut Reading<'_>,
        sought: Sought<'_>,
        now: &CallTime<'_>,
        read: impl FnOnce(&[u8], LiveEntry<'_>) -> R,
    ) -> Option<R> {
        if let Some((value, entry)) = self.glimpse(reading, sought, now) {
            return Some(read(value, entry));
        }
        self.search(reading, sought.key, now, read)
    }

    /// The value that a slot names, if it is the key's, live, and of the layout that most have;
    /// held in place by the hazard pointer.
    #[inline(always)]
    fn glimpse<'r>(
        self,
        reading: &'r mut Reading<'_>,
        sought: Sought<'_>,
        now: &CallTime<'_>,
    ) -> Option<(&'r [u8], LiveEntry<'r>)>
    where
        'a: 'r,
    {
        let Candidate { word, slot } = sought.candidate?;
        let item = self.entries.log.read_plain(reading, word, slot)?;
        if !same(item.key, sought.key.bytes) {
            return None;
        }
        let entry = self.live(slot, item.segment, item.deadline, now)?;
        self.count_hit(word, slot, item.segment);
        Some((item.value, entry))
    }

    /// Calls `read` with the live value of any key, whatever its layout.
    #[inline(never)]
    fn search<R>(
        self,
        reading: &mut Reading<'_>,
        key: HashedKey<'_>,
        now: &CallTime<'_>,
        read: impl FnOnce(&[u8], LiveEntry<'_>) -> R,
    ) -> Option<R> {
        // Called once at most: after it the search is over.
        let mut read = Some(read);
        let mut assembly = Assembly::default();
        let log = &self.entries.log;
        let found = self.entries.index.find(key.hash, |word, slot| {
            let Some(item) = log.read(reading, word, slot) else { return Probe::Changed };
            if item.is_chunk_header() {
                return self.probe_chunked(&item, key.bytes, Candidate { word, slot }, &mut assembly);
            }
            if !item.has_key(key.bytes) {
                return Probe::Other;
            }
            let segment = log.segment_at(slot.location());
            Probe::Answer(match self.live(slot, segment, item.deadline(), now) {
                None => SearchOutcome::Nothing,
                Some(entry) => {
                    self.count_hit(word, slot, segment);
                    read.take()
                        .map_or(SearchOutcome::Nothing, |read| SearchOutcome::Read(read(item.value(), entry)))
                }
            })
        });
        let assembled = match found.unwrap_or(Some(SearchOutcome::Contended))? {
            SearchOutcome::Nothing => return None,
            SearchOutcome::Read(answer) => return Some(answer),
            SearchOutcome::Assembled(assembled) => assembled,
            SearchOutcome::Contended => self.assemble_locked(key, &mut assembly.rest)?,
        };
        let Assembled { value_at, deadline, stamp } = assembled;
        let left = if deadline == NEVER { NEVER } else { deadline.saturating_sub(now.get()) };
        let identity = Identity::Stamp(stamp);
        let entry = LiveEntry { entries: self.entries, location: stamp.location, deadline, left, identity };
        let live = (left > 0).then_some(entry);
        let answer = live.zip(read.take()).map(|(entry, read)| read(&assembly.rest[value_at..], entry));
        scratch::put_back(assembly.rest);
        answer
    }

    /// `None` if the item's time has passed.
    #[inline(always)]
    fn live<'r>(
        self,
        slot: Slot,
        segment: Segment<'r>,
        deadline: Option<u64>,
        now: &CallTime<'_>,
    ) -> Option<LiveEntry<'r>>
    where
        'a: 'r,
    {
        let (deadline, left) = match deadline {
            None => (NEVER, NEVER),
            Some(deadline) => (deadline, deadline.saturating_sub(now.for_deadline(deadline))),
        };
        let (location, identity) = (slot.location(), Identity::InSegment(segment));
        (left > 0).then_some(LiveEntry { entries: self.entries, location, deadline, left, identity })
    }

    /// Looks at a chunked entry. If it is the key's, all that its header lacks is in the buffer.
    #[cold]
    #[inline(never)]
    fn probe_chunked<R>(
        self,
        item: &Item<'_>,
        key: &[u8],
        candidate: Candidate<'_>,
        assembly: &mut Assembly,
    ) -> Probe<SearchOutcome<R>> {
        let Candidate { word, slot } = candidate;
        let Assembly { rounds, rest } = assembly;
        *rounds += 1;
        let Some(header) = ChunkHeader::parse(item.value()) else { return Probe::Other };
        let Some(key_rest) = key.strip_prefix(item.key()) else { return Probe::Other };
        if key_rest.len() != header.key_len {
            return Probe::Other;
        }
        if *rounds > CHUNKED_ROUNDS {
            return Probe::Answer(SearchOutcome::Contended);
        }
        scratch::lend(rest);
        if !self.assemble(header, candidate, rest) {
            return Probe::Changed;
        }
        if !rest.starts_with(key_rest) {
            return Probe::Other;
        }
        self.count_hit(word, slot, self.entries.log.segment_at(slot.location()));
        let stamp = self.entries.stamp_at(slot.location());
        let deadline = item.deadline().unwrap_or(NEVER);
        Probe::Answer(SearchOutcome::Assembled(Assembled { value_at: header.key_len, deadline, stamp }))
    }

    /// Puts together the contents of all chunks. Each chunk is protected in its turn, and the slot looked
    /// at again: while the slot names the chunk header, its chunks are not written. False if it changed.
    fn assemble(self, header: ChunkHeader<'_>, candidate: Candidate<'_>, rest: &mut Vec<u8>) -> bool {
        let Candidate { word, slot } = candidate;
        hazard::reading(|second: &mut Reading<'_>| {
            header.gather(rest, |chunk, rest| {
                let bytes = self.entries.log.read_chunk(second, word, slot, chunk);
                bytes.map(|bytes| rest.extend_from_slice(bytes)).is_some()
            })
        })
    }

    /// [`assemble`](Reader::assemble) while the bucket is locked: for an entry that changes faster than it
    /// can be read.
    #[cold]
    fn assemble_locked(self, key: HashedKey<'_>, rest: &mut Vec<u8>) -> Option<Assembled> {
        let Lookup { bucket, found } = self.entries.lock(key);
        let slot = found?.place.slot();
        let view = self.entries.view(&bucket, slot);
        let value_at = view.copy_rest(rest);
        let stamp = self.entries.stamp_at(slot.location());
        Some(Assembled { value_at, deadline: view.deadline(), stamp })
    }

    /// Lets the policy know of a hit. A slot that has all hits that count is not written, nor is
    /// one in the newest part of the small queue, where hits do not count.
    #[inline(always)]
    fn count_hit(self, word: &AtomicU64, slot: Slot, segment: Segment<'_>) {
        if slot.is_hot() {
            return;
        }
        if segment.start() <= self.streams.counts_through() {
            count_one_hit(word, slot, queue_of(segment.place()));
        }
    }

    /// The hashes of some keys and the slots that may be theirs, whose items were asked for.
    #[inline]
    pub(crate) fn prefetch<K: AsRef<[u8]>>(self, keys: &[K]) -> [Prefetched<'a>; BATCH] {
        let entries = self.entries;
        let (mut ahead, mut lines) = ([Prefetched::default(); BATCH], [None; BATCH]);
        for ((key, key_ahead), line) in keys.iter().zip(&mut ahead).zip(&mut lines) {
            key_ahead.hash = entries.hash(key.as_ref());
            line.insert(entries.index.key_line(key_ahead.hash)).prefetch();
        }
        for (key_ahead, line) in ahead.iter_mut().zip(lines.iter().flatten()) {
            key_ahead.candidate = line.candidate();
            match key_ahead.candidate {
                Some(candidate) => entries.log.prefetch(candidate.slot),
                None => line.other().prefetch(),
            }
        }
        let elsewhere =
            ahead.iter_mut().zip(lines.iter().flatten()).filter(|(first, _)| first.candidate.is_none());
        for (key_ahead, line) in elsewhere {
            key_ahead.candidate = line.other().candidate();
            if let Some(candidate) = key_ahead.candidate {
                entries.log.prefetch(candidate.slot);
            }
        }
        ahead
    }
}

#[inline(never)]
fn count_one_hit(word: &AtomicU64, slot: Slot, queue: Queue) {
    // In the small queue one hit is as good as all.
    let hit = if queue == Queue::Small { slot.hottest() } else { slot.hotter() };
    // Relaxed: nothing is read by it, and an exchange keeps the item's release sequence. One that
    // fails is a hit not counted.
    let _ = word.compare_exchange(slot.word(), hit.word(), Ordering::Relaxed, Ordering::Relaxed);
}
