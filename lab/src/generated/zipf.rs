//! [`Zipf`]: ranks, of which the r-th is drawn as often as 1 / r^exponent.

use super::sequence::Sequence;

/// A popularity of so many ranks; 8 bytes of memory for each.
pub(super) struct Zipf {
    /// For each rank, the share of draws that fall on it or on one before it.
    shares: Vec<f64>,
}

impl Zipf {
    /// The popularity of `ranks` ranks, 1 or more.
    pub(super) fn over(ranks: u64, exponent: f64) -> Zipf {
        let mut sum = 0.0;
        let mut shares: Vec<f64> = (1..=ranks)
            .map(|rank| {
                sum += 1.0 / (rank as f64).powf(exponent);
                sum
            })
            .collect();
        for share in &mut shares {
            *share /= sum;
        }
        Zipf { shares }
    }

    /// A rank, counted from 0, the most popular.
    pub(super) fn draw(&self, sequence: &mut Sequence) -> u64 {
        let share = sequence.share();
        self.shares.partition_point(|&up_to| up_to < share) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_drawn_as_often_as_their_exponent_says() {
        let (zipf, mut sequence) = (Zipf::over(4, 1.0), Sequence::after(1));
        let mut counts = [0.0f64; 4];
        for _ in 0..100_000 {
            counts[zipf.draw(&mut sequence) as usize] += 1.0;
        }
        for (count, expected) in counts.into_iter().zip([0.48, 0.24, 0.16, 0.12]) {
            assert!((count / 100_000.0 - expected).abs() < 0.01, "{counts:?}");
        }
    }
}
