//! Readers, writers, steps and visits at once.

use std::sync::atomic::{AtomicBool, Ordering};

use super::visits::visit_all;
use super::*;

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
