//! The invariants of a table that no thread is using.

use std::collections::HashSet;

use super::*;

impl Index {
    /// Panics if an item stands in a bucket that is not its, or twice, if an overflow bucket is
    /// in two chains, in one and free, or nowhere, or if the budget has other bytes than are in
    /// use. For when no other thread changes the table.
    pub(crate) fn check(&self) {
        let geometry = self.geometry();
        let mut locations = HashSet::new();
        let mut linked: HashSet<u64> = self.buckets.overflow.unused().into_iter().collect();
        let unused = linked.len();
        for number in 0..geometry.buckets() {
            let locked = taken(|| LockedBucket::try_take(&self.buckets, number));
            for (_, slot) in locked.items() {
                assert_eq!(
                    geometry.bucket(locked.mark_of(slot)),
                    number,
                    "{slot:?} stands in another bucket"
                );
                assert!(locations.insert(slot.location()), "{slot:?} is there twice");
            }
            let mut link = locked.bucket()[WORDS - 1].load(Ordering::Relaxed);
            while link != 0 && !Slot::from_word(link).is_item() {
                assert!(linked.insert(link), "overflow bucket {link} of bucket {number} is there twice");
                link =
                    self.buckets.overflow.line(link).expect("a link to nowhere")[0].load(Ordering::Relaxed);
            }
        }
        for number in geometry.buckets()..self.most_buckets {
            let [meta, slots @ ..] = self.buckets.bucket(number);
            assert_eq!(meta.load(Ordering::Relaxed) & 1, 0, "bucket {number}, out of use, is locked");
            assert!(
                slots.iter().all(|word| word.load(Ordering::Relaxed) == 0),
                "bucket {number} is out of use"
            );
        }
        assert_eq!(self.overflow_buckets(), (linked.len() - unused) as u64, "overflow buckets in use");
        assert!(self.bytes() <= self.buckets.budget.used(), "the budget does not know of all bytes");
    }
}
