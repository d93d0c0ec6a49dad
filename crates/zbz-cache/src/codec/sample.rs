//! [`Sample`]: which sets of a contract are looked at.

use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// So many are looked at from the first one on.
const FIRST: u32 = 64;

/// Of those after them, one in so many.
const ONE_IN: u32 = 256;

const STRIPES: usize = 8;

/// Counts sets. Counts are lost where threads meet on one stripe, which makes the sample a little
/// thinner and costs no thread a wait.
pub(super) struct Sample {
    begun: Stripe,
    stripes: [Stripe; STRIPES],
}

/// Alone on its lines, so that threads of different stripes do not share one.
#[derive(Default)]
#[repr(align(128))]
struct Stripe(AtomicU32);

impl Sample {
    pub(super) fn new() -> Self {
        Sample { begun: Stripe::default(), stripes: Default::default() }
    }

    /// Counts a set; whether it is one to look at.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        // Once all of the first have been, this is only read.
        if self.begun.0.load(Relaxed) < FIRST {
            return self.begun.0.fetch_add(1, Relaxed) < FIRST;
        }
        let count = &self.stripes[stripe_of_thread()].0;
        let met = count.load(Relaxed).wrapping_add(1);
        count.store(met, Relaxed);
        met.is_multiple_of(ONE_IN)
    }
}

/// The same one always for one thread: a thread's own variables lie where no other thread's do.
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

    #[test]
    fn the_first_sets_are_due_and_then_one_in_so_many() {
        let sample = Sample::new();
        assert!((0..FIRST).all(|_| sample.is_due()));
        for _ in 0..3 {
            assert!((1..ONE_IN).all(|_| !sample.is_due()));
            assert!(sample.is_due());
        }
    }

    #[test]
    fn the_first_sets_are_due_whichever_threads_make_them() {
        let sample = Sample::new();
        let due = |sets: u32| (0..sets).filter(|_| sample.is_due()).count();
        let early: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| due(FIRST))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let later = (FIRST * 7 / ONE_IN) as usize;
        assert!((FIRST as usize..=FIRST as usize + later).contains(&early), "{early}");
    }
}
