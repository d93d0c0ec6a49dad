//! Numbers that look random and are the same on every machine: the generator splitmix64.

/// A sequence of numbers, settled by its seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of this seed.
    pub fn of(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// The next number, made one below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.roll()) * u128::from(limit)) >> 64) as u64
    }
}

/// A number whose every bit depends on every bit of this one; different ones stay different.
pub fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_roll_equal_numbers_and_stay_below_the_limit() {
        let (mut one, mut other) = (Dice::of(7), Dice::of(7));
        for _ in 0..1000 {
            let number = one.below(10);
            assert!(number < 10);
            assert_eq!(number, other.below(10));
        }
        assert_ne!(one.roll(), Dice::of(8).roll());
    }
}
