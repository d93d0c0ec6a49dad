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
//! - *Versions never come back*: memory at the table's end is given back while all its buckets
//!   are held for ever, so nobody's bit is lost with it. Their words become zero, which no writer
//!   takes, and growth starts them anew above every version that was given back. So a reader
//!   takes no bucket of a later life for the one it scanned.

use std::sync::Arc;

use crate::budget::Budget;
use crate::error::Error;
use crate::geometry::{Geometry, MOST_DOUBLINGS, Mark};
use crate::slot::{Location, Slot};
use crate::sync::{Apart, AtomicU64, Mutex, Ordering};
use crate::words::{Words, prefetch};

mod bucket;
mod find;
mod overflow;
mod step;
mod visit;

use bucket::{Bucket, LINE, WORDS};
#[allow(unused_imports, reason = "named by those who call")]
pub(crate) use bucket::{Crowded, Held, Place};
#[allow(unused_imports, reason = "named by those who call")]
pub(crate) use find::{Contended, Probe, Spot};
use overflow::Overflow;
use step::Regrouping;

/// What a bucket costs: its two lines, and as much as the policy's ghosts need for its keys.
pub(crate) const BYTES_PER_BUCKET: u64 = 128 + GHOST_BYTES_PER_BUCKET;

/// Of these, what the policy remembers of evicted keys.
pub(crate) const GHOST_BYTES_PER_BUCKET: u64 = 18;

/// How many buckets' memory is given back at once: 64 KiB, whole pages wherever a page is not
/// larger. So much may stay behind what the budget was given back.
const GIVEN_BACK: u64 = if cfg!(loom) { 1 } else { 512 };

/// Buckets that share a large page.
const IN_LARGE: u64 = (2 << 20) / 128;

/// See the module's words.
#[derive(Debug)]
pub(crate) struct Index {
    geometry: AtomicU64,
    /// Bits of a group number that are a key's hash; further ones are its tag.
    base_bits: u32,
    buckets: Words,
    overflow: Overflow,
    budget: Arc<Budget>,
    stepping: Apart<Mutex<Stepping>>,
    /// The buckets that are always there.
    least_buckets: u64,
    most_buckets: u64,
}

/// Held by who grows or shrinks the table.
#[derive(Debug, Default)]
struct Stepping {
    /// Above the versions of all buckets whose memory was given back.
    floor: u64,
}

impl Index {
    /// A table that begins with 2^`group_bits` groups of four buckets, never has fewer, and grows
    /// to `most_buckets` and as many overflow buckets at the most, and by 13 doublings.
    ///
    /// # Errors
    ///
    /// [`Error::Config`]: the system refuses the addresses, or the budget the first buckets.
    pub(crate) fn new(group_bits: u32, most_buckets: usize, budget: Arc<Budget>) -> Result<Index, Error> {
        let base_bits = group_bits.min(Geometry::MOST_GROUP_BITS);
        let geometry = Geometry::new(base_bits);
        let most = most_buckets.max(geometry.buckets() as usize);
        let buckets = Words::reserve(most.saturating_mul(WORDS))?;
        let overflow = Overflow::new(most)?;
        let bytes = geometry.buckets() * BYTES_PER_BUCKET + overflow::PREPAID_BYTES;
        if !budget.take(bytes) {
            return Err(Error::Config {
                option: "max_size",
                got: format!("{} bytes", budget.limit()),
                takes: format!("at least {bytes} bytes for the index, and more for entries"),
            });
        }
        Ok(Index {
            geometry: AtomicU64::new(geometry.word()),
            base_bits,
            buckets,
            overflow,
            budget,
            stepping: Apart::new(Mutex::new(Stepping::default())),
            least_buckets: geometry.buckets(),
            most_buckets: most as u64,
        })
    }

    /// How many buckets there are.
    pub(crate) fn buckets(&self) -> u64 {
        self.geometry().buckets()
    }

    /// How many overflow buckets are in use.
    #[cfg(test)]
    pub(crate) fn overflow_buckets(&self) -> u64 {
        self.overflow.in_use()
    }

    /// What the index took from the budget.
    pub(crate) fn bytes(&self) -> u64 {
        self.buckets() * BYTES_PER_BUCKET + self.overflow.bytes()
    }

    fn geometry(&self) -> Geometry {
        // SeqCst: that which decides a miss is one of all threads' order, with its version.
        Geometry::from_word(self.geometry.load(Ordering::SeqCst))
    }

    #[inline(always)]
    fn mark(&self, hash: u64) -> Mark {
        Mark::new(hash, self.base_bits)
    }

    #[inline(always)]
    fn bucket(&self, number: u64) -> &Bucket {
        self.buckets.run(number as usize)
    }

    /// The geometry at this moment, or shortly before.
    #[inline(always)]
    fn recent_geometry(&self) -> Geometry {
        // Acquire: pairs with its publication, after the buckets it speaks of.
        Geometry::from_word(self.geometry.load(Ordering::Acquire))
    }

    /// The bucket that a key belongs to at this moment, or did shortly before.
    #[inline(always)]
    fn number(&self, mark: Mark) -> u64 {
        self.recent_geometry().bucket(mark)
    }

    /// The number of a key's bucket; a hint, for it may change at any time.
    pub(crate) fn bucket_of(&self, hash: u64) -> u64 {
        self.number(self.mark(hash))
    }

    /// A new slot for an item of this key, not hit yet.
    pub(crate) fn slot(&self, hash: u64, location: Location) -> Slot {
        Slot::new(self.mark(hash).tag(), location)
    }

    /// Asks for both lines of a key's bucket: for writers.
    #[inline(always)]
    pub(crate) fn prefetch_bucket(&self, hash: u64) {
        let bucket = self.bucket(self.number(self.mark(hash)));
        prefetch((&raw const bucket[0]).cast());
        prefetch((&raw const bucket[LINE]).cast());
    }

    /// Takes the bit of the bucket that a key belongs to; waits for others that have it.
    #[inline]
    pub(crate) fn hold(&self, hash: u64) -> Held<'_> {
        self.hold_mark(self.mark(hash))
    }

    #[inline(always)]
    fn hold_mark(&self, mark: Mark) -> Held<'_> {
        let mut waited = 0;
        loop {
            let geometry = self.recent_geometry();
            let number = geometry.bucket(mark);
            if let Some(held) = Held::try_take(self, number) {
                let now = self.geometry();
                if now == geometry || now.bucket(mark) == number {
                    return held;
                }
            }
            wait(&mut waited);
        }
    }

    /// Adds one bucket, moving what belongs there. False if the table has its largest size, the
    /// budget has no bytes for it, or another thread is at it. Not for who holds a bucket.
    ///
    /// `lost` is told of items that are in no bucket any more, because there was no overflow bucket
    /// to be had, while their bucket is held still: as if they were evicted.
    pub(crate) fn grow(&self, lost: impl FnMut(&Held<'_>, Slot)) -> bool {
        let Ok(stepping) = self.stepping.try_lock() else { return false };
        let before = self.geometry();
        let most_group_bits = (self.base_bits + MOST_DOUBLINGS).min(Geometry::MOST_GROUP_BITS);
        let Some((group, after)) = before.grown(most_group_bits) else { return false };
        let too_many = after.buckets() > self.most_buckets;
        if too_many || !self.overflow.prepay(&self.budget) || !self.budget.take(BYTES_PER_BUCKET) {
            return false;
        }
        let new = before.buckets();
        let group = before.step_to(after, group);
        // Others hold one bucket and never wait for a second, so the order harms nobody.
        let mut regrouping = Regrouping::new(group, |number| match number == new {
            true => taken(|| Held::try_take_new(self, number, stepping.floor)),
            false => taken(|| Held::try_take(self, number)),
        });
        regrouping.spread();
        // SeqCst, and so Release: a geometry is published after the buckets it speaks of.
        self.geometry.store(after.word(), Ordering::SeqCst);
        regrouping.finish(lost);
        if after.buckets().is_multiple_of(IN_LARGE) {
            // A large page has become full: the system may put one there when it gets to it.
            self.buckets.allow_large(new as usize * WORDS);
        }
        true
    }

    /// Takes the last bucket away again. False if the table has its smallest size, or another
    /// thread is at it. Not for who holds a bucket. `lost` as in `grow`.
    pub(crate) fn shrink(&self, lost: impl FnMut(&Held<'_>, Slot)) -> bool {
        let Ok(mut stepping) = self.stepping.try_lock() else { return false };
        let before = self.geometry();
        let Some((group, after)) = before.shrunk(self.base_bits) else { return false };
        if !self.overflow.prepay(&self.budget) {
            return false;
        }
        let group = after.step_to(before, group);
        let mut regrouping = Regrouping::new(group, |number| taken(|| Held::try_take(self, number)));
        regrouping.gather();
        // SeqCst: as in `grow`.
        self.geometry.store(after.word(), Ordering::SeqCst);
        regrouping.finish(lost);
        if after.buckets() % GIVEN_BACK == 0 {
            self.give_back(after.buckets(), &mut stepping);
        }
        self.budget.give(self.overflow.prepay_from(BYTES_PER_BUCKET));
        true
    }

    /// Gives back the memory of buckets that are not in the table any more, from this one on:
    /// *versions never come back*.
    fn give_back(&self, from: u64, stepping: &mut Stepping) {
        let end = (from + GIVEN_BACK).min(self.most_buckets);
        for number in from..end {
            // Relaxed: *zero is out of use*, and stays so while the table does not grow.
            if self.bucket(number)[0].load(Ordering::Relaxed) != 0 {
                let above = taken(|| Held::try_take(self, number)).retire();
                stepping.floor = stepping.floor.max(above);
            }
        }
        self.buckets.give_back(from as usize * WORDS..end as usize * WORDS);
    }
}

/// What `take` gives, once it does.
#[inline(always)]
fn taken<'a>(take: impl Fn() -> Option<Held<'a>>) -> Held<'a> {
    let mut waited = 0;
    loop {
        match take() {
            Some(held) => return held,
            None => wait(&mut waited),
        }
    }
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
mod check;
#[cfg(test)]
mod tests;
