//! How a deadline is written in an item: as its distance from a *base* of the item's segment, in
//! units of the clock's grain, while that is short enough, or else in full.
//!
//! ```text
//!   form     bytes
//!   none     0
//!   near     4       units after the base
//!   far      5       units after the point 2^39 units before the base
//!   early    7       nanoseconds of the cache's clock, the first 834 days
//!   late     8       nanoseconds, any
//! ```
//!
//! Neighbouring items expire at about the same time: where the base is 137 s before the first
//! deadline, those within that time of it are near, and within 9 hours far. Both are exact: a
//! deadline that is no whole number of units is written in full. The system's clock gives none such.

use crate::base::ttl::GRAIN_BITS;

const NEAR_BITS: u32 = 32;
const FAR_BITS: u32 = 40;
const EARLY_BITS: u32 = 56;

/// The deadline in an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    None,
    Near,
    Far,
    Early,
    Late,
}

/// The base of a segment that is opened for an item of this deadline, where that of the segment
/// before was `old`: `old` again, while it suits the deadline.
pub(crate) fn base_for(deadline: u64, old: u64) -> u64 {
    let units = deadline >> GRAIN_BITS;
    let quarter = 1 << (NEAR_BITS - 2);
    let suits = (quarter..3 * quarter).contains(&units.wrapping_sub(old));
    if suits { old } else { units.saturating_sub(2 * quarter) }
}

impl Form {
    /// The shortest for a deadline in a segment of this base.
    #[inline]
    pub(crate) fn of(deadline: u64, base: u64) -> Form {
        let units = deadline >> GRAIN_BITS;
        let whole = units << GRAIN_BITS == deadline;
        if whole && units.wrapping_sub(base) >> NEAR_BITS == 0 {
            Form::Near
        } else if whole && units.wrapping_sub(far_base(base)) >> FAR_BITS == 0 {
            Form::Far
        } else {
            Form::in_full(deadline)
        }
    }

    /// For a deadline that is to read alike in every segment.
    pub(crate) fn in_full(deadline: u64) -> Form {
        if deadline >> EARLY_BITS == 0 { Form::Early } else { Form::Late }
    }

    /// Whether it is good for segments of one base only.
    #[inline(always)]
    pub(crate) fn is_from_base(self) -> bool {
        matches!(self, Form::Near | Form::Far)
    }

    /// Its bytes.
    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        match self {
            Form::None => 0,
            Form::Near => 4,
            Form::Far => 5,
            Form::Early => 7,
            Form::Late => 8,
        }
    }

    /// The number to be written, of which the lowest bytes are all.
    #[inline]
    pub(crate) fn number(self, deadline: u64, base: u64) -> u64 {
        match self {
            Form::Near => (deadline >> GRAIN_BITS).wrapping_sub(base),
            Form::Far => (deadline >> GRAIN_BITS).wrapping_sub(far_base(base)),
            Form::None | Form::Early | Form::Late => deadline,
        }
    }

    /// The deadline of which this number was written.
    #[inline(always)]
    pub(crate) fn deadline(self, number: u64, base: u64) -> u64 {
        match self {
            Form::Near => base.wrapping_add(number) << GRAIN_BITS,
            Form::Far => far_base(base).wrapping_add(number) << GRAIN_BITS,
            Form::None | Form::Early | Form::Late => number,
        }
    }
}

#[inline(always)]
fn far_base(base: u64) -> u64 {
    base.wrapping_sub(1 << (FAR_BITS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3600 * SECOND;

    #[test]
    fn every_deadline_comes_back_from_the_bytes_of_its_form() {
        let bases = [0, 1, 1 << 31, 1 << 39, (1 << 39) + 7, 1 << 57, (1 << 58) - 1];
        let units = (0..59).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        let far = units.clone().chain(bases).chain([1 << 40, u64::MAX >> GRAIN_BITS]);
        for base in bases {
            for units in far.clone().chain(units.clone().map(|unit| base.wrapping_add(unit))) {
                for odd in [0, 1, 63] {
                    let deadline = (units << GRAIN_BITS) | odd;
                    let form = Form::of(deadline, base);
                    let written = &form.number(deadline, base).to_le_bytes()[..form.len()];
                    let mut read = [0; 8];
                    read[..written.len()].copy_from_slice(written);
                    assert_eq!(form.deadline(u64::from_le_bytes(read), base), deadline, "{form:?} {base}");
                    assert!(odd == 0 || !form.is_from_base());
                }
            }
        }
    }

    #[test]
    fn deadlines_around_the_first_are_near_and_those_of_hours_far() {
        let first = 2 * HOUR;
        let base = base_for(first, 0);
        for near in [first - 130 * SECOND, first, first + 130 * SECOND] {
            assert_eq!(Form::of(near, base), Form::Near);
        }
        for far in [0, first - 140 * SECOND, first + 140 * SECOND, first + 9 * HOUR] {
            assert_eq!(Form::of(far, base), Form::Far);
        }
        assert_eq!(Form::of(first + 10 * HOUR, base), Form::Early);
        assert_eq!(Form::of(1 << 56, base), Form::Late);
    }

    #[test]
    fn a_base_stays_while_deadlines_move_on_a_little() {
        let base = base_for(HOUR, 0);
        assert_eq!(base_for(HOUR + 60 * SECOND, base), base);
        assert_ne!(base_for(HOUR + 70 * SECOND, base), base);
        assert_ne!(base_for(HOUR - 70 * SECOND, base), base);
        assert_eq!(base_for(SECOND, 0), 0);
    }
}
