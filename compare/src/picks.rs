//! Which keys are asked for, in which order: the same for every contestant.
//!
//! Everything is seeded, so a round gives each contestant the same numbers from the same start.

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Zipf};

/// Set on a number in a mixed list: write this key instead of reading it.
pub const WRITE_BIT: u32 = 1 << 31;

const MIXED_LIST_LENGTH: usize = 1 << 21;
const ZIPF_EXPONENT: f64 = 0.99;
const ONE_WRITE_IN: u32 = 10;

/// Numbers below `keys`, each as likely as any other.
pub struct Uniform {
    random: SmallRng,
    keys: u64,
}

impl Uniform {
    /// Starts a sequence of numbers below `keys`.
    pub fn new(seed: u64, keys: u32) -> Self {
        Self { random: SmallRng::seed_from_u64(seed), keys: u64::from(keys) }
    }

    /// The next number.
    #[inline]
    pub fn draw(&mut self) -> u32 {
        // The high half of a product scales without a division.
        ((u64::from(self.random.next_u32()) * self.keys) >> 32) as u32
    }
}

/// All numbers below `keys` in a shuffled order, so that neighbours in memory are no neighbours in number.
pub fn shuffled(seed: u64, keys: u32) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..keys).collect();
    numbers.shuffle(&mut SmallRng::seed_from_u64(seed));
    numbers
}

/// A list of numbers by Zipf's law with exponent 0.99, one in ten marked with [`WRITE_BIT`].
///
/// It is drawn beforehand because drawing costs more than a fast get.
pub fn mixed(seed: u64, keys: u32) -> Result<Vec<u32>, String> {
    let law = Zipf::new(f64::from(keys), ZIPF_EXPONENT).map_err(|error| error.to_string())?;
    let mut random = SmallRng::seed_from_u64(seed);
    let list = (0..MIXED_LIST_LENGTH).map(|_| {
        let rank = law.sample(&mut random) as u32;
        let number = rank.clamp(1, keys) - 1;
        if random.next_u32().is_multiple_of(ONE_WRITE_IN) { number | WRITE_BIT } else { number }
    });
    Ok(list.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_numbers_stay_below_the_keys_and_reach_both_ends() {
        let mut uniform = Uniform::new(1, 10);
        let mut seen = [0u32; 10];
        for _ in 0..10_000 {
            seen[uniform.draw() as usize] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        assert_eq!(shuffled(3, 1000), shuffled(3, 1000));
        assert_ne!(shuffled(3, 1000), shuffled(4, 1000));
    }

    #[test]
    fn a_tenth_of_a_mixed_list_writes_and_the_first_keys_lead() {
        let list = mixed(5, 1000).expect("a list");
        let writes = list.iter().filter(|pick| **pick & WRITE_BIT != 0).count();
        let share = writes as f64 / list.len() as f64;
        assert!((0.095..0.105).contains(&share), "{share}");
        let first = list.iter().filter(|pick| **pick & !WRITE_BIT == 0).count();
        let last = list.iter().filter(|pick| **pick & !WRITE_BIT == 999).count();
        assert!(first > 100 * last, "{first} {last}");
    }
}
