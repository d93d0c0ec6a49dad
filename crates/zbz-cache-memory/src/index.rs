//! [`Index`]: which item a key names, found without a lock and changed under one bucket's bit.
//!
//! Three parts: the geometry says which bucket, the bucket holds the slots, the overflow has what
//! does not fit. What an item is, the index does not know: callers are asked.
//!
//! - *Under the bit*: slots and links change only while their bucket is held, but for bumps of a
//!   slot's hits. Whoever holds a bucket may look at the items that it names.
//! - *State before unlock*: a step of growth holds all buckets of its group, moves their items,
//!   publishes the new geometry, and only then lets go. So while a bucket is held and the geometry
//!   says that a key belongs to it, the key is there or nowhere.
//! - *A miss is proven*: the geometry, then the bucket's version, must be the same after the scan
//!   as before. `docs/engine.md`, section 5, has the argument.

use crate::error::Error;
use crate::geometry::Geometry;
use crate::slot::{Slot, Tag};
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::words::Words;

mod bucket;
mod overflow;

pub(crate) use bucket::Held;
use bucket::{Bucket, WORDS, candidates, chain, lines, version};
use overflow::Overflow;

/// How often a miss is looked for again before the bit is taken.
const ROUNDS: usize = 8;

/// What a caller says of a slot that may be its key's.
#[derive(Debug)]
pub(crate) enum Probe<R> {
    /// This is the key, and that is the answer.
    Answer(R),
    /// This is another key.
    Other,
    /// The slot changed before it could be looked at.
    Changed,
}

/// A step of growing or shrinking that was done.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Items that are in no bucket any more, because no overflow bucket was left: as if evicted.
    pub(crate) lost: Vec<Slot>,
}

/// See the module's words.
#[derive(Debug)]
pub(crate) struct Index {
    geometry: AtomicU64,
    buckets: Words,
    overflow: Overflow,
    /// Held by who grows or shrinks the table.
    stepping: Mutex<()>,
    least_group_bits: u32,
}

impl Index {
    /// A table that begins with 2^`group_bits` groups of four buckets, never has fewer, and grows
    /// to `most_buckets` and as many overflow buckets at the most.
    ///
    /// # Errors
    ///
    /// [`Error::Config`]: the system refuses the addresses.
    pub(crate) fn new(group_bits: u32, most_buckets: usize) -> Result<Index, Error> {
        let geometry = Geometry::new(group_bits);
        let most = most_buckets.max(geometry.buckets() as usize);
        let words = most.saturating_mul(WORDS);
        Ok(Index {
            geometry: AtomicU64::new(geometry.word()),
            buckets: Words::reserve(words)?,
            overflow: Overflow::new(most)?,
            stepping: Mutex::new(()),
            least_group_bits: group_bits,
        })
    }

    /// How many buckets there are.
    pub(crate) fn buckets(&self) -> u64 {
        self.geometry().buckets()
    }

    fn geometry(&self) -> Geometry {
        Geometry::from_word(self.geometry.load(Ordering::SeqCst))
    }

    #[inline(always)]
    fn bucket(&self, number: u64) -> &Bucket {
        let start = number as usize * WORDS;
        let words = &self.buckets.as_slice()[start..start + WORDS];
        // The length is right by construction, and the check of it is folded away.
        words.try_into().unwrap_or_else(|_| unreachable!())
    }

    /// Looks for a key; `probe` is asked about each slot that may be its. Without a lock, and
    /// without a write. `None` means that at one moment of the call no slot was the key's.
    #[inline(always)]
    pub(crate) fn find<R>(
        &self,
        hash: u64,
        mut probe: impl FnMut(&AtomicU64, Slot) -> Probe<R>,
    ) -> Option<R> {
        let tag = Tag::of(hash);
        // Acquire: a geometry is published after the buckets it speaks of.
        let geometry = Geometry::from_word(self.geometry.load(Ordering::Acquire));
        let [preferred, _] = lines(self.bucket(geometry.bucket(hash)), hash);
        match scan(preferred, tag, &mut probe) {
            Probe::Answer(answer) => Some(answer),
            Probe::Other | Probe::Changed => self.find_with_proof(hash, probe),
        }
    }

    #[cold]
    #[inline(never)]
    fn find_with_proof<R>(
        &self,
        hash: u64,
        mut probe: impl FnMut(&AtomicU64, Slot) -> Probe<R>,
    ) -> Option<R> {
        let tag = Tag::of(hash);
        for _ in 0..ROUNDS {
            let number = self.geometry().bucket(hash);
            let bucket = self.bucket(number);
            let Some(before) = version(bucket) else {
                pause();
                continue;
            };
            let parts = lines(bucket, hash).into_iter().chain(chain(bucket, &self.overflow));
            let mut changed = false;
            for part in parts {
                match scan(part, tag, &mut probe) {
                    Probe::Answer(answer) => return Some(answer),
                    Probe::Other => {}
                    Probe::Changed => changed = true,
                }
            }
            // The geometry first: see the argument.
            let proven =
                !changed && self.geometry().bucket(hash) == number && version(bucket) == Some(before);
            if proven {
                return None;
            }
        }
        let held = self.hold(hash);
        let mut words = held.words();
        words.find_map(|word| match scan(std::slice::from_ref(word), tag, &mut probe) {
            Probe::Answer(answer) => Some(answer),
            Probe::Other | Probe::Changed => None,
        })
    }

    /// Takes the bit of the bucket that a key belongs to; waits for others that have it.
    pub(crate) fn hold(&self, hash: u64) -> Held<'_> {
        let mut waited = 0_u32;
        loop {
            let number = self.geometry().bucket(hash);
            if let Some(held) = Held::try_take(self.bucket(number), &self.overflow)
                && self.geometry().bucket(hash) == number
            {
                return held;
            }
            wait(&mut waited);
        }
    }

    /// Adds one bucket, moving what belongs there; `hash_of` hashes the key of an item again.
    /// `None` if the table has its largest size, or another thread is at it.
    pub(crate) fn grow(&self, hash_of: impl Fn(Slot) -> u64) -> Option<Step> {
        let _stepping = self.stepping.try_lock().ok()?;
        let before = self.geometry();
        let (group, after) = before.grown()?;
        if after.buckets() as usize * WORDS > self.buckets.as_slice().len() {
            return None;
        }
        let numbers: Vec<u64> = before.step_to(after, group).buckets().collect();
        Some(self.redistribute(&numbers, after, hash_of))
    }

    /// Takes the last bucket away again. `None` if the table has its smallest size, or another
    /// thread is at it.
    pub(crate) fn shrink(&self, hash_of: impl Fn(Slot) -> u64) -> Option<Step> {
        let _stepping = self.stepping.try_lock().ok()?;
        let before = self.geometry();
        let (group, after) = before.shrunk(self.least_group_bits)?;
        let numbers: Vec<u64> = after.step_to(before, group).buckets().collect();
        Some(self.redistribute(&numbers, after, hash_of))
    }

    /// Holds the buckets of one group, ascending, moves every item to where `after` wants it, and
    /// publishes `after`.
    fn redistribute(&self, numbers: &[u64], after: Geometry, hash_of: impl Fn(Slot) -> u64) -> Step {
        let mut step = Step::default();
        // Others hold one bucket and never wait for a second, so the order harms nobody.
        let held: Vec<Held<'_>> = numbers.iter().map(|&number| self.hold_number(number)).collect();
        // The last ones first: items of a growing group move towards the end.
        for from in (0..held.len()).rev() {
            let moving: Vec<(Slot, u64)> =
                held[from].items().map(|(_, slot)| (slot, hash_of(slot))).collect();
            for (slot, hash) in moving {
                let number = after.bucket(hash);
                let Some(to) = numbers.iter().position(|&other| other == number) else { continue };
                if to == from {
                    continue;
                }
                // To its new place first. A chain may get longer here than an insert makes it.
                if held[to].insert_within(hash, slot, usize::MAX).is_err() {
                    step.lost.push(slot);
                }
                if let Some(place) = held[from].find(Tag::of(hash), |other| other.is_same_item(slot)) {
                    held[from].remove(place);
                }
            }
        }
        self.geometry.store(after.word(), Ordering::SeqCst);
        step
    }

    fn hold_number(&self, number: u64) -> Held<'_> {
        let mut waited = 0_u32;
        loop {
            match Held::try_take(self.bucket(number), &self.overflow) {
                Some(held) => return held,
                None => wait(&mut waited),
            }
        }
    }
}

/// Asks about every slot with the tag; says `Changed` if one could not be looked at.
#[inline(always)]
fn scan<R>(words: &[AtomicU64], tag: Tag, probe: &mut impl FnMut(&AtomicU64, Slot) -> Probe<R>) -> Probe<R> {
    let mut found = candidates(words, tag);
    let mut outcome = Probe::Other;
    while found != 0 {
        let word = &words[found.trailing_zeros() as usize];
        found &= found - 1;
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

/// Lets another thread get on with what it holds.
fn pause() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::hint::spin_loop();
}

/// The same, which gives the processor away when it took long: the holder may not be running.
fn wait(waited: &mut u32) {
    *waited += 1;
    #[cfg(not(loom))]
    if *waited > 64 {
        std::thread::yield_now();
        return;
    }
    pause();
}

#[cfg(test)]
mod tests;
