//! [`Index`]: the table as a whole: its geometry, locking a bucket, growing and shrinking.

use std::sync::Arc;

use crate::base::budget::Budget;
use crate::base::error::Error;
use crate::base::sync::{AtomicU64, CachePadded, Mutex, Ordering};
use crate::index::bucket::{Buckets, LockedBucket};
use crate::index::geometry::{Geometry, MOST_DOUBLINGS, Mark};
use crate::index::line::WORDS;
use crate::index::overflow;
use crate::index::slot::{Location, Slot};
use crate::index::step::Regrouping;
use crate::index::wait::wait;

/// The cost of a bucket: its two lines, and the bytes that the policy's ghosts need for its keys.
pub(crate) const BYTES_PER_BUCKET: u64 = 128 + GHOST_BYTES_PER_BUCKET;

/// Of these, what the policy remembers of evicted keys.
pub(crate) const GHOST_BYTES_PER_BUCKET: u64 = 18;

/// How many buckets' memory is given back at once: 64 KiB, whole pages wherever a page is not
/// larger. So much may stay behind what the budget was given back.
const GIVEN_BACK: u64 = if cfg!(loom) { 1 } else { 512 };

/// Buckets that share a large page.
const IN_LARGE: u64 = (2 << 20) / 128;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Index {
    geometry: AtomicU64,
    pub(super) buckets: Buckets,
    stepping: CachePadded<Mutex<Stepping>>,
    most_buckets: u64,
}

/// Held by the thread that grows or shrinks the table.
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
        let buckets = Buckets::new(most, geometry.buckets(), base_bits, Arc::clone(&budget))?;
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
            buckets,
            stepping: CachePadded::new(Mutex::new(Stepping::default())),
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
        self.buckets.overflow.in_use()
    }

    /// The bytes that the index took from the budget.
    pub(crate) fn bytes(&self) -> u64 {
        self.buckets() * BYTES_PER_BUCKET + self.buckets.overflow.bytes()
    }

    pub(super) fn geometry(&self) -> Geometry {
        // SeqCst: that which decides a miss is one of all threads' order, with its version.
        Geometry::from_word(self.geometry.load(Ordering::SeqCst))
    }

    /// The geometry at this moment, or shortly before.
    #[inline(always)]
    pub(super) fn recent_geometry(&self) -> Geometry {
        // Acquire: pairs with its publication, after the buckets it speaks of.
        Geometry::from_word(self.geometry.load(Ordering::Acquire))
    }

    /// The bucket that a key belongs to at this moment, or did shortly before.
    #[inline(always)]
    pub(super) fn number(&self, mark: Mark) -> u64 {
        self.recent_geometry().bucket(mark)
    }

    /// The number of a key's bucket; a hint, for it may change at any time.
    pub(crate) fn bucket_of(&self, hash: u64) -> u64 {
        self.number(self.buckets.mark(hash))
    }

    /// A new slot for an item of this key, not hit yet.
    pub(crate) fn slot(&self, hash: u64, location: Location) -> Slot {
        Slot::new(self.buckets.mark(hash).tag(), location)
    }

    /// Asks for both lines of a key's bucket: for writers.
    #[inline(always)]
    pub(crate) fn prefetch_bucket(&self, hash: u64) {
        self.buckets.prefetch(self.number(self.buckets.mark(hash)));
    }

    /// Whether a locked bucket is the bucket of this key; it stays so while it is locked.
    #[cfg(test)]
    pub(crate) fn is_bucket_of(&self, bucket: &LockedBucket<'_>, hash: u64) -> bool {
        self.geometry().bucket(self.buckets.mark(hash)) == bucket.number()
    }

    /// Locks the bucket that a key belongs to; waits for another thread that has locked it.
    #[inline]
    pub(crate) fn lock(&self, hash: u64) -> LockedBucket<'_> {
        self.lock_mark(self.buckets.mark(hash))
    }

    #[inline(always)]
    fn lock_mark(&self, mark: Mark) -> LockedBucket<'_> {
        let mut waited = 0;
        loop {
            let geometry = self.recent_geometry();
            let number = geometry.bucket(mark);
            if let Some(locked) = LockedBucket::try_take(&self.buckets, number) {
                let now = self.geometry();
                if now == geometry || now.bucket(mark) == number {
                    return locked;
                }
            }
            wait(&mut waited);
        }
    }

    /// Adds one bucket, moving what belongs there. False if the table has its largest size, the
    /// budget has no bytes for it, or another thread is at it. Not for a caller that has locked a bucket.
    ///
    /// Calls `lost` for items that are in no bucket any more because no overflow bucket was available,
    /// while their bucket is still locked: they count as evicted.
    pub(crate) fn grow(&self, lost: impl FnMut(&LockedBucket<'_>, Slot)) -> bool {
        let Ok(stepping) = self.stepping.try_lock() else { return false };
        let before = self.geometry();
        let most_group_bits = (self.buckets.base_bits + MOST_DOUBLINGS).min(Geometry::MOST_GROUP_BITS);
        let Some((group, after)) = before.grown(most_group_bits) else { return false };
        let too_many = after.buckets() > self.most_buckets;
        if too_many
            || !self.buckets.overflow.prepay(&self.buckets.budget)
            || !self.buckets.budget.take(BYTES_PER_BUCKET)
        {
            return false;
        }
        let new = before.buckets();
        let group = before.step_to(after, group);
        // Other threads hold one bucket and never wait for a second, so no order can deadlock.
        let mut regrouping = Regrouping::new(group, |number| match number == new {
            true => taken(|| LockedBucket::try_take_new(&self.buckets, number, stepping.floor)),
            false => taken(|| LockedBucket::try_take(&self.buckets, number)),
        });
        regrouping.spread();
        // SeqCst, and so Release: a geometry is published after the buckets it speaks of.
        self.geometry.store(after.word(), Ordering::SeqCst);
        regrouping.finish(lost);
        if after.buckets().is_multiple_of(IN_LARGE) {
            // A large page has become full: the system may put one there when it gets to it.
            self.buckets.words.allow_large(new as usize * WORDS);
        }
        true
    }

    /// Takes the last bucket away again. False if the table has its smallest size, or another
    /// thread is at it. Not for a caller that has locked a bucket. `lost` as in `grow`.
    pub(crate) fn shrink(&self, lost: impl FnMut(&LockedBucket<'_>, Slot)) -> bool {
        let Ok(mut stepping) = self.stepping.try_lock() else { return false };
        let before = self.geometry();
        let Some((group, after)) = before.shrunk(self.buckets.base_bits) else { return false };
        if !self.buckets.overflow.prepay(&self.buckets.budget) {
            return false;
        }
        let group = after.step_to(before, group);
        let mut regrouping =
            Regrouping::new(group, |number| taken(|| LockedBucket::try_take(&self.buckets, number)));
        regrouping.gather();
        // SeqCst: as in `grow`.
        self.geometry.store(after.word(), Ordering::SeqCst);
        regrouping.finish(lost);
        if after.buckets() % GIVEN_BACK == 0 {
            self.give_back(after.buckets(), &mut stepping);
        }
        self.buckets.budget.give(self.buckets.overflow.prepay_from(BYTES_PER_BUCKET));
        true
    }

    /// Gives back the memory of buckets that are not in the table any more, from this one on:
    /// *versions never come back*.
    fn give_back(&self, from: u64, stepping: &mut Stepping) {
        let end = (from + GIVEN_BACK).min(self.most_buckets);
        for number in from..end {
            // Relaxed: *zero is out of use*, and stays so while the table does not grow.
            if self.buckets.bucket(number)[0].load(Ordering::Relaxed) != 0 {
                let above = taken(|| LockedBucket::try_take(&self.buckets, number)).retire();
                stepping.floor = stepping.floor.max(above);
            }
        }
        self.buckets.words.give_back(from as usize * WORDS..end as usize * WORDS);
    }
}

/// What `take` gives, once it does.
#[inline(always)]
fn taken<'a>(take: impl Fn() -> Option<LockedBucket<'a>>) -> LockedBucket<'a> {
    let mut waited = 0;
    loop {
        match take() {
            Some(locked) => return locked,
            None => wait(&mut waited),
        }
    }
}

#[cfg(test)]
mod check;
#[cfg(test)]
mod tests;
