//! [`Ghosts`]: what was evicted lately, in 18 bytes a bucket.
//!
//! ```text
//!   two words a bucket       | unused: 4 | six fingerprints of 10 bits, newest lowest |
//!   16 bits a bucket         | main's newest: 8 | small's newest: 8 |    (the young word)
//! ```
//!
//! Sixteen buckets use eleven of their young words, so that a victim is the newest of its word for as
//! many evictions of its queue as a sixteenth of the keys, with eleven of those in a bucket.
//!
//! A victim of the small queue is pushed into one of the two words of the bucket its key belongs
//! to, and pushes the oldest out. So a fingerprint's place tells its age: with W words, place p is
//! about (p + 1/2) * W evictions old. A fingerprint is never zero.
//!
//! No lock and no order: a ghost that is lost, torn or mistaken for another costs a poorer choice
//! and nothing else. So do those of keys whose bucket changes when the index grows.

use std::ops::Range;

use crate::base::error::Error;
use crate::base::sync::Ordering;
use crate::base::words::Words;

const PLACES: u64 = 6;
const PRINT_BITS: u64 = 10;
const PRINT: u64 = (1 << PRINT_BITS) - 1;
const ALL_PRINTS: u64 = (1 << (PRINT_BITS * PLACES)) - 1;
const YOUNG: u64 = 0xff;
/// Young words in one of the machine's.
const YOUNG_IN_WORD: u64 = 4;

/// The memory of a key that is not in the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GhostHit {
    /// About how many small evictions ago it left the small queue, if it did.
    pub(crate) age: Option<u64>,
    /// It is the newest victim of the small queue in its young word.
    pub(crate) young_small: bool,
    /// It is the newest victim of the main queue in its young word.
    pub(crate) young_main: bool,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Ghosts {
    prints: Words,
    young: Words,
}

/// Where a key's ghosts are.
#[derive(Debug, Clone, Copy)]
struct GhostPlace {
    word: usize,
    print: u64,
    young_word: usize,
    young_shift: u64,
    young_print: u64,
}

/// Which young word is a bucket's.
fn young_at(bucket: u64) -> u64 {
    (bucket & !15) + (bucket & 15) * 11 / 16
}

fn place(hash: u64, bucket: u64) -> GhostPlace {
    let young = young_at(bucket);
    // The highest bits: the index's bucket and tag do not depend on them, or hardly.
    GhostPlace {
        word: (2 * bucket + (hash >> 45 & 1)) as usize,
        print: (hash >> 54).max(1),
        young_word: (young / YOUNG_IN_WORD) as usize,
        young_shift: young % YOUNG_IN_WORD * 16,
        young_print: (hash >> 46 & YOUNG).max(1),
    }
}

impl Ghosts {
    /// Memory for those of so many buckets at most; it comes when it is written.
    ///
    /// # Errors
    ///
    /// [`Error::Config`]: the system refuses the addresses.
    pub(crate) fn new(most_buckets: usize) -> Result<Ghosts, Error> {
        let young = most_buckets.div_ceil(YOUNG_IN_WORD as usize);
        Ok(Ghosts { prints: Words::reserve(2 * most_buckets)?, young: Words::reserve(young)? })
    }

    /// Remembers a victim of the small queue whose key belongs to this bucket.
    pub(crate) fn push_small(&self, hash: u64, bucket: u64) {
        let place = place(hash, bucket);
        if let Some(word) = self.prints.as_slice().get(place.word) {
            let prints = word.load(Ordering::Relaxed);
            word.store((prints << PRINT_BITS | place.print) & ALL_PRINTS, Ordering::Relaxed);
        }
        self.put_young(place, 0);
    }

    /// Remembers a victim of the main queue.
    pub(crate) fn push_main(&self, hash: u64, bucket: u64) {
        self.put_young(place(hash, bucket), 8);
    }

    fn put_young(&self, place: GhostPlace, queue_shift: u64) {
        if let Some(word) = self.young.as_slice().get(place.young_word) {
            let shift = place.young_shift + queue_shift;
            let others = word.load(Ordering::Relaxed) & !(YOUNG << shift);
            word.store(others | place.young_print << shift, Ordering::Relaxed);
        }
    }

    /// Removes and returns the memory of a key. `buckets` is how many there are.
    pub(crate) fn take(&self, hash: u64, bucket: u64, buckets: u64) -> GhostHit {
        let ghost = place(hash, bucket);
        let (prints, young) =
            (self.prints.as_slice().get(ghost.word), self.young.as_slice().get(ghost.young_word));
        let (Some(prints), Some(young)) = (prints, young) else { return GhostHit::default() };
        let word = prints.load(Ordering::Relaxed);
        let place = (0..PLACES).find(|place| word >> (place * PRINT_BITS) & PRINT == ghost.print);
        if let Some(place) = place {
            prints.store(word & !(PRINT << (place * PRINT_BITS)), Ordering::Relaxed);
        }
        let word = young.load(Ordering::Relaxed);
        let newest = word >> ghost.young_shift;
        let young_small = newest & YOUNG == ghost.young_print;
        let young_main = newest >> 8 & YOUNG == ghost.young_print;
        let gone = (u64::from(young_small) * YOUNG) | (u64::from(young_main) * (YOUNG << 8));
        if gone != 0 {
            young.store(word & !(gone << ghost.young_shift), Ordering::Relaxed);
        }
        // (p + 1/2) * W, for W = 2 * buckets.
        GhostHit { age: place.map(|place| (2 * place + 1) * buckets), young_small, young_main }
    }

    /// Gives back the memory of these buckets' ghosts.
    pub(crate) fn give_back(&self, buckets: Range<u64>) {
        let end = |words: &Words, at: u64| (at as usize).min(words.as_slice().len());
        let (from, to) = (buckets.start, buckets.end);
        self.prints.give_back(end(&self.prints, 2 * from)..end(&self.prints, 2 * to));
        let (from, to) = (young_at(from).div_ceil(YOUNG_IN_WORD), young_at(to).div_ceil(YOUNG_IN_WORD));
        self.young.give_back(end(&self.young, from)..end(&self.young, to));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_victim_is_remembered_with_its_age_until_it_is_asked_for() {
        let ghosts = Ghosts::new(8).unwrap();
        let hash = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) & !(1 << 45);
        ghosts.push_small(hash(1), 5);
        for other in 2..4 {
            ghosts.push_small(hash(other), 5);
        }
        ghosts.push_main(hash(4), 5);
        let newest = GhostHit { age: Some(8), young_small: true, young_main: false };
        assert_eq!(ghosts.take(hash(3), 5, 8), newest);
        assert_eq!(ghosts.take(hash(1), 5, 8), GhostHit { age: Some(5 * 8), ..GhostHit::default() });
        assert_eq!(ghosts.take(hash(4), 5, 8), GhostHit { young_main: true, ..GhostHit::default() });
        for n in 1..5 {
            assert!(n == 2 || ghosts.take(hash(n), 5, 8) == GhostHit::default());
        }
        for other in 10..16 {
            ghosts.push_small(hash(other), 5);
        }
        assert_eq!(ghosts.take(hash(2), 5, 8), GhostHit::default(), "six newer ones pushed it out");
        assert_eq!(ghosts.take(hash(1), 99, 8), GhostHit::default(), "a bucket there is no memory for");
    }

    #[test]
    fn sixteen_buckets_have_eleven_young_words_which_are_theirs_alone() {
        for group in 0..4 {
            let mut words: Vec<_> = (16 * group..16 * group + 16).map(young_at).collect();
            words.dedup();
            assert_eq!(words, Vec::from_iter(16 * group..16 * group + 11));
        }
    }
}
