//! A listener gets every entry that leaves, once, with its key, its value and the cause.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::plan::{Plan, Rig};
use super::random::Random;
use crate::entries::removal::{Removal, RemovalCause};
use crate::{Cursor, MemoryCache, SetOptions, WhenFull};

/// Every removal that was told.
type Told = Arc<Mutex<Vec<Removal>>>;

/// Attaches a listener that also calls the cache, which would wait for ever if a lock were held. The cache
/// owns the listener, which therefore holds the cache weakly.
fn listen(rig: &Rig) -> Told {
    let told = Told::default();
    let (list, engine) = (Arc::clone(&told), Arc::downgrade(&rig.engine));
    let listen = move |removal: Removal| {
        let cache = MemoryCache::from_engine(engine.upgrade().expect("the caller holds it"));
        let _ = cache.get(&removal.key);
        let _ = cache.delete(b"nothing");
        let _ = cache.scan(b"", Cursor::START, 1, |_| true);
        list.lock().unwrap().push(removal);
    };
    assert!(rig.engine.store.entries.listener.attach(Box::new(listen)));
    told
}

fn plan(when_full: WhenFull) -> Plan {
    Plan {
        segments: 8,
        segment_bits: 10,
        classes: 2,
        stripes: 1,
        evictors: 1,
        when_full,
        tight: false,
        beyond: 0,
        hash_mask: u64::MAX,
        grain: 1,
    }
}

/// The removals since the last look.
fn take(told: &Told) -> Vec<(Vec<u8>, Vec<u8>, RemovalCause)> {
    let removals = std::mem::take(&mut *told.lock().unwrap());
    removals.into_iter().map(|Removal { key, value, cause }| (key, value, cause)).collect()
}

fn one(key: &str, value: &str, cause: RemovalCause) -> Vec<(Vec<u8>, Vec<u8>, RemovalCause)> {
    vec![(key.into(), value.into(), cause)]
}

#[test]
fn each_cause_is_told() {
    let rig = plan(WhenFull::Evict).build();
    let told = listen(&rig);
    let cache = &rig.cache;
    cache.set(b"k", b"1", None).unwrap();
    assert_eq!(take(&told), []);
    cache.set(b"k", b"2", None).unwrap();
    assert_eq!(take(&told), one("k", "1", RemovalCause::Replaced));
    cache.add(b"n", 1, None).unwrap();
    cache.add(b"n", 1, None).unwrap();
    assert_eq!(take(&told), one("n", "1", RemovalCause::Replaced));
    assert!(cache.delete(b"k").unwrap() && !cache.delete(b"k").unwrap());
    assert_eq!(take(&told), one("k", "2", RemovalCause::Deleted));
    cache.set(b"k", b"3", Some(Duration::from_secs(1))).unwrap();
    assert!(cache.expire(b"k", Duration::from_secs(2)).unwrap());
    assert_eq!(take(&told), [], "it is the same entry");
    rig.hand.advance(Duration::from_secs(2));
    assert_eq!(cache.get(b"k").unwrap(), None);
    cache.set(b"k", b"4", Some(Duration::from_secs(1))).unwrap();
    assert_eq!(take(&told), one("k", "3", RemovalCause::Expired));
    rig.hand.advance(Duration::from_secs(2));
    cache.run_maintenance().unwrap();
    assert_eq!(take(&told), one("k", "4", RemovalCause::Expired));
    assert_eq!(cache.clear_prefix(b"n").unwrap(), 1);
    assert_eq!(take(&told), one("n", "2", RemovalCause::Cleared));
    cache.set(b"k", b"5", None).unwrap();
    let _ = cache.set_opts(b"k", b"6", &SetOptions::new(Some(Duration::ZERO))).unwrap();
    assert_eq!(take(&told), one("k", "5", RemovalCause::Deleted));
    let mut taken = Vec::new();
    cache.set(b"k", b"7", None).unwrap();
    cache.take_into(b"k", &mut taken).unwrap();
    assert_eq!(take(&told), one("k", "7", RemovalCause::Deleted));
    let long = vec![b'v'; 3000];
    cache.set(b"long", &long, None).unwrap();
    cache.set(b"left", b"8", None).unwrap();
    cache.close();
    let mut closed = take(&told);
    closed.sort_by_key(|(key, ..)| key.clone());
    let left = (b"left".to_vec(), b"8".to_vec(), RemovalCause::Cleared);
    assert_eq!(closed, [left, (b"long".to_vec(), long, RemovalCause::Cleared)]);
}

/// Every set entry is in the cache or was reported, once.
fn balance(cache: &MemoryCache, set: HashMap<(Vec<u8>, Vec<u8>), u64>, told: &Told) {
    let mut left = set;
    let mut take_one = |key: Vec<u8>, value: Vec<u8>, why: &str| {
        let count = left.get_mut(&(key, value)).unwrap_or_else(|| panic!("{why}: it was not set"));
        *count = count.checked_sub(1).unwrap_or_else(|| panic!("{why}: told once too often"));
    };
    for (key, value, cause) in take(told) {
        take_one(key, value, &format!("{cause:?}"));
    }
    let mut cursor = Some(Cursor::START);
    while let Some(from) = cursor {
        let page = cache.scan(b"", from, 100, |_| true).unwrap();
        for key in page.keys {
            let value = cache.get(&key).unwrap().unwrap();
            take_one(key, value, "still there");
        }
        cursor = page.next;
    }
    assert!(left.values().all(|&count| count == 0), "an entry left and was not reported");
}

#[test]
fn what_was_set_is_there_or_was_told_of() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let when_full = random.pick(&[WhenFull::Evict, WhenFull::Reject]);
        let rig = Plan { when_full, hash_mask: random.pick(&[u64::MAX, 0xff]), ..plan(when_full) }.build();
        let told = listen(&rig);
        let mut set: HashMap<(Vec<u8>, Vec<u8>), u64> = HashMap::new();
        for number in 0..2000_u32 {
            let key = format!("key {}", random.below(60)).into_bytes();
            match random.below(12) {
                0 => drop(rig.cache.delete(&key).unwrap()),
                1 => drop(
                    rig.cache
                        .expire(&key, Duration::from_nanos(1 + random.below(50_000_000)))
                        .unwrap_or(true),
                ),
                2 => rig.hand.advance(Duration::from_millis(random.below(3))),
                3 if random.below(20) == 0 => drop(rig.cache.clear_prefix(b"key 1").unwrap()),
                _ => {
                    let len = random.pick(&[4, 40, 300, 1500]);
                    let value: Vec<u8> = number.to_le_bytes().into_iter().cycle().take(len).collect();
                    let ttl = (random.below(2) == 0).then(|| Duration::from_millis(1 + random.below(20)));
                    // One that is evicted as soon as it is stored was never there.
                    if rig.cache.set(&key, &value, ttl).is_ok() {
                        *set.entry((key, value)).or_default() += 1;
                    }
                }
            }
        }
        // Expired entries are reported when they are swept.
        rig.cache.run_maintenance().unwrap();
        if when_full == WhenFull::Evict {
            forget_transient(&rig, &mut set, &told);
        }
        balance(&rig.cache, set, &told);
        rig.engine.check();
    }
}

/// Forgets the values that were evicted as soon as they were stored, since nothing could be evicted for
/// them: they never were entries. The counters say how many they are: each counts as an eviction, or takes
/// a live entry along and counts as having replaced that one.
fn forget_transient(rig: &Rig, set: &mut HashMap<(Vec<u8>, Vec<u8>), u64>, told: &Told) {
    let told = told.lock().unwrap();
    let before = set.len();
    set.retain(|(key, value), _| {
        told.iter().any(|removal| removal.key == *key && removal.value == *value)
            || rig.cache.get(key).unwrap().as_ref() == Some(value)
    });
    let count = |cause| told.iter().filter(|removal| removal.cause == cause).count() as u64;
    let stats = rig.cache.stats();
    let evicted_at_once = stats.evictions - count(RemovalCause::Evicted);
    let with_another = stats.replaced - count(RemovalCause::Replaced);
    assert_eq!((before - set.len()) as u64, evicted_at_once + with_another);
}
