//! The figure that stands for several rounds.

/// The middle of `samples`, or the mean of the two middle ones; none of an empty slice.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(sorted[middle - 1], upper))
}

/// How far the samples lie apart: largest less smallest, over the median; none of an empty slice.
pub fn spread(samples: &[f64]) -> Option<f64> {
    let middle = median(samples)?;
    let largest = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = samples.iter().copied().fold(f64::INFINITY, f64::min);
    (middle > 0.0).then(|| (largest - smallest) / middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_odd_number_is_the_middle_one() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[4.0]), Some(4.0));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn one_outlier_does_not_move_the_median() {
        assert_eq!(median(&[1.0, 1.0, 1.0, 1.0, 1e9]), Some(1.0));
    }

    #[test]
    fn of_nothing_there_is_neither_median_nor_spread() {
        assert_eq!(median(&[]), None);
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn the_spread_is_relative_to_the_median() {
        assert_eq!(spread(&[8.0, 10.0, 12.0]), Some(0.4));
    }
}
