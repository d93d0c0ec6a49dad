use super::bucket::Crowded;
use super::*;
use crate::slot::Location;

/// Items are numbers; the key of item `n` is `n`, unless a test says otherwise.
fn hash(key: u64) -> u64 {
    let mixed = (key ^ 0x5851_f42d_4c95_7f2d).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ mixed >> 27
}

fn slot(hash: u64, item: u64) -> Slot {
    Slot::new(Tag::of(hash), Location::new(item).unwrap())
}

/// The item that the index has for this key.
fn find(index: &Index, key: u64) -> Option<u64> {
    index.find(hash(key), |_, slot| {
        let item = slot.location().units();
        if item % KEYS == key { Probe::Answer(item) } else { Probe::Other }
    })
}

/// Items of one key differ by multiples of this.
const KEYS: u64 = 1 << 20;

fn set(index: &Index, key: u64, item: u64) -> Result<Option<u64>, Crowded> {
    let held = index.hold(hash(key));
    let new = slot(hash(key), item);
    match held.find(Tag::of(hash(key)), |slot| slot.location().units() % KEYS == key) {
        Some(place) => {
            let old = place.slot().location().units();
            held.replace(&place, new);
            Ok(Some(old))
        }
        None => held.insert(hash(key), new).map(|_| None),
    }
}

fn remove(index: &Index, key: u64) -> Option<u64> {
    let held = index.hold(hash(key));
    let place = held.find(Tag::of(hash(key)), |slot| slot.location().units() % KEYS == key)?;
    let old = place.slot().location().units();
    held.remove(place);
    Some(old)
}

fn hash_of(slot: Slot) -> u64 {
    hash(slot.location().units() % KEYS)
}

#[cfg(not(loom))]
mod plain {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Every item of the table, found by looking at all buckets, each once and where it belongs.
    fn check_structure(index: &Index, expected: &HashMap<u64, u64>) {
        let mut met = HashMap::new();
        let geometry = index.geometry();
        for number in 0..geometry.buckets() {
            let held = index.hold_number(number);
            for (_, slot) in held.items() {
                let item = slot.location().units();
                assert_eq!(geometry.bucket(hash_of(slot)), number, "item {item} stands in another bucket");
                assert_eq!(met.insert(item % KEYS, item), None, "two items of one key");
            }
        }
        assert_eq!(met, *expected);
    }

    fn assert_nothing_lost(step: Option<Step>) {
        assert!(step.is_none_or(|step| step.lost.is_empty()));
    }

    #[test]
    fn it_does_what_a_map_does_while_it_grows_and_shrinks() {
        for seed in 0..60_u64 {
            let index = Index::new((seed % 3) as u32, 400).unwrap();
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
                    12..15 => assert_nothing_lost(index.grow(hash_of)),
                    _ => assert_nothing_lost(index.shrink(hash_of)),
                }
                if step % 50 == 0 {
                    check_structure(&index, &map);
                }
            }
            check_structure(&index, &map);
            for key in 0..1600 {
                assert_eq!(find(&index, key), map.get(&key).copied(), "seed {seed}");
            }
            while index.shrink(hash_of).is_some() {}
            assert_eq!(index.buckets(), 4 << (seed % 3));
            check_structure(&index, &map);
        }
    }

    #[test]
    fn a_flood_into_one_bucket_is_bounded_and_keeps_what_it_took() {
        let index = Index::new(0, 4).unwrap();
        let flood = hash(1) & !0xffff_ff00_0000_0000;
        let place = |n: u64| flood | n << 40;
        let mut taken = 0;
        for n in 1..200 {
            match index.hold(place(n)).insert(place(n), slot(place(n), n)) {
                Ok(_) => taken += 1,
                Err(Crowded) => break,
            }
        }
        assert!((15..200).contains(&taken), "{taken}");
        for n in 1..=taken {
            let found = index.find(place(n), |_, slot| Probe::Answer(slot.location().units()));
            assert_eq!(found, Some(n));
        }
        for n in 1..=taken {
            let held = index.hold(place(n));
            let found = held.find(Tag::of(place(n)), |_| true).unwrap();
            held.remove(found);
        }
        assert_eq!(index.hold(flood).items().count(), 0);
        let mut free: Vec<u64> = std::iter::from_fn(|| index.overflow.take()).collect();
        free.sort_unstable();
        assert_eq!(free, [1, 2, 3, 4], "the chain was given back");
    }

    #[test]
    fn readers_never_miss_a_key_that_is_there_while_all_around_it_changes() {
        let index = Index::new(0, 64).unwrap();
        let (stay, stop) = (200_u64, AtomicBool::new(false));
        for key in 1..=stay {
            while set(&index, key, key).is_err() {
                index.grow(hash_of);
            }
        }
        std::thread::scope(|scope| {
            let changer = scope.spawn(|| {
                for round in 0..60_u64 {
                    let step = |grow: bool| if grow { index.grow(hash_of) } else { index.shrink(hash_of) };
                    (0..40).for_each(|_| assert_nothing_lost(step(round % 2 == 0)));
                    for key in 1000..1100 {
                        let _ = set(&index, key, key + KEYS * round);
                        remove(&index, key - 50);
                    }
                }
                stop.store(true, Ordering::Relaxed);
            });
            scope.spawn(|| {
                let mut version = 1;
                while !stop.load(Ordering::Relaxed) {
                    for key in 1..=stay / 2 {
                        assert!(set(&index, key, key + KEYS * version).unwrap().is_some(), "lost {key}");
                    }
                    version += 1;
                }
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        for key in 1..=stay {
                            assert!(find(&index, key).is_some(), "missed {key}");
                        }
                        assert_eq!(find(&index, 777_777), None);
                    }
                });
            }
            changer.join().unwrap();
        });
    }
}

/// A miss against index change, and two writers inserting one new key: section 5 of
/// docs/engine.md.
#[cfg(loom)]
mod model {
    use std::sync::Arc;

    use loom::thread;

    use super::bucket::Bucket;
    use super::*;

    /// Every schedule with at most so many preemptions.
    fn model(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.check(run);
    }

    /// A key that the first step of growth of a table of one group moves to another bucket.
    fn moving_key() -> u64 {
        let (before, after) = (Geometry::new(0), Geometry::new(0).grown().unwrap().1);
        (1..).find(|&key| before.bucket(hash(key)) == 3 && after.bucket(hash(key)) == 4).unwrap()
    }

    fn table() -> Arc<Index> {
        Arc::new(Index::new(0, 5).unwrap())
    }

    fn items_of(bucket: &Bucket, key: u64) -> Option<u64> {
        let words = bucket[1..].iter().map(|word| Slot::from_word(word.load(Ordering::Acquire)));
        let mut items = words.filter(|slot| slot.is_item()).map(|slot| slot.location().units());
        items.find(|item| item % KEYS == key)
    }

    fn miss_against_growth(find: fn(&Index, u64) -> Option<u64>, shrinks: bool) {
        let key = moving_key();
        model(3, move || {
            let index = table();
            set(&index, key, key).unwrap();
            // The reader is the second thread: loom branches on which store a load sees among those
            // that were made before it.
            let reader = {
                let index = Arc::clone(&index);
                thread::spawn(move || assert!(find(&index, key).is_some(), "missed"))
            };
            index.grow(hash_of);
            if shrinks {
                index.shrink(hash_of);
            }
            reader.join().unwrap();
        });
    }

    #[test]
    fn a_key_that_moves_is_never_missed() {
        miss_against_growth(find, false);
    }

    #[test]
    fn a_key_that_moves_and_comes_back_is_never_missed() {
        miss_against_growth(find, true);
    }

    #[test]
    #[should_panic(expected = "missed")]
    fn without_a_proof_of_the_miss_it_is() {
        miss_against_growth(
            |index, key| items_of(index.bucket(index.geometry().bucket(hash(key))), key),
            false,
        );
    }

    #[test]
    #[should_panic(expected = "missed")]
    fn with_a_look_at_the_version_alone_it_is() {
        fn find(index: &Index, key: u64) -> Option<u64> {
            loop {
                let bucket = index.bucket(index.geometry().bucket(hash(key)));
                let before = version(bucket);
                let found = items_of(bucket, key);
                if found.is_some() || (before.is_some() && version(bucket) == before) {
                    return found;
                }
                pause();
            }
        }
        miss_against_growth(find, false);
    }

    fn two_inserts(set: fn(&Index, u64, u64)) {
        model(3, move || {
            let index = table();
            let key = moving_key();
            let other = {
                let index = Arc::clone(&index);
                thread::spawn(move || set(&index, key, key + KEYS))
            };
            set(&index, key, key + 2 * KEYS);
            other.join().unwrap();
            let held = index.hold(hash(key));
            assert_eq!(held.items().count(), 1, "items of one key");
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
                index.hold(hash(key)).insert(hash(key), slot(hash(key), item)).unwrap();
            }
        });
    }
}
