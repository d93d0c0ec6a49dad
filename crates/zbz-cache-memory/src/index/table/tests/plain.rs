//! The table without loom: it does what a map does, while it grows and shrinks.

use std::collections::HashMap;

use super::*;

mod crowds;
mod threads;
mod visits;

/// Every item of the table, each where its key's hash wants it.
fn check(index: &Index, expected: &HashMap<u64, u64>) {
    index.check();
    assert_eq!(index.bytes(), index.buckets.budget.used());
    let mut met = HashMap::new();
    for number in 0..index.buckets() {
        let locked = taken(|| LockedBucket::try_take(&index.buckets, number));
        for (place, slot) in locked.items() {
            let item = slot.location().units();
            assert!(index.is_bucket_of(&locked, hash(key_of(slot))), "item {item} stands in another bucket");
            assert_eq!(locked.point_of(slot), index.point_of(hash(key_of(slot))));
            assert_eq!(
                locked.find_location(hash(key_of(slot)), slot.location()).unwrap().slot(),
                place.slot()
            );
            assert_eq!(met.insert(item % KEYS, item), None, "two items of one key");
        }
    }
    assert_eq!(met, *expected);
}

/// What a step lost.
struct Step {
    lost: Vec<Slot>,
}

fn grow(index: &Index) -> Option<Step> {
    let mut lost = Vec::new();
    index.grow(|_, slot| lost.push(slot)).then_some(Step { lost })
}

fn shrink(index: &Index) -> Option<Step> {
    let mut lost = Vec::new();
    index.shrink(|_, slot| lost.push(slot)).then_some(Step { lost })
}

fn assert_nothing_lost(step: Option<Step>) {
    assert!(step.is_none_or(|step| step.lost.is_empty()));
}

#[test]
fn it_does_what_a_map_does_while_it_grows_and_shrinks() {
    for seed in 0..60_u64 {
        let index = table((seed % 3) as u32, 400);
        let mut map = HashMap::new();
        let mut state = hash(seed);
        for step in 0..600_u64 {
            state = hash(state ^ step);
            let key = 1 + (state >> 8) % [20, 200, 1500][(seed / 3 % 3) as usize];
            match state % 16 {
                0..6 => {
                    let item = key + KEYS * (1 + step);
                    match set(&index, key, item) {
                        Ok(old) => assert_eq!(old, map.insert(key, item), "seed {seed} step {step}"),
                        Err(Crowded) => assert_eq!(map.get(&key), None),
                    }
                }
                6..9 => assert_eq!(remove(&index, key), map.remove(&key), "seed {seed} step {step}"),
                9..12 => assert_eq!(find(&index, key), map.get(&key).copied(), "seed {seed} step {step}"),
                12..15 => assert_nothing_lost(grow(&index)),
                _ => assert_nothing_lost(shrink(&index)),
            }
            if step % 50 == 0 {
                check(&index, &map);
            }
        }
        check(&index, &map);
        for key in 0..1600 {
            assert_eq!(find(&index, key), map.get(&key).copied(), "seed {seed}");
        }
        while let Some(step) = shrink(&index) {
            // What was too much for the smallest table has left it.
            map.retain(|key, _| step.lost.iter().all(|slot| key_of(*slot) != *key));
        }
        assert_eq!(index.buckets(), 4 << (seed % 3));
        check(&index, &map);
    }
}

#[test]
fn a_table_that_was_large_gives_its_memory_back_and_grows_again() {
    let index = table(1, 6000);
    for round in 0..3_u64 {
        let mut map = HashMap::new();
        for key in 1..=45_000 {
            let item = key + KEYS * (round + 1);
            while set(&index, key, item).is_err() {
                assert_nothing_lost(grow(&index));
            }
            map.insert(key, item);
            if key % 10 == 0 {
                assert_nothing_lost(grow(&index));
            }
        }
        check(&index, &map);
        assert!(map.iter().all(|(&key, &item)| find(&index, key) == Some(item)));
        for key in 1..=45_000 {
            assert!(remove(&index, key).is_some());
        }
        let overflow = index.overflow_buckets();
        assert_eq!(overflow, 0);
        while let Some(step) = shrink(&index) {
            assert_eq!(step.lost, []);
        }
        check(&index, &HashMap::new());
        assert_eq!(index.buckets.budget.used(), 8 * BYTES_PER_BUCKET + overflow::PREPAID_BYTES);
        let meta = |number: u64| index.buckets.bucket(number)[0].load(Ordering::Relaxed);
        assert_eq!((512..6000).map(meta).max(), Some(0), "memory that was not given back");
        assert!(index.stepping.lock().unwrap().floor > 0);
    }
}

#[test]
fn the_table_ends_where_tags_have_no_more_bits() {
    let index = table(0, 1 << 17);
    let keys = 2000;
    (1..=keys).for_each(|key| {
        while set(&index, key, key).is_err() {
            grow(&index);
        }
    });
    while let Some(step) = grow(&index) {
        assert_eq!(step.lost, []);
    }
    assert_eq!(index.buckets(), (8 << 13) - 1);
    assert!((1..=keys).all(|key| find(&index, key) == Some(key)));
    while let Some(step) = shrink(&index) {
        if !step.lost.is_empty() {
            break;
        }
        assert!(index.buckets() > 4);
    }
    index.check();
}

#[test]
fn a_version_is_never_taken_for_an_item() {
    for key in 1..=40 {
        let index = table(0, 4);
        let tag = index.buckets.mark(hash(key)).tag();
        let bucket = index.buckets.bucket(index.bucket_of(hash(key)));
        bucket[0].store(Slot::new(tag, Location::new(2).unwrap()).word(), Ordering::Relaxed);
        assert!(
            index.peek(hash(key)).is_none() && index.find(hash(key), |_, _| Probe::Answer(())) == Ok(None)
        );
        let locked = index.lock(hash(key));
        assert!(locked.find(hash(key), |_| true).is_none() && locked.items().next().is_none());
        assert!(locked.find_location(hash(key), Location::new(3).unwrap()).is_none());
    }
}

#[test]
fn a_peek_and_a_hint_tell_what_is_there() {
    let index = table(2, 64);
    (1..=150).for_each(|key| assert_eq!(set(&index, key, key), Ok(None)));
    for key in 1..=150 {
        index.key_line(hash(key)).prefetch();
        index.prefetch_bucket(hash(key));
        assert!(index.peek(hash(key)).is_some_and(|slot| slot.has(index.buckets.mark(hash(key)).tag())));
        assert!(index.bucket_of(hash(key)) < index.buckets());
    }
    assert!((1000..1200).filter(|&key| index.peek(hash(key)).is_some()).count() < 5);
}
