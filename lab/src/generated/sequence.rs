//! [`Sequence`]: the numbers behind generated traces, and why they are not those of [`Dice`](zbz_cache_cli::dice::Dice).
//!
//! Hit ratios of generated traces are published, and hold for exactly these requests: another generator, another seed
//! or another rounding would make other ones. All traces read one endless list of numbers, each from its own place on.

use zbz_cache_cli::dice;

/// What keeps neighbouring places from looking alike.
const STRIDE: u64 = 0x9E37_79B9_7F4A_7C15;

/// A place in the list of numbers.
#[derive(Clone, Debug)]
pub(super) struct Sequence(u64);

impl Sequence {
    /// Behind this place.
    pub(super) fn after(place: u64) -> Sequence {
        Sequence(place)
    }

    /// The next number.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        dice::mix(self.0.wrapping_add(STRIDE))
    }

    /// The next number, made one below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// The next number, made one from 0 to below 1.
    pub(super) fn share(&mut self) -> f64 {
        const STEPS: f64 = (1u64 << f64::MANTISSA_DIGITS) as f64;
        (self.next() >> (u64::BITS - f64::MANTISSA_DIGITS)) as f64 / STEPS
    }

    /// The next two numbers, made one that is spread as the bell curve of mean 0 and deviation 1 is.
    pub(super) fn normal(&mut self) -> f64 {
        // Box and Muller's; one less its share, because zero has no logarithm.
        let (radius, angle) = (1.0 - self.share(), self.share());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_places_give_equal_numbers_within_their_limits() {
        let (mut one, mut other) = (Sequence::after(7), Sequence::after(7));
        for _ in 0..1000 {
            let (number, share) = (one.below(10), one.share());
            assert!(number < 10 && (0.0..1.0).contains(&share));
            assert_eq!((number, share), (other.below(10), other.share()));
        }
        assert_ne!(one.next(), Sequence::after(8).next());
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let mut sequence = Sequence::after(1);
        let numbers: Vec<f64> = (0..100_000).map(|_| sequence.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / 1e5;
        let square = numbers.iter().map(|number| number * number).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02 && (square - 1.0).abs() < 0.02, "{mean} {square}");
    }
}
