use loom::thread;

use super::*;
use crate::index::line::{self, Bucket, version};
use crate::index::wait::pause;

/// Every schedule with at most so many preemptions.
fn model(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(run);
}

/// A key that the first step of growth of a table of one group moves to the new bucket.
fn moving_key() -> u64 {
    let (before, after) = (Geometry::new(0), Geometry::new(0).grown(1).unwrap().1);
    let bucket = |geometry: Geometry, key| geometry.bucket(Mark::new(hash(key), 0));
    (1..).find(|&key| bucket(before, key) == 3 && bucket(after, key) == 4).unwrap()
}

fn small() -> Arc<Index> {
    Arc::new(table(0, 5))
}

fn items_of(bucket: &Bucket, key: u64) -> Option<u64> {
    let words = bucket[1..].iter().map(|word| Slot::from_word(word.load(Ordering::Acquire)));
    let mut items = words.filter(|slot| slot.is_item()).map(|slot| slot.location().units());
    items.find(|item| item % KEYS == key)
}

fn number(index: &Index, key: u64) -> u64 {
    index.geometry().bucket(index.buckets.mark(hash(key)))
}

/// A reader looks for a key that is there throughout, while the table changes. With `large`, the
/// table has grown already.
fn miss_against(find: fn(&Index, u64) -> Option<u64>, large: bool, change: fn(&Index)) {
    miss_within(3, find, large, change);
}

fn miss_within(preemptions: usize, find: fn(&Index, u64) -> Option<u64>, large: bool, change: fn(&Index)) {
    let key = moving_key();
    model(preemptions, move || {
        let index = small();
        set(&index, key, key).unwrap();
        if large {
            assert!(index.grow(|_, _| ()));
        }
        // The reader is the second thread: loom branches on which store a load sees among those
        // that were made before it.
        let reader = {
            let index = Arc::clone(&index);
            thread::spawn(move || assert!(find(&index, key).is_some(), "missed"))
        };
        change(&index);
        reader.join().unwrap();
    });
}

fn grow(index: &Index) {
    assert!(index.grow(|_, _| ()));
}

fn grow_and_shrink(index: &Index) {
    assert!(index.grow(|_, _| ()));
    assert!(index.shrink(|_, _| ()));
}

fn shrink_and_grow(index: &Index) {
    assert!(index.shrink(|_, _| ()));
    assert!(index.grow(|_, _| ()));
}

#[test]
fn a_key_that_moves_is_never_missed() {
    miss_against(find, false, grow);
}

#[test]
fn a_key_that_moves_and_comes_back_is_never_missed() {
    miss_against(find, false, grow_and_shrink);
}

#[test]
fn a_key_whose_bucket_went_and_came_again_is_never_missed() {
    miss_within(2, find, true, shrink_and_grow);
}

#[test]
#[should_panic(expected = "missed")]
fn without_a_proof_of_the_miss_it_is() {
    miss_against(|index, key| items_of(index.buckets.bucket(number(index, key)), key), false, grow);
}

/// What `find` does, with the looks that prove a miss given by the caller.
fn find_proving(
    index: &Index,
    key: u64,
    is_proven: fn(&Index, &Bucket, Option<line::Version>, [u64; 2]) -> bool,
) -> Option<u64> {
    loop {
        let number = number(index, key);
        let bucket = index.buckets.bucket(number);
        let before = version(bucket);
        let found = items_of(bucket, key);
        if found.is_some() || (before.is_some() && is_proven(index, bucket, before, [key, number])) {
            return found;
        }
        pause();
    }
}

#[test]
#[should_panic(expected = "missed")]
fn with_a_look_at_the_version_alone_it_is() {
    fn find(index: &Index, key: u64) -> Option<u64> {
        find_proving(index, key, |_, bucket, before, _| version(bucket) == before)
    }
    miss_against(find, false, grow);
}

#[test]
#[should_panic(expected = "missed")]
fn with_a_look_at_the_version_before_the_geometry_it_is() {
    fn find(index: &Index, key: u64) -> Option<u64> {
        find_proving(index, key, |index, bucket, before, [key, at]| {
            version(bucket) == before && number(index, key) == at
        })
    }
    miss_against(find, true, shrink_and_grow);
}

/// The proof as it is, without what makes `find` fast: fewer steps, so more preemptions.
fn find_plainly(index: &Index, key: u64) -> Option<u64> {
    find_proving(index, key, |index, bucket, before, [key, at]| {
        number(index, key) == at && version(bucket) == before
    })
}

#[test]
fn with_a_look_at_the_geometry_before_the_version_it_is_not() {
    miss_against(find_plainly, true, shrink_and_grow);
}

#[test]
#[should_panic(expected = "missed")]
fn with_versions_that_begin_anew_with_the_memory_it_is() {
    miss_against(find_plainly, true, |index| {
        assert!(index.shrink(|_, _| ()));
        index.stepping.lock().unwrap().floor = 0;
        assert!(index.grow(|_, _| ()));
    });
}

fn two_inserts(set: fn(&Index, u64, u64)) {
    model(3, move || {
        let index = small();
        let key = moving_key();
        let other = {
            let index = Arc::clone(&index);
            thread::spawn(move || set(&index, key, key + KEYS))
        };
        set(&index, key, key + 2 * KEYS);
        other.join().unwrap();
        let locked = index.lock(hash(key));
        assert_eq!(locked.items().count(), 1, "items of one key");
    });
}

#[test]
fn two_writers_of_one_new_key_leave_one_item() {
    two_inserts(|index, key, item| {
        set(index, key, item).unwrap();
    });
}

#[test]
#[should_panic(expected = "items of one key")]
fn without_a_look_under_the_bit_they_leave_two() {
    two_inserts(|index, key, item| {
        if find(index, key).is_none() {
            index.lock(hash(key)).insert(hash(key), slot(index, key, item)).unwrap();
        }
    });
}

/// A writer of a bucket that is going, against its memory being given back and had again.
fn write_against_return(hold: fn(&Index, u64) -> LockedBucket<'_>) {
    model(2, move || {
        let index = small();
        let key = moving_key();
        assert!(index.grow(|_, _| ()));
        let writer = {
            let index = Arc::clone(&index);
            thread::spawn(move || {
                let locked = hold(&index, key);
                locked.insert(hash(key), slot(&index, key, key)).unwrap();
            })
        };
        shrink_and_grow(&index);
        writer.join().unwrap();
        assert_eq!(find(&index, key), Some(key), "lost");
        index.check();
    });
}

#[test]
fn what_is_written_while_the_table_shrinks_is_not_lost() {
    write_against_return(|index, key| index.lock(hash(key)));
}

#[test]
#[should_panic(expected = "lost")]
fn without_a_second_look_at_the_geometry_it_is() {
    write_against_return(|index, key| {
        let number = number(index, key);
        taken(|| LockedBucket::try_take(&index.buckets, number))
    });
}

fn visit_against_growth(visit: fn(&Index) -> Vec<u64>) {
    let key = moving_key();
    model(2, move || {
        let index = small();
        set(&index, key, key).unwrap();
        let visitor = {
            let index = Arc::clone(&index);
            thread::spawn(move || assert_eq!(visit(&index), [key], "met"))
        };
        assert!(index.grow(|_, _| ()));
        visitor.join().unwrap();
    });
}

#[test]
fn a_key_that_moves_is_visited_once() {
    visit_against_growth(|index| {
        let met = std::cell::RefCell::new(Vec::new());
        let each =
            |locked: &LockedBucket<'_>| met.borrow_mut().extend(locked.items().map(|(_, slot)| key_of(slot)));
        index.visit_group(0, || met.borrow_mut().clear(), each);
        met.into_inner()
    });
}

#[test]
#[should_panic(expected = "met")]
fn without_a_look_at_the_group_under_each_bit_it_is_not() {
    visit_against_growth(|index| {
        let buckets = index.geometry().group_at(0).buckets();
        let locked = buckets.map(|number| taken(|| LockedBucket::try_take(&index.buckets, number)));
        locked.flat_map(|locked| locked.items().map(|(_, slot)| key_of(slot)).collect::<Vec<_>>()).collect()
    });
}
