//! Keys that were made to fall into one bucket: forced here by hashes of which only a few bits, or
//! none, are left as they are.

use super::plan::{Plan, Rig};
use super::random::Random;
use crate::{Cursor, Error, WhenFull};

/// Slots of a bucket and of the longest chain that inserts make.
const MOST_IN_BUCKET: u64 = 15 + 4 * 7;

fn plan(hash_mask: u64, when_full: WhenFull) -> Plan {
    let plan = Plan::random(&mut Random::new(1));
    Plan { segments: 64, segment_bits: 12, tight: false, hash_mask, when_full, ..plan }
}

/// Sets more keys than a bucket takes; answers those that were not refused.
fn flood(rig: &Rig, keys: u32) -> Vec<u32> {
    let set = |key: u32| match rig.cache.set(&key.to_be_bytes(), &key.to_le_bytes(), None) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error, Error::Full);
            false
        }
    };
    (0..keys).filter(|&key| set(key)).collect()
}

fn present(rig: &Rig, key: u32) -> bool {
    let value = rig.cache.get(&key.to_be_bytes()).unwrap();
    value.inspect(|value| assert_eq!(*value, key.to_le_bytes(), "another key's value")).is_some()
}

/// The most entries that one call can have to look at.
fn fullest_bucket(rig: &Rig) -> u64 {
    let (mut next, mut most) = (Some(0), 0);
    while let Some(point) = next {
        next = rig.engine.store.entries.index.visit_group(
            point,
            || (),
            |locked| most = most.max(locked.items().count()),
        );
    }
    most as u64
}

#[test]
fn a_flood_into_one_bucket_costs_bounded_work_and_the_newest_is_kept() {
    let rig = plan(0, WhenFull::Evict).build();
    assert_eq!(flood(&rig, 3000).len(), 3000);
    let keys = rig.cache.len() as u64;
    assert!(keys <= MOST_IN_BUCKET && fullest_bucket(&rig) == keys);
    assert!(present(&rig, 2999), "the newest");
    let locked = (0..3000).filter(|&key| present(&rig, key)).count() as u64;
    assert_eq!(locked, keys);
    rig.engine.check();
    let page = rig.cache.scan(b"", Cursor::START, 1, |_| true).unwrap();
    assert_eq!((page.keys.len() as u64, page.next), (locked, None), "all have one point");
    assert_eq!(rig.cache.clear().unwrap(), locked);
    rig.engine.check();
}

#[test]
fn a_flood_is_refused_where_nothing_may_go() {
    let rig = plan(0, WhenFull::Reject).build();
    let stored = flood(&rig, 3000);
    assert!((15..=MOST_IN_BUCKET).contains(&(stored.len() as u64)), "{}", stored.len());
    assert!(stored.iter().all(|&key| present(&rig, key)));
    assert_eq!(rig.cache.stats().evictions, 0);
    rig.engine.check();
    assert!(rig.cache.delete(&stored[3].to_be_bytes()).unwrap());
    rig.cache.set(b"another", b"", None).unwrap();
    rig.engine.check();
}

#[test]
fn hashes_equal_in_many_bits_keep_their_bounds_while_the_index_grows_and_shrinks() {
    for mask in [0x7, 0xf0, 0xff_ffff << 40, 0x3f << 20, !0xffff] {
        let rig = plan(mask, WhenFull::Evict).build();
        flood(&rig, 2000);
        rig.engine.check();
        // Steps bring the entries of two buckets together.
        assert!(fullest_bucket(&rig) <= 3 * MOST_IN_BUCKET, "{mask:x}");
        assert!(present(&rig, 1999));
        (0..2000).filter(|key| key % 9 > 0).for_each(|key: u32| {
            rig.cache.delete(&key.to_be_bytes()).unwrap();
        });
        rig.engine.check();
        assert!((0..2000).filter(|key| key % 9 > 0).all(|key| !present(&rig, key)));
        rig.cache.clear().unwrap();
        rig.engine.check();
    }
}
