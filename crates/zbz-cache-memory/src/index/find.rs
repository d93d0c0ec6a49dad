//! Finding a key without a lock: see *A miss is proven*.

use super::bucket::chain;
use super::line::{Bucket, Part, has_chain, version};
use super::table::Index;
use super::wait::pause;
use crate::base::sync::{AtomicU64, Ordering};
use crate::index::geometry::{Geometry, Mark};
use crate::index::slot::{Slot, Tag};

/// How often a miss is looked for again before the bucket is locked.
const ROUNDS: usize = 8;

/// A caller's answer about a slot that may be its key's.
#[derive(Debug)]
pub(crate) enum Probe<R> {
    /// This is the key, and that is the answer.
    Answer(R),
    /// This is another key.
    Other,
    /// The slot changed before it could be looked at.
    Changed,
}

/// A key could not be found or proven absent without its bucket's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contended;

/// A slot that may be a key's, and the word it was loaded from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) word: &'a AtomicU64,
    pub(crate) slot: Slot,
}

/// One line of a key's bucket: that which the key prefers, where most are found if they are there,
/// or the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyLine<'a> {
    bucket: &'a Bucket,
    line: usize,
    tag: Tag,
}

impl<'a> KeyLine<'a> {
    #[inline(always)]
    fn part(self) -> Part<'a> {
        Part::of(self.bucket, self.line)
    }

    #[inline(always)]
    pub(crate) fn prefetch(self) {
        self.part().prefetch();
    }

    /// The other line.
    #[inline(always)]
    pub(crate) fn other(self) -> KeyLine<'a> {
        KeyLine { line: 1 - self.line, ..self }
    }

    /// The first slot with the key's tag. Says nothing of other slots.
    #[inline(always)]
    pub(crate) fn candidate(self) -> Option<Candidate<'a>> {
        let part = self.part();
        let found = part.candidates(self.tag);
        let word = (found != 0).then(|| part.word(found.trailing_zeros()))?;
        // Acquire: pairs with the store that published the item.
        let slot = Slot::from_word(word.load(Ordering::Acquire));
        slot.has(self.tag).then_some(Candidate { word, slot })
    }

    /// [`candidate`](KeyLine::candidate) in this line or else in the other.
    #[inline(always)]
    pub(crate) fn candidate_in_both(self) -> Option<Candidate<'a>> {
        self.candidate().or_else(|| self.other().candidate())
    }
}

impl Index {
    /// A slot that may be the key's, without proof, and without a look at overflow buckets.
    #[inline]
    pub(crate) fn peek(&self, hash: u64) -> Option<Slot> {
        self.key_line(hash).candidate_in_both().map(|candidate| candidate.slot)
    }

    /// The line that a key prefers at this moment.
    #[inline(always)]
    pub(crate) fn key_line(&self, hash: u64) -> KeyLine<'_> {
        let mark = self.buckets.mark(hash);
        KeyLine { bucket: self.buckets.bucket(self.number(mark)), line: mark.line(), tag: mark.tag() }
    }

    /// Looks for a key; `probe` is asked about each slot that may be its. Without a lock, and
    /// without a write. `None` means that at one moment of the call no slot was the key's.
    ///
    /// # Errors
    ///
    /// [`Contended`]: whenever it was looked for, the bucket changed. Lock it, then.
    #[inline(always)]
    pub(crate) fn find<R>(
        &self,
        hash: u64,
        mut probe: impl FnMut(&AtomicU64, Slot) -> Probe<R>,
    ) -> Result<Option<R>, Contended> {
        let mark = self.buckets.mark(hash);
        let geometry = self.recent_geometry();
        let number = geometry.bucket(mark);
        match scan(Part::of(self.buckets.bucket(number), mark.line()), mark.tag(), &mut probe) {
            Probe::Answer(answer) => Ok(Some(answer)),
            Probe::Other | Probe::Changed => self.find_with_proof(mark, geometry, number, probe),
        }
    }

    #[inline(never)]
    fn find_with_proof<R>(
        &self,
        mark: Mark,
        mut geometry: Geometry,
        mut number: u64,
        mut probe: impl FnMut(&AtomicU64, Slot) -> Probe<R>,
    ) -> Result<Option<R>, Contended> {
        for _ in 0..ROUNDS {
            let bucket = self.buckets.bucket(number);
            let before = version(bucket);
            let mut changed = false;
            // The line that was not looked at yet comes first.
            for line in [1 - mark.line(), mark.line()] {
                match scan(Part::of(bucket, line), mark.tag(), &mut probe) {
                    Probe::Answer(answer) => return Ok(Some(answer)),
                    Probe::Other => {}
                    Probe::Changed => changed = true,
                }
            }
            if has_chain(bucket) {
                for part in chain(bucket, &self.buckets.overflow) {
                    match scan(part, mark.tag(), &mut probe) {
                        Probe::Answer(answer) => return Ok(Some(answer)),
                        Probe::Other => {}
                        Probe::Changed => changed = true,
                    }
                }
            }
            // The geometry first: see the argument.
            let now = self.geometry();
            let is_same = now == geometry || now.bucket(mark) == number;
            if is_same && before.is_some() && version(bucket) == before && !changed {
                return Ok(None);
            }
            if before.is_none() {
                pause();
            }
            (geometry, number) = (now, now.bucket(mark));
        }
        Err(Contended)
    }
}

/// Asks about every slot with the tag; says `Changed` if one could not be looked at.
#[inline(always)]
fn scan<R>(part: Part<'_>, tag: Tag, probe: &mut impl FnMut(&AtomicU64, Slot) -> Probe<R>) -> Probe<R> {
    let mut found = part.candidates(tag);
    let mut outcome = Probe::Other;
    while found != 0 {
        let word = part.word(found.trailing_zeros());
        found &= found - 1;
        // Acquire: pairs with the store that published the item, before it is looked at.
        let slot = Slot::from_word(word.load(Ordering::Acquire));
        if !slot.has(tag) {
            outcome = Probe::Changed;
            continue;
        }
        match probe(word, slot) {
            Probe::Answer(answer) => return Probe::Answer(answer),
            Probe::Other => {}
            Probe::Changed => outcome = Probe::Changed,
        }
    }
    outcome
}
