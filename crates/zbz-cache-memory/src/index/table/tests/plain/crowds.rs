//! More items than one bucket has room for.

use super::*;

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
    index.lock(crowding(1)).retain(|slot| slot.location().units() % 2 == 0);
    assert_eq!(index.lock(crowding(1)).items().count(), first / 2);
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
        index.lock(crowding(n)).insert(crowding(n), slot).is_ok()
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
    // Room is made by generations, and what just came stays for a while.
    for n in 100..200 {
        let locked = index.lock(crowding(n));
        let slot = index.slot(crowding(n), Location::new(n).unwrap());
        assert!(locked.insert(crowding(n), slot).is_err());
        locked.remove(locked.crowded_victim().unwrap());
        locked.insert(crowding(n), slot).unwrap();
        drop(locked);
        assert!((n.saturating_sub(10).max(100)..=n).all(|n| find_crowding(&index, n) == Some(n)), "{n}");
    }
    index.check();
    let locked = index.lock(crowding(1));
    assert_eq!(locked.items().count(), taken.len());
    while let Some((place, _)) = locked.items().last() {
        locked.remove(place);
    }
    drop(locked);
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
