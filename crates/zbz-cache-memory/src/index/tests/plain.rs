use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Every item of the table, each where its key's hash wants it.
fn check(index: &Index, expected: &HashMap<u64, u64>) {
    index.check();
    assert_eq!(index.bytes(), index.budget.used());
    let mut met = HashMap::new();
    for number in 0..index.buckets() {
        let held = taken(|| Held::try_take(index, number));
        for (place, slot) in held.items() {
            let item = slot.location().units();
            assert!(held.is_of(hash(key_of(slot))), "item {item} stands in another bucket");
            assert_eq!(held.point_of(slot), index.point_of(hash(key_of(slot))));
            assert_eq!(held.find_location(hash(key_of(slot)), slot.location()).unwrap().slot(), place.slot());
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
        assert_eq!(index.budget.used(), 8 * BYTES_PER_BUCKET + overflow::PREPAID_BYTES);
        let meta = |number: u64| index.bucket(number)[0].load(Ordering::Relaxed);
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
fn no_bucket_is_had_without_budget() {
    let budget = Arc::new(Budget::new(6 * BYTES_PER_BUCKET + overflow::PREPAID_BYTES + overflow::BYTES));
    assert!(matches!(Index::new(1, 8, Arc::clone(&budget)), Err(Error::Config { option: "max_size", .. })));
    assert_eq!(budget.used(), 0);
    let index = Index::new(0, 64, Arc::clone(&budget)).unwrap();
    assert_eq!(index.bytes(), 4 * BYTES_PER_BUCKET + overflow::PREPAID_BYTES);
    assert!(grow(&index).is_some() && grow(&index).is_some() && grow(&index).is_none());
    let first = crowd(&index, 1).len();
    assert_eq!((first, index.overflow_buckets()), (14 + 7, 1), "one overflow bucket could be had");
    assert_eq!((budget.left(), index.bytes()), (0, budget.used()));
    index.check();
    index.hold(crowding(1)).retain(|slot| slot.location().units() % 2 == 0);
    assert_eq!(index.hold(crowding(1)).items().count(), first / 2);
    assert_eq!(index.bytes(), 6 * BYTES_PER_BUCKET + overflow::PREPAID_BYTES);
    while shrink(&index).is_some() {}
    assert_eq!(budget.used(), 4 * BYTES_PER_BUCKET + overflow::PREPAID_BYTES);
    index.check();
}

/// Hashes of the same bucket, with tags of their own, for a table of four buckets.
fn crowding(n: u64) -> u64 {
    hash(1) << 24 | 0xc0_0000 | n << 3
}

/// Inserts items into one bucket until there is no room; their numbers, from `from` on.
fn crowd(index: &Index, from: u64) -> Vec<u64> {
    let insert = |&n: &u64| {
        let slot = index.slot(crowding(n), Location::new(n).unwrap());
        index.hold(crowding(n)).insert(crowding(n), slot).is_ok()
    };
    (from..from + 200).take_while(insert).collect()
}

fn find_crowding(index: &Index, n: u64) -> Option<u64> {
    index.find(crowding(n), |_, slot| Probe::Answer(slot.location().units())).unwrap()
}

#[test]
fn a_flood_into_one_bucket_is_bounded_and_keeps_what_it_took() {
    let index = table(0, 4);
    let taken = crowd(&index, 1);
    assert_eq!(taken.len(), 14 + 4 * 7);
    index.check();
    assert!(taken.iter().all(|&n| find_crowding(&index, n) == Some(n)));
    // Room is made by turns, and what just came stays for a while.
    for n in 100..200 {
        let held = index.hold(crowding(n));
        let slot = index.slot(crowding(n), Location::new(n).unwrap());
        assert!(held.insert(crowding(n), slot).is_err());
        held.remove(held.crowded_victim().unwrap());
        held.insert(crowding(n), slot).unwrap();
        drop(held);
        assert!((n.saturating_sub(10).max(100)..=n).all(|n| find_crowding(&index, n) == Some(n)), "{n}");
    }
    index.check();
    let held = index.hold(crowding(1));
    assert_eq!(held.items().count(), taken.len());
    while let Some((place, _)) = held.items().last() {
        held.remove(place);
    }
    drop(held);
    assert_eq!(
        (index.overflow_buckets(), index.bytes()),
        (0, 4 * BYTES_PER_BUCKET + overflow::PREPAID_BYTES)
    );
    index.check();
}

#[test]
fn a_flood_goes_along_when_the_table_grows_and_shrinks() {
    let index = table(0, 200);
    let mut present = crowd(&index, 1);
    for round in 0..6 {
        for _ in 0..60 {
            let step = if round % 2 == 0 { grow(&index) } else { shrink(&index) };
            let lost: Vec<u64> =
                step.iter().flat_map(|step| &step.lost).map(|slot| slot.location().units()).collect();
            present.retain(|n| !lost.contains(n));
            index.check();
            assert!(present.iter().all(|&n| find_crowding(&index, n) == Some(n)));
            present.extend(crowd(&index, present.iter().max().unwrap_or(&0) + 1));
        }
    }
    assert!(present.len() >= 14 + 4 * 7);
}

#[test]
fn a_version_is_never_taken_for_an_item() {
    for key in 1..=40 {
        let index = table(0, 4);
        let tag = index.mark(hash(key)).tag();
        let bucket = index.bucket(index.bucket_of(hash(key)));
        bucket[0].store(Slot::new(tag, Location::new(2).unwrap()).word(), Ordering::Relaxed);
        assert!(
            index.peek(hash(key)).is_none() && index.find(hash(key), |_, _| Probe::Answer(())) == Ok(None)
        );
        let held = index.hold(hash(key));
        assert!(held.find(hash(key), |_| true).is_none() && held.items().next().is_none());
        assert!(held.find_location(hash(key), Location::new(3).unwrap()).is_none());
    }
}

#[test]
fn a_peek_and_a_hint_tell_what_is_there() {
    let index = table(2, 64);
    (1..=150).for_each(|key| assert_eq!(set(&index, key, key), Ok(None)));
    for key in 1..=150 {
        index.spot(hash(key)).prefetch();
        index.prefetch_bucket(hash(key));
        assert!(index.peek(hash(key)).is_some_and(|slot| slot.has(index.mark(hash(key)).tag())));
        assert!(index.bucket_of(hash(key)) < index.buckets());
    }
    assert!((1000..1200).filter(|&key| index.peek(hash(key)).is_some()).count() < 5);
}

/// All keys, page by page, with `between` called after each page and inside each visit.
fn visit_all(index: &Index, mut between: impl FnMut()) -> Vec<u64> {
    let (mut met, mut at) = (Vec::new(), Some(0));
    while let Some(from) = at {
        let page = std::cell::RefCell::new(Vec::new());
        at = index.visit_group(
            from,
            || page.borrow_mut().clear(),
            |held| {
                let items = held.items().map(|(_, slot)| (held.point_of(slot), key_of(slot)));
                page.borrow_mut().extend(items.filter(|&(point, _)| point >= from).map(|(_, key)| key));
            },
        );
        assert!(at.is_none_or(|at| at > from));
        met.extend(page.into_inner());
        between();
    }
    met
}

#[test]
fn a_visit_meets_every_key_once_while_the_table_grows_and_shrinks() {
    for seed in 0..40_u64 {
        let index = table((seed % 3) as u32, 400);
        (0..seed * 7 % 100).for_each(|_| drop(grow(&index)));
        let keys: Vec<u64> = (1..=300).filter(|&key| set(&index, key, key).is_ok()).collect();
        let mut state = hash(seed);
        let mut lost = Vec::new();
        let mut met = visit_all(&index, || {
            state = hash(state);
            for _ in 0..state % 50 {
                let step = if state >> 32 & 1 == 0 { grow(&index) } else { shrink(&index) };
                lost.extend(step.into_iter().flat_map(|step| step.lost).map(key_of));
            }
        });
        met.sort_unstable();
        if lost.is_empty() {
            assert_eq!(met, keys, "seed {seed}");
        }
        let points: HashSet<u64> = keys.iter().map(|&key| index.point_of(hash(key))).collect();
        assert_eq!(points.len(), keys.len());
    }
}

#[test]
fn a_visit_begins_anew_when_its_group_changes() {
    let index = table(0, 64);
    (1..=40).for_each(|key| assert_eq!(set(&index, key, key), Ok(None)));
    let (mut begun, mut met) = (0, Vec::new());
    let end = index.visit_group(
        0,
        || {
            begun += 1;
            if begun < 4 {
                assert_nothing_lost(grow(&index));
            }
        },
        |held| met.extend(held.items().map(|(_, slot)| key_of(slot))),
    );
    met.sort_unstable();
    assert_eq!((begun, met), (4, (1..=40).collect()));
    assert_eq!(end, None);
}

#[test]
fn readers_never_miss_a_key_that_is_there_while_all_around_it_changes() {
    let index = table(0, 64);
    let (stay, stop) = (200_u64, AtomicBool::new(false));
    for key in 1..=stay {
        while set(&index, key, key).is_err() {
            grow(&index);
        }
    }
    std::thread::scope(|scope| {
        let changer = scope.spawn(|| {
            for round in 0..60_u64 {
                let step = |up: bool| if up { grow(&index) } else { shrink(&index) };
                (0..40).for_each(|_| assert_nothing_lost(step(round % 2 == 0)));
                for key in 1000..1100 {
                    let _ = set(&index, key, key + KEYS * round);
                    remove(&index, key - 50);
                }
            }
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
        let outcome = changer.join();
        stop.store(true, Ordering::Relaxed);
        outcome.unwrap();
    });
    index.check();
}

/// Keys of one thread, of which it knows all: set, removed and looked for at random.
fn churn(index: &Index, thread: u64, rounds: u64) -> HashMap<u64, u64> {
    let mut own = HashMap::new();
    let mut state = hash(thread);
    for round in 1..=rounds {
        state = hash(state ^ round);
        let key = 1 + 4 * ((state >> 8) % 3000) + thread;
        let item = key + KEYS * round;
        match state % 8 {
            0..3 => match set(index, key, item) {
                Ok(old) => {
                    let before = own.insert(key, item);
                    assert!(old == before, "{key}: {old:?} for {before:?}");
                }
                Err(Crowded) => assert!(!own.contains_key(&key)),
            },
            3..5 => {
                let (old, before) = (remove(index, key), own.remove(&key));
                assert!(old == before, "{key}: {old:?} for {before:?}");
            }
            5 => {
                let found = find(index, key);
                assert!(found == own.get(&key).copied(), "{key}: {found:?}");
            }
            6 => {
                let other = 1 + (state >> 8) % 12_000;
                assert!(find(index, other).is_none_or(|item| item % KEYS == other));
            }
            _ => {
                index.peek(hash(key));
            }
        }
    }
    own
}

#[test]
fn four_threads_that_do_everything_at_once_leave_a_sound_table() {
    // Across the bounds at which memory is given back, both of buckets and of overflow buckets.
    let index = table(1, 1800);
    let (stay, stop) = (12_001..12_301, AtomicBool::new(false));
    let growing = AtomicBool::new(true);
    let mut own = HashMap::new();
    while index.buckets() < 1300 {
        grow(&index);
    }
    stay.clone().for_each(|key| assert_eq!(set(&index, key, key), Ok(None)));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|thread| {
                let index = &index;
                let rounds = if cfg!(debug_assertions) { 50_000 } else { 200_000 };
                scope.spawn(move || churn(index, thread, rounds))
            })
            .collect();
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let most = if growing.load(Ordering::Relaxed) { 1700 } else { 900 };
                assert_nothing_lost(if index.buckets() < most { grow(&index) } else { shrink(&index) });
                if index.buckets() == most {
                    growing.fetch_xor(true, Ordering::Relaxed);
                }
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let mut met = visit_all(&index, || {});
                met.retain(|key| stay.contains(key));
                met.sort_unstable();
                assert_eq!(met, stay.clone().collect::<Vec<_>>(), "keys that were there throughout");
            }
        });
        let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        // Before a failure is passed on, or the others would not end.
        stop.store(true, Ordering::Relaxed);
        outcomes.into_iter().for_each(|outcome| own.extend(outcome.unwrap()));
    });
    own.extend(stay.map(|key| (key, key)));
    check(&index, &own);
}
