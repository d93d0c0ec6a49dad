//! [`Sample`]: chooses the sets of a contract that are checked.

use std::hash::{BuildHasher, RandomState};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How many sets are checked at the beginning, and after one that was refused.
const FIRST: u32 = 64;

/// After those, one set of each block of this many is checked.
const ONE_IN: u32 = 256;

const STRIPES: usize = 8;

/// Counts sets. If threads meet on one stripe counts are lost, which makes the sample a little thinner and
/// makes no thread wait.
pub(super) struct Sample {
    begun: Stripe,
    /// Chooses another place in each block. Otherwise a job that always sets the same names in one order
    /// would have the same few checked for ever.
    seed: u32,
    stripes: [Stripe; STRIPES],
}

/// Aligned, so that stripes share no cache line.
#[derive(Default)]
#[repr(align(128))]
struct Stripe(AtomicU32);

impl Sample {
    pub(super) fn new() -> Self {
        let seed = RandomState::new().hash_one(0) as u32;
        Sample { begun: Stripe::default(), seed, stripes: Default::default() }
    }

    /// Counts a set. True if it has to be checked.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        // After the first ones this word is only read.
        if self.begun.0.load(Relaxed) < FIRST {
            return self.begun.0.fetch_add(1, Relaxed) < FIRST;
        }
        let count = &self.stripes[stripe_of_thread()].0;
        let met = count.load(Relaxed);
        count.store(met.wrapping_add(1), Relaxed);
        met % ONE_IN == self.place_in(met / ONE_IN)
    }

    /// Begins again after a set was refused: similar ones may follow.
    #[cold]
    pub(super) fn begin_anew(&self) {
        self.begun.0.store(0, Relaxed);
    }

    /// The place in this block that is checked.
    #[inline]
    fn place_in(&self, block: u32) -> u32 {
        // Multiplying by an odd number keeps nearby blocks apart; the high bits are the well-mixed ones.
        let mixed = (block ^ self.seed).wrapping_mul(0x9E37_79B1);
        (mixed >> 24) % ONE_IN
    }
}

/// The stripe of this thread, by the address of a thread-local variable, which no other thread shares.
#[inline]
fn stripe_of_thread() -> usize {
    thread_local! {
        static PLACE: u8 = const { 0 };
    }
    let place = PLACE.try_with(|place| ptr::from_ref(place).addr()).unwrap_or(0);
    let mixed = (place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 32) as usize % STRIPES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_in_a_block(sample: &Sample) -> Vec<u32> {
        (0..ONE_IN).filter(|_| sample.is_due()).collect()
    }

    #[test]
    fn the_first_sets_are_due_and_then_one_in_each_so_many_at_another_place() {
        let sample = Sample::new();
        assert!((0..FIRST).all(|_| sample.is_due()));
        let mut places: Vec<u32> = (0..64)
            .map(|_| match due_in_a_block(&sample).as_slice() {
                &[place] => place,
                many => panic!("{many:?}"),
            })
            .collect();
        places.sort_unstable();
        places.dedup();
        assert!(places.len() > 32, "{places:?}");
        assert!(places.iter().any(|&place| place < 64) && places.iter().any(|&place| place >= 192));
    }

    #[test]
    fn after_one_that_was_refused_as_many_are_due_as_at_first() {
        let sample = Sample::new();
        assert!((0..FIRST).all(|_| sample.is_due()));
        due_in_a_block(&sample);
        sample.begin_anew();
        assert!((0..FIRST).all(|_| sample.is_due()));
        assert_eq!(due_in_a_block(&sample).len(), 1);
    }

    #[test]
    fn the_first_sets_are_due_whichever_threads_make_them() {
        let sample = Sample::new();
        let due = |sets: u32| (0..sets).filter(|_| sample.is_due()).count();
        let early: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| due(FIRST))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        // No thread has enough sets for a third block.
        let later = 2 * 8;
        assert!((FIRST as usize..=FIRST as usize + later).contains(&early), "{early}");
    }
}
