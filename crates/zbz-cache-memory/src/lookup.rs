//! Finding a live entry and reading it in place: without a lock, and without a write that other
//! readers see, but for hits that the policy counts.
//!
//! - *Judged while announced*: the deadline and the value belong to the item that the slot named
//!   at the second look; the time is read after it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::{Engine, HashedKey, Moment};
use crate::entry::Look;
use crate::found::Stamp;
use crate::hazard::{self, Reading};
use crate::index::Probe;
use crate::item::{Item, same};
use crate::lanes;
use crate::large::Head;
use crate::scratch;
use crate::segment::Segment;
use crate::slot::{Location, Slot};
use crate::tide::Side;
use crate::ttl::NEVER;
use crate::{Error, Found, TtlState, Version};

/// Keys of a batch whose memory is asked for before the first is read.
pub(crate) const BATCH: usize = 32;

/// How often an entry in pieces is begun again before it is copied under the bucket's bit.
const LARGE_ROUNDS: u32 = 4;

/// A live entry that was found; what is not asked for costs nothing.
#[derive(Debug)]
pub(crate) struct Glance<'a> {
    engine: &'a Engine,
    location: Location,
    /// `NEVER` for none.
    pub(crate) deadline: u64,
    /// Until then; `NEVER` for ever.
    left: u64,
    told: Told<'a>,
}

/// What tells which entry it is.
#[derive(Debug)]
enum Told<'a> {
    /// Its segment, while it is held in place.
    By(Segment<'a>),
    As(Stamp),
}

/// A slot that may be a key's, and its word.
pub(crate) type Candidate<'a> = Option<(&'a AtomicU64, Slot)>;

/// What a search for a key came to.
enum Seen<R> {
    /// The entry's time has passed.
    Nothing,
    /// The caller read it in place.
    Read(R),
    /// It was in pieces, which were put together.
    Gathered(Gathered),
    /// It, or its bucket, changed whenever it was looked at.
    Contended,
}

/// An entry that was put together, as it was while it was held in place.
struct Gathered {
    /// Where the value begins in what was put together.
    value_at: usize,
    deadline: u64,
    stamp: Stamp,
}

impl Glance<'_> {
    #[inline(always)]
    pub(crate) fn found(&self) -> Found {
        Found::new(self.left, self.stamp())
    }

    /// Of the entry that was found, whatever stands in its place by now.
    #[inline(always)]
    fn stamp(&self) -> Stamp {
        match self.told {
            Told::By(segment) => self.engine.stamp_in(segment, self.location),
            Told::As(stamp) => stamp,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.stamp().version()
    }
}

impl Engine {
    /// Calls `read` with the live value of a key, and `count` with whether there is one.
    ///
    /// The usual hit is inlined, and its answer made where the caller wants it: one that is handed
    /// on in memory is written in words and read again in larger ones, which processors wait for.
    #[inline(always)]
    pub(crate) fn look_up<R>(
        &self,
        key: &[u8],
        count: impl Fn(bool),
        read: impl FnOnce(&[u8], Glance<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        self.check_key(key)?;
        let (key, moment) = (self.hashed(key), self.moment());
        let mut turn = hazard::begin();
        let candidate = self.index.spot(key.hash).candidate_in_both();
        if let Some((value, glance)) = self.glimpse((turn.reading(), candidate), key, &moment) {
            count(true);
            return Ok(Some(read(value, glance)));
        }
        self.look_further((turn.reading(), key), &moment, count, read)
    }

    #[inline(never)]
    fn look_further<R>(
        &self,
        (reading, key): (&mut Reading<'_>, HashedKey<'_>),
        moment: &Moment<'_>,
        count: impl Fn(bool),
        read: impl FnOnce(&[u8], Glance<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        let found = self.search(reading, key, moment, read);
        if found.is_none() {
            // What a close has removed was not absent before.
            self.check_open()?;
        }
        count(found.is_some());
        Ok(found)
    }

    /// [`look_up`](Engine::look_up) for callers that know the hash; counts nothing.
    pub(crate) fn look_up_hashed<R>(
        &self,
        key: HashedKey<'_>,
        moment: &Moment<'_>,
        read: impl FnOnce(&[u8], Glance<'_>) -> R,
    ) -> Option<R> {
        let mut turn = hazard::begin();
        let candidate = self.index.spot(key.hash).candidate_in_both();
        self.look_up_at((turn.reading(), candidate), key, moment, read)
    }

    /// The same, which begins with a slot that may be the key's, or may have been.
    #[inline(always)]
    pub(crate) fn look_up_at<R>(
        &self,
        (reading, candidate): (&mut Reading<'_>, Candidate<'_>),
        key: HashedKey<'_>,
        moment: &Moment<'_>,
        read: impl FnOnce(&[u8], Glance<'_>) -> R,
    ) -> Option<R> {
        if let Some((value, glance)) = self.glimpse((reading, candidate), key, moment) {
            return Some(read(value, glance));
        }
        self.search(reading, key, moment, read)
    }

    /// The value that a slot names, if it is the key's, live, and of the layout that most have;
    /// held in place by the announcement.
    #[inline(always)]
    fn glimpse<'a>(
        &'a self,
        (reading, candidate): (&'a mut Reading<'_>, Candidate<'_>),
        key: HashedKey<'_>,
        moment: &Moment<'_>,
    ) -> Option<(&'a [u8], Glance<'a>)> {
        let (word, slot) = candidate?;
        let item = self.log.read_plain(reading, word, slot)?;
        if !same(item.key, key.bytes) {
            return None;
        }
        let glance = self.glance(slot, item.segment, item.deadline, moment)?;
        self.count_hit(word, slot, item.segment);
        Some((item.value, glance))
    }

    /// Calls `read` with the live value of any key, whatever its layout.
    #[inline(never)]
    fn search<R>(
        &self,
        reading: &mut Reading<'_>,
        key: HashedKey<'_>,
        moment: &Moment<'_>,
        read: impl FnOnce(&[u8], Glance<'_>) -> R,
    ) -> Option<R> {
        // Called once at most: after it the search is over.
        let mut read = Some(read);
        let (mut rounds, mut rest) = (0_u32, Vec::new());
        let found = self.index.find(key.hash, |word, slot| {
            let Some(item) = self.log.read(reading, word, slot) else { return Probe::Changed };
            if item.is_head() {
                rounds += 1;
                return self.probe_head(&item, key.bytes, (word, slot), (rounds, &mut rest));
            }
            if !item.has_key(key.bytes) {
                return Probe::Other;
            }
            let segment = self.log.segment_at(slot.location());
            Probe::Answer(match self.glance(slot, segment, item.deadline(), moment) {
                None => Seen::Nothing,
                Some(glance) => {
                    self.count_hit(word, slot, segment);
                    read.take().map_or(Seen::Nothing, |read| Seen::Read(read(item.value(), glance)))
                }
            })
        });
        let gathered = match found.unwrap_or(Some(Seen::Contended))? {
            Seen::Nothing => return None,
            Seen::Read(answer) => return Some(answer),
            Seen::Gathered(gathered) => gathered,
            Seen::Contended => self.gather_held(key, &mut rest)?,
        };
        let Gathered { value_at, deadline, stamp } = gathered;
        let left = if deadline == NEVER { NEVER } else { deadline.saturating_sub(moment.get()) };
        let glance = Glance { engine: self, location: stamp.location, deadline, left, told: Told::As(stamp) };
        let live = (left > 0).then_some(glance);
        let answer = live.zip(read.take()).map(|(glance, read)| read(&rest[value_at..], glance));
        scratch::put_back(rest);
        answer
    }

    /// `None` if the item's time has passed.
    #[inline(always)]
    fn glance<'a>(
        &'a self,
        slot: Slot,
        segment: Segment<'a>,
        deadline: Option<u64>,
        moment: &Moment<'_>,
    ) -> Option<Glance<'a>> {
        let (deadline, left) = match deadline {
            None => (NEVER, NEVER),
            Some(deadline) => (deadline, deadline.saturating_sub(moment.for_deadline(deadline))),
        };
        let told = Told::By(segment);
        (left > 0).then_some(Glance { engine: self, location: slot.location(), deadline, left, told })
    }

    /// Looks at an item that was cut; if it is the key's, all that it lacks is in the buffer.
    #[cold]
    #[inline(never)]
    fn probe_head<R>(
        &self,
        item: &Item<'_>,
        key: &[u8],
        (word, slot): (&AtomicU64, Slot),
        (round, rest): (u32, &mut Vec<u8>),
    ) -> Probe<Seen<R>> {
        let Some(head) = Head::parse(item.value()) else { return Probe::Other };
        let Some(key_rest) = key.strip_prefix(item.key()) else { return Probe::Other };
        if key_rest.len() != head.key_len {
            return Probe::Other;
        }
        if round > LARGE_ROUNDS {
            return Probe::Answer(Seen::Contended);
        }
        scratch::take_into(rest);
        if !self.gather(head, (word, slot), rest) {
            return Probe::Changed;
        }
        if !rest.starts_with(key_rest) {
            return Probe::Other;
        }
        self.count_hit(word, slot, self.log.segment_at(slot.location()));
        let (deadline, stamp) = (item.deadline().unwrap_or(NEVER), self.stamp_at(slot.location()));
        Probe::Answer(Seen::Gathered(Gathered { value_at: head.key_len, deadline, stamp }))
    }

    /// What a head and its pieces hold beyond the head's key. Each piece is announced in its turn,
    /// and the slot looked at again: while it names the head, its pieces are not written. False if
    /// it changed.
    fn gather(&self, head: Head<'_>, (word, slot): (&AtomicU64, Slot), rest: &mut Vec<u8>) -> bool {
        hazard::reading(|second: &mut Reading<'_>| {
            head.gather(rest, |piece, rest| {
                let bytes = self.log.read_piece(second, word, slot, piece);
                bytes.map(|bytes| rest.extend_from_slice(bytes)).is_some()
            })
        })
    }

    /// The same, copied while the bucket is held: for an entry that changes faster than it can be
    /// read.
    #[cold]
    fn gather_held(&self, key: HashedKey<'_>, rest: &mut Vec<u8>) -> Option<Gathered> {
        let Look { held, found } = self.look(key);
        let slot = found?.0.slot();
        let item = self.log.read_held(&held, slot);
        let (deadline, stamp) = (item.deadline().unwrap_or(NEVER), self.stamp_at(slot.location()));
        if !item.is_head() {
            rest.clear();
            rest.extend_from_slice(item.value());
            return Some(Gathered { value_at: 0, deadline, stamp });
        }
        let head = Head::parse(item.value())?;
        head.gather(rest, |piece, rest| {
            rest.extend_from_slice(self.log.read_piece_held(&held, piece));
            true
        });
        Some(Gathered { value_at: head.key_len.min(rest.len()), deadline, stamp })
    }

    /// Lets the policy know of a hit; a slot that has all hits that count is not written, nor is
    /// one in the newest part of the small queue, where hits do not count.
    #[inline(always)]
    fn count_hit(&self, word: &AtomicU64, slot: Slot, segment: Segment<'_>) {
        if slot.is_hot() {
            return;
        }
        if segment.start() <= self.lanes.counts_through() {
            count_one_hit(word, slot, lanes::side_of(segment.place()));
        }
    }

    /// How much longer a key is live. Counts nothing.
    pub(crate) fn ttl(&self, key: &[u8]) -> Result<TtlState, Error> {
        // Asked of the clock, which a bound on the time would not do for.
        let remaining = |deadline| match self.clock.now() {
            _ if deadline == NEVER => TtlState::Never,
            now if now < deadline => TtlState::Remaining(Duration::from_nanos(deadline - now)),
            _ => TtlState::Missing,
        };
        let found = self.look_up(key, |_| (), |_, glance| remaining(glance.deadline))?;
        Ok(found.unwrap_or(TtlState::Missing))
    }

    /// The hashes of some keys and the slots that may be theirs, whose items were asked for.
    #[inline]
    pub(crate) fn prefetch<K: AsRef<[u8]>>(&self, keys: &[K]) -> [(u64, Candidate<'_>); BATCH] {
        let (mut ahead, mut spots) = ([(0, None); BATCH], [None; BATCH]);
        for ((key, (hash, _)), spot) in keys.iter().zip(&mut ahead).zip(&mut spots) {
            *hash = self.hash(key.as_ref());
            spot.insert(self.index.spot(*hash)).prefetch();
        }
        for ((_, candidate), spot) in ahead.iter_mut().zip(spots.iter().flatten()) {
            *candidate = spot.candidate();
            match candidate {
                Some((_, slot)) => self.log.prefetch(*slot),
                None => spot.other().prefetch(),
            }
        }
        let elsewhere =
            ahead.iter_mut().zip(spots.iter().flatten()).filter(|((_, first), _)| first.is_none());
        for ((_, candidate), spot) in elsewhere {
            *candidate = spot.other().candidate();
            if let Some((_, slot)) = candidate {
                self.log.prefetch(*slot);
            }
        }
        ahead
    }
}

#[inline(never)]
fn count_one_hit(word: &AtomicU64, slot: Slot, side: Side) {
    // In the small queue one hit is as good as all.
    let hit = if side == Side::Small { slot.hottest() } else { slot.hotter() };
    // Relaxed: nothing is read by it, and an exchange keeps the item's release sequence. One that
    // fails is a hit not counted.
    let _ = word.compare_exchange(slot.word(), hit.word(), Ordering::Relaxed, Ordering::Relaxed);
}
