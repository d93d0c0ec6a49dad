//! [`Geometry`]: which bucket a key belongs to, as the table grows one bucket at a time.
//!
//! Buckets form groups. Group `g` of `G` has its `p`-th bucket at index `p * G + g`. All groups
//! have `n` buckets, 4 to 7, those before the split point already one more. When the last group
//! has 8, `G` doubles, and each group of eight is two of four without a bucket moving: bucket `p`
//! of group `g` becomes bucket `p / 2` of group `g + (p % 2) * G`. After Larson, "Linear Hashing
//! with Partial Expansions" (VLDB 1980).
//!
//! - *Known for ever*: the place of a key depends on its [`Mark`] alone, and a slot's tag and the
//!   number of its bucket give the mark: no key is read to move its slot.
//!
//! A key's group is the low bits of its mark. Its bucket is `floor(n * x)`, where the first two
//! bits of the fraction `x` are its own, the third is the one that the next doubling adds to the
//! group number, and the further ones are its own. So at `n = 8` the bucket is made of three bits,
//! and dropping the third gives the bucket within the doubled group.
//!
//! ```text
//!   mark    | tag: own 2 | line 1 | further 7 | doublings 14 | base: low bits of the hash |
//!   state   | epoch: 23 | n - 4: 3 | log2 G: 6 | split point: 32 |
//! ```

use crate::index::slot::{TAG_BITS, Tag};

/// The buckets of a group before it has grown.
const SMALLEST: u64 = 4;
const LARGEST: u64 = 7;

const SPLIT_BITS: u32 = 32;
const STAGE_SHIFT: u32 = 38;
const EPOCH_SHIFT: u32 = 41;

/// Bits of a tag that doublings give to the group number, with that which the last one looks ahead
/// at.
const DOUBLING_BITS: u32 = MOST_DOUBLINGS + 1;
/// Those that follow: the further bits of the fraction, and the line, where its third bit goes.
const FURTHER_BITS: u32 = 7;
const FRACTION_BITS: u32 = TAG_BITS - DOUBLING_BITS;
const LINE_BIT: u64 = 1 << (DOUBLING_BITS + FURTHER_BITS);

const _: () = assert!(FRACTION_BITS == 2 + 1 + FURTHER_BITS);

/// How often the number of groups can double: a tag has no more bits to give.
pub(crate) const MOST_DOUBLINGS: u32 = 13;

/// All that the table ever knows of a key: its tag, above as many low bits of its hash as there
/// are bits in the least group number, the base.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    /// The bits above the tag may be anything.
    word: u64,
    tag: Tag,
}

impl Mark {
    /// Of a key.
    #[inline(always)]
    pub(crate) fn new(hash: u64, base_bits: u32) -> Mark {
        let bits = hash >> base_bits;
        let tag = Tag::new(bits);
        // The tag as it was made, not the hash: a tag is never zero.
        Mark { word: hash | (tag.bits() & !bits) << base_bits, tag }
    }

    /// Of the key of a slot in the bucket of this number.
    #[inline(always)]
    pub(crate) fn of_slot(tag: Tag, bucket: u64, base_bits: u32) -> Mark {
        Mark { word: tag.bits() << base_bits | bucket & ((1 << base_bits) - 1), tag }
    }

    #[inline(always)]
    pub(crate) fn tag(self) -> Tag {
        self.tag
    }

    /// Which line of its bucket it prefers, 0 or 1.
    #[inline(always)]
    pub(crate) fn line(self) -> usize {
        usize::from(self.tag.bits() & LINE_BIT != 0)
    }

    /// Its place in an order of all marks in which those of one group follow one another, whatever
    /// the number of groups.
    pub(crate) fn point(self, base_bits: u32) -> u64 {
        (self.word & ((1 << (base_bits + TAG_BITS)) - 1)).reverse_bits()
    }

    /// Which of `count` buckets of its group is its, where a group number has so many bits.
    #[inline(always)]
    pub(crate) fn place(self, group_bits: u32, count: u64) -> u64 {
        let own = self.tag.bits() >> DOUBLING_BITS & !(LINE_BIT >> DOUBLING_BITS);
        let next = self.word >> group_bits & 1;
        ((own | next << FURTHER_BITS) * count) >> FRACTION_BITS
    }
}

/// A state of the table. Equal states have the same buckets; the epoch tells apart two times at
/// which it had the same size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry(u64);

/// The buckets of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    first: u64,
    stride: u64,
    count: u64,
}

impl Group {
    /// Their indices, ascending.
    pub(crate) fn buckets(self) -> impl DoubleEndedIterator<Item = u64> {
        (0..self.count).map(move |place| place * self.stride + self.first)
    }

    /// How many they are: 8 at the most.
    #[cfg(test)]
    pub(crate) fn count(self) -> u64 {
        self.count
    }

    /// The bits of a group's number.
    pub(crate) fn bits(self) -> u32 {
        self.stride.trailing_zeros()
    }

    /// The first point of the marks of its keys, and the first after them, if there is one.
    pub(crate) fn points(self) -> (u64, Option<u64>) {
        let begin = self.first.reverse_bits();
        let len = 1_u64.checked_shl(u64::BITS - self.bits());
        (begin, len.and_then(|len| begin.checked_add(len)))
    }
}

impl Geometry {
    /// The most groups there can be, as a power of two.
    pub(crate) const MOST_GROUP_BITS: u32 = 31;

    /// So many groups (as a power of two) of four buckets.
    pub(crate) fn new(group_bits: u32) -> Geometry {
        Geometry(u64::from(group_bits.min(Self::MOST_GROUP_BITS)) << SPLIT_BITS)
    }

    pub(crate) fn from_word(word: u64) -> Geometry {
        Geometry(word)
    }

    pub(crate) fn word(self) -> u64 {
        self.0
    }

    fn group_bits(self) -> u32 {
        (self.0 >> SPLIT_BITS) as u32 & 63
    }

    fn split(self) -> u64 {
        self.0 & ((1 << SPLIT_BITS) - 1)
    }

    fn per_group(self) -> u64 {
        SMALLEST + (self.0 >> STAGE_SHIFT & 7)
    }

    /// How many buckets there are: the indices below this.
    pub(crate) fn buckets(self) -> u64 {
        (self.per_group() << self.group_bits()) + self.split()
    }

    pub(crate) fn groups(self) -> u64 {
        1 << self.group_bits()
    }

    /// The bucket of a key.
    #[inline(always)]
    pub(crate) fn bucket(self, mark: Mark) -> u64 {
        let bits = self.group_bits();
        let group = mark.word & ((1 << bits) - 1);
        let count = self.per_group() + u64::from(group < self.split());
        (mark.place(bits, count) << bits) + group
    }

    /// The group whose points this one is among.
    pub(crate) fn group_at(self, point: u64) -> Group {
        self.group(point.reverse_bits() & (self.groups() - 1))
    }

    pub(crate) fn group(self, group: u64) -> Group {
        let count = self.per_group() + u64::from(group < self.split());
        Group { first: group, stride: self.groups(), count }
    }

    /// The group that grows next, and the state when it has; its new bucket is the last one of
    /// that group there. `None` if group numbers of `most_group_bits` do not suffice.
    pub(crate) fn grown(self, most_group_bits: u32) -> Option<(u64, Geometry)> {
        let (bits, stage, split) = (self.group_bits(), self.per_group() - SMALLEST, self.split());
        let next = if split + 1 < self.groups() {
            self.with(bits, stage, split + 1)
        } else if self.per_group() < LARGEST {
            self.with(bits, stage + 1, 0)
        } else if bits < most_group_bits {
            self.with(bits + 1, 0, 0)
        } else {
            return None;
        };
        Some((split, next))
    }

    /// The group that shrinks next, in the numbering of the state before that, and that state:
    /// the reverse of [`grown`](Geometry::grown). `None` below `group_bits` groups of four.
    pub(crate) fn shrunk(self, least_group_bits: u32) -> Option<(u64, Geometry)> {
        let (bits, stage, split) = (self.group_bits(), self.per_group() - SMALLEST, self.split());
        let before = if split > 0 {
            self.with(bits, stage, split - 1)
        } else if stage > 0 {
            self.with(bits, stage - 1, self.groups() - 1)
        } else if bits > least_group_bits {
            self.with(bits - 1, LARGEST - SMALLEST, self.groups() / 2 - 1)
        } else {
            return None;
        };
        Some((before.split(), before))
    }

    fn with(self, group_bits: u32, stage: u64, split: u64) -> Geometry {
        let epoch = (self.0 >> EPOCH_SHIFT).wrapping_add(1) << EPOCH_SHIFT;
        Geometry(epoch | stage << STAGE_SHIFT | u64::from(group_bits) << SPLIT_BITS | split)
    }

    /// The buckets of the group that a step from `self` to the larger `after` changes, the new
    /// one last.
    pub(crate) fn step_to(self, after: Geometry, group: u64) -> Group {
        debug_assert_eq!(after.buckets(), self.buckets() + 1);
        let group = self.group(group);
        Group { count: group.count + 1, ..group }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u32 = Geometry::MOST_GROUP_BITS;

    fn marks(count: u64, base_bits: u32) -> impl Iterator<Item = Mark> {
        (0..count).map(move |i| {
            let mixed = (i ^ 0x9e37_79b9).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let hash = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ mixed >> 32;
            Mark::new(hash, base_bits)
        })
    }

    #[test]
    fn a_step_of_growth_changes_one_group_and_adds_the_next_bucket() {
        let mut state = Geometry::new(1);
        for _ in 0..200 {
            let (group, after) = state.grown(MOST).unwrap();
            let step = state.step_to(after, group);
            let changed: Vec<u64> = step.buckets().collect();
            assert_eq!(*changed.last().unwrap(), state.buckets(), "the new bucket is the next one");
            assert_eq!(after.buckets(), state.buckets() + 1);
            for mark in marks(500, 1) {
                let (old, new) = (state.bucket(mark), after.bucket(mark));
                assert!(old < state.buckets() && new < after.buckets());
                let place = |count| mark.place(step.bits(), count);
                if changed.contains(&old) {
                    assert_eq!(changed[place(step.count() - 1) as usize], old);
                    assert_eq!(changed[place(step.count()) as usize], new);
                    assert!(place(step.count()) - place(step.count() - 1) <= 1, "to the next one at most");
                } else {
                    assert_eq!(old, new);
                }
            }
            let (back_group, back) = after.shrunk(1).unwrap();
            assert_eq!((back_group, back.buckets()), (group, state.buckets()));
            assert_ne!(back, state, "the epoch tells them apart");
            assert!(marks(100, 1).all(|mark| back.bucket(mark) == state.bucket(mark)));
            state = after;
        }
        assert_eq!(Geometry::new(1).shrunk(1), None);
    }

    #[test]
    fn a_slot_and_its_bucket_tell_the_mark() {
        for base_bits in [0, 1, 5] {
            let mut state = Geometry::new(base_bits);
            while let Some((_, after)) = state.grown(base_bits + 3) {
                for mark in marks(100, base_bits).chain([Mark::new(0, base_bits), Mark::new(3, base_bits)]) {
                    let told = Mark::of_slot(mark.tag(), state.bucket(mark), base_bits);
                    assert_eq!((told.tag(), told.point(base_bits)), (mark.tag(), mark.point(base_bits)));
                }
                state = after;
            }
            assert_eq!(state.buckets() + 1, 8 << (base_bits + 3));
        }
    }

    /// The fewest and the most keys of a bucket, over the mean.
    fn spread(state: Geometry, marks: impl Iterator<Item = Mark>) -> (f64, f64) {
        let mut counts = vec![0_u64; state.buckets() as usize];
        marks.for_each(|mark| counts[state.bucket(mark) as usize] += 1);
        let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        (*least as f64 / mean, *most as f64 / mean)
    }

    fn assert_even((least, most): (f64, f64), what: &str) {
        assert!(least > 0.70 && most < 1.32, "{least} to {most}: {what}");
    }

    #[test]
    fn keys_are_spread_within_a_quarter_of_the_mean() {
        let mut state = Geometry::new(3);
        for _ in 0..100 {
            assert_even(spread(state, marks(200_000, 3)), "as sampled");
            for _ in 0..3 {
                state = state.grown(MOST).unwrap().1;
            }
        }
    }

    #[test]
    fn keys_are_spread_after_the_last_doubling_as_after_the_first() {
        let doublings = if cfg!(debug_assertions) { vec![1, 6] } else { vec![1, 4, 8, 11, 12, 13] };
        for doubled in doublings {
            for (stage, quarters) in (0..4).flat_map(|stage| [(stage, 0), (stage, 1), (stage, 3)]) {
                let split = (1_u64 << doubled) * quarters / 4;
                let state = Geometry::new(0).with(doubled, stage, split);
                // All tags there are, without the bits that nothing depends on there.
                let low = 1_u64 << (doubled + 1);
                let tags = (0..1 << FRACTION_BITS).flat_map(|high| (0..low).map(move |low| (high, low)));
                let marks = tags.map(|(high, low)| Mark::new(high << DOUBLING_BITS | low, 0));
                assert_even(spread(state, marks), &format!("{doubled} doublings, {stage}, {split}"));
            }
        }
    }

    #[test]
    fn the_line_depends_on_nothing_that_a_bucket_depends_on() {
        let mut state = Geometry::new(0);
        while let Some((_, after)) = state.grown(4) {
            let mut lines = vec![[0_u32; 2]; state.buckets() as usize];
            marks(40_000, 0).for_each(|mark| lines[state.bucket(mark) as usize][mark.line()] += 1);
            assert!(lines.iter().all(|[a, b]| a.abs_diff(*b) < (a + b) / 5), "{lines:?}");
            state = after;
        }
    }

    #[test]
    fn the_points_of_the_groups_follow_one_another_and_keys_are_among_their_groups_points() {
        let mut state = Geometry::new(2);
        for _ in 0..60 {
            let (mut at, mut met) = (Some(0), 0);
            while let Some(point) = at {
                let group = state.group_at(point);
                let (begin, end) = group.points();
                assert_eq!(begin, point);
                for mark in marks(300, 2) {
                    let inside = mark.point(2) >= begin && end.is_none_or(|end| mark.point(2) < end);
                    assert_eq!(group.buckets().any(|bucket| bucket == state.bucket(mark)), inside);
                }
                (at, met) = (end, met + 1);
            }
            assert_eq!(met, state.groups());
            state = state.grown(MOST).unwrap().1;
        }
    }
}
