//! [`Geometry`]: which bucket a key belongs to, as the table grows one bucket at a time.
//!
//! Buckets form groups. Group `g` of `G` has its `p`-th bucket at index `p * G + g`. All groups
//! have `n` buckets, 4 to 7, those before the split point already one more. When the last group
//! has 8, `G` doubles, and each group of eight is two of four without a bucket moving: bucket `p`
//! of group `g` becomes bucket `p / 2` of group `g + (p % 2) * G`.
//!
//! A key's group is the low bits of its hash. Its bucket is `floor(n * x)`, where `x` is a
//! fraction whose first two bits are the hash's own, whose third is the bit that the next doubling
//! adds to the group number, and whose further bits are the hash's. So at `n = 8` the bucket is
//! made of three bits, and dropping the third gives the bucket within the doubled group.
//!
//! After Larson, "Linear Hashing with Partial Expansions" (VLDB 1980).
//!
//! ```text
//!   state   63        41 40  38 37     32 31              0
//!           | epoch: 23 | n - 4 | log2 G | split point      |
//! ```

/// The buckets of a group before it has grown.
const SMALLEST: u64 = 4;
const LARGEST: u64 = 7;

const SPLIT_BITS: u32 = 32;
const STAGE_SHIFT: u32 = 38;
const EPOCH_SHIFT: u32 = 41;

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
    pub(crate) fn bucket(self, hash: u64) -> u64 {
        let bits = self.group_bits();
        let group = hash & ((1 << bits) - 1);
        let count = self.per_group() + u64::from(group < self.split());
        let place = (Self::fraction(hash, bits) * count) >> 32;
        (place << bits) + group
    }

    /// `x` of the module's words, times 2^32.
    #[inline(always)]
    fn fraction(hash: u64, group_bits: u32) -> u64 {
        let own = hash >> 37 & 3;
        let next = hash >> group_bits & 1;
        own << 30 | next << 29 | hash >> 35
    }

    /// The group of a key.
    pub(crate) fn group_of(self, hash: u64) -> u64 {
        hash & (self.groups() - 1)
    }

    pub(crate) fn group(self, group: u64) -> Group {
        let count = self.per_group() + u64::from(group < self.split());
        Group { first: group, stride: self.groups(), count }
    }

    /// The group that grows next, and the state when it has; its new bucket is the last one of
    /// that group there. `None` at the end of what can be addressed.
    pub(crate) fn grown(self) -> Option<(u64, Geometry)> {
        let (bits, stage, split) = (self.group_bits(), self.per_group() - SMALLEST, self.split());
        let next = if split + 1 < self.groups() {
            self.with(bits, stage, split + 1)
        } else if self.per_group() < LARGEST {
            self.with(bits, stage + 1, 0)
        } else if bits < Self::MOST_GROUP_BITS {
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
        let Group { first, stride, count } = self.group(group);
        Group { first, stride, count: count + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(count: u64) -> impl Iterator<Item = u64> {
        (0..count).map(|i| {
            let mixed = (i ^ 0x9e37_79b9).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ mixed >> 32
        })
    }

    #[test]
    fn a_step_of_growth_changes_one_group_and_adds_the_next_bucket() {
        let mut state = Geometry::new(1);
        for _ in 0..200 {
            let (group, after) = state.grown().unwrap();
            let step = state.step_to(after, group);
            let changed: Vec<u64> = step.buckets().collect();
            assert_eq!(*changed.last().unwrap(), state.buckets(), "the new bucket is the next one");
            assert_eq!(after.buckets(), state.buckets() + 1);
            for hash in hashes(500) {
                let (old, new) = (state.bucket(hash), after.bucket(hash));
                assert!(old < state.buckets() && new < after.buckets());
                if old != new {
                    assert!(changed.contains(&old) && changed.contains(&new), "{old} to {new}");
                    assert_eq!(state.group_of(hash), group);
                }
            }
            let (back_group, back) = after.shrunk(1).unwrap();
            assert_eq!((back_group, back.buckets()), (group, state.buckets()));
            assert_ne!(back, state, "the epoch tells them apart");
            assert!(hashes(100).all(|hash| back.bucket(hash) == state.bucket(hash)));
            state = after;
        }
        assert_eq!(Geometry::new(1).shrunk(1), None);
    }

    #[test]
    fn keys_are_spread_within_a_quarter_of_the_mean() {
        let mut state = Geometry::new(3);
        for _ in 0..100 {
            let mut counts = vec![0_u64; state.buckets() as usize];
            let total = 200_000;
            for hash in hashes(total) {
                counts[state.bucket(hash) as usize] += 1;
            }
            let mean = total as f64 / counts.len() as f64;
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(*least as f64 > mean * 0.70 && (*most as f64) < mean * 1.32, "{least} {mean} {most}");
            for _ in 0..3 {
                state = state.grown().unwrap().1;
            }
        }
    }

    #[test]
    fn the_keys_of_a_group_are_those_of_its_buckets() {
        let mut state = Geometry::new(2);
        for _ in 0..60 {
            for hash in hashes(300) {
                let group = state.group(state.group_of(hash));
                assert!(group.buckets().any(|bucket| bucket == state.bucket(hash)));
            }
            state = state.grown().unwrap().1;
        }
    }
}
