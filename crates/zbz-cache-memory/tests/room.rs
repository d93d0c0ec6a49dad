//! What happens when there is no room: evicting, rejecting, values too large, resizing.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod random;

use random::Random;
use std::time::Duration;
use zbz_cache_memory::{
    Clock, Condition, Error, MIN_MAX_SIZE, ManualClock, MemoryCache, SetOptions, SetOutcome, WhenFull,
};

fn cache(max_size: u64, when_full: WhenFull) -> (MemoryCache, ManualClock) {
    let (clock, hand) = Clock::manual();
    let builder = MemoryCache::builder().max_size(max_size).when_full(when_full).clock(clock);
    (builder.build().unwrap(), hand)
}

/// Sets entries of `value_len` bytes until one is refused; answers how many were stored.
fn fill(cache: &MemoryCache, value_len: usize, ttl: Option<Duration>) -> u32 {
    let value = vec![7; value_len];
    (0..).find(|n: &u32| cache.set(&n.to_be_bytes(), &value, ttl).is_err()).unwrap()
}

fn assert_balanced(cache: &MemoryCache) {
    let stats = cache.stats();
    let out = stats.deletes + stats.evictions + stats.expirations;
    assert_eq!(stats.sets + stats.adds - stats.replaced, stats.keys + out, "{stats:?}");
    assert!(stats.memory_bytes <= stats.max_bytes, "{stats:?}");
}

#[test]
fn an_evicting_cache_keeps_within_its_budget_and_takes_every_write() {
    let (cache, _hand) = cache(MIN_MAX_SIZE, WhenFull::Evict);
    for n in 0..20_000u32 {
        let value = n.to_be_bytes().repeat(1 + n as usize % 300);
        cache.set(&n.to_be_bytes(), &value, None).unwrap();
        assert_eq!(cache.get(&n.to_be_bytes()).unwrap(), Some(value), "the newest is kept");
        let stats = cache.stats();
        assert!(stats.memory_bytes <= MIN_MAX_SIZE && stats.payload_bytes < stats.memory_bytes);
    }
    assert!(cache.stats().evictions > 0 && cache.len() > 1);
    assert_eq!(cache.stats().rejections, 0);
    assert_balanced(&cache);
}

#[test]
fn an_entry_in_use_outlives_those_that_are_not() {
    let (cache, _hand) = cache(1 << 20, WhenFull::Evict);
    cache.set(b"hot", b"v", None).unwrap();
    for n in 0..100_000u32 {
        cache.set(&n.to_be_bytes(), &[0; 100], None).unwrap();
        assert!(cache.get(b"hot").unwrap().is_some(), "after {n}");
    }
}

#[test]
fn the_largest_key_and_value_fit_the_smallest_cache() {
    for when_full in [WhenFull::Evict, WhenFull::Reject] {
        let (cache, _hand) = cache(MIN_MAX_SIZE, when_full);
        let key = vec![b'k'; cache.max_key_bytes()];
        let value = vec![b'v'; cache.max_value_bytes()];
        assert_eq!((key.len(), value.len()), (8192, 16384));
        for _ in 0..5 {
            cache.set(&key, &value, None).unwrap();
        }
        assert_eq!(cache.get(&key).unwrap(), Some(value));
    }
}

#[test]
fn a_value_too_large_takes_the_old_one_with_it() {
    for when_full in [WhenFull::Evict, WhenFull::Reject] {
        let (cache, _hand) = cache(MIN_MAX_SIZE, when_full);
        let max = cache.max_value_bytes();
        let large = vec![0; max + 1];
        cache.set(b"k", b"old", None).unwrap();
        let refused = Err(Error::TooLarge { len: max + 1, max });
        assert_eq!(cache.set(b"k", &large, None), refused);
        assert_eq!(cache.get(b"k").unwrap(), None);
        assert_eq!(cache.set(b"k", &large, Some(Duration::ZERO)), refused);
        let stats = cache.stats();
        assert_eq!((stats.sets, stats.deletes, stats.rejections), (1, 1, 2));
        assert_balanced(&cache);
    }
}

#[test]
fn a_full_rejecting_cache_refuses_and_changes_nothing() {
    let (cache, _hand) = cache(MIN_MAX_SIZE, WhenFull::Reject);
    let stored = fill(&cache, 1000, None);
    assert!(stored > 10);
    let before = cache.stats();
    assert_eq!(cache.set(b"new", &[0; 1000], None), Err(Error::Full));
    assert_eq!(cache.set(&0u32.to_be_bytes(), &[0; 5000], None), Err(Error::Full));
    let only_new = SetOptions::new(None).when(Condition::Absent);
    assert_eq!(cache.set_opts(b"new", &[0; 1000], &only_new), Err(Error::Full));
    for n in 0..stored {
        assert_eq!(cache.get(&n.to_be_bytes()).unwrap().unwrap(), [7; 1000]);
    }
    let after = cache.stats();
    assert_eq!(after.rejections, before.rejections + 3);
    assert_eq!((after.sets, after.evictions, after.keys), (before.sets, 0, before.keys));
    assert_eq!(after.memory_bytes, before.memory_bytes);
    assert_balanced(&cache);
}

#[test]
fn an_overwrite_that_fits_in_place_of_the_old_value_is_taken() {
    let (cache, _hand) = cache(MIN_MAX_SIZE, WhenFull::Reject);
    fill(&cache, 1000, None);
    let key = 3u32.to_be_bytes();
    cache.set(&key, &[1; 1000], None).unwrap();
    cache.set(&key, &[2; 10], None).unwrap();
    cache.set(&key, &[3; 1000], None).unwrap();
    assert_eq!(cache.get(&key).unwrap().unwrap(), [3; 1000]);
    cache.set(b"gone at once", &[0; 1000], Some(Duration::ZERO)).unwrap();
    assert!(cache.delete(&key).unwrap());
    cache.set(b"new", &[4; 1000], None).unwrap();
    assert_balanced(&cache);
}

#[test]
fn a_rejecting_cache_reclaims_what_has_expired_before_it_refuses() {
    let (cache, hand) = cache(MIN_MAX_SIZE, WhenFull::Reject);
    let stored = fill(&cache, 1000, Some(Duration::from_secs(1)));
    hand.advance(Duration::from_secs(1));
    cache.set(b"new", &[0; 1000], None).unwrap();
    assert_eq!((cache.len(), cache.stats().expirations), (1, u64::from(stored)));
    assert_eq!(cache.stats().rejections, 1);
    assert_balanced(&cache);
}

#[test]
fn a_rejecting_cache_keeps_room_for_the_largest_entry_that_lives_not_for_one_that_went() {
    let [(with, _hand), (without, _other)] = [0, 1].map(|_| cache(1 << 20, WhenFull::Reject));
    let large = vec![1; with.max_value_bytes()];
    with.set(b"large", &large, None).unwrap();
    with.set(b"large", &large, None).unwrap();
    let beside = fill(&with, 100, None);
    with.set(b"large", &large, None).unwrap();
    with.clear_prefix(&0_u32.to_be_bytes()[..1]).unwrap();
    assert!(with.delete(b"large").unwrap());
    let (alone, never) = (fill(&with, 100, None), fill(&without, 100, None));
    assert!(beside < never / 4 * 3, "{beside} beside a large entry, {never} without");
    assert!(alone.abs_diff(never) <= never / 50, "{alone} after a large entry, {never} without one");
}

#[test]
fn a_full_rejecting_cache_takes_what_is_no_larger_than_what_it_replaces_or_what_went() {
    for max_size in [MIN_MAX_SIZE, 100_000, 200_000, 1 << 20, 3 << 20] {
        for longest in [200, 900, max_size / 16] {
            let (cache, _hand) = cache(max_size, WhenFull::Reject);
            let mut random = Random::new(max_size + longest);
            let value = vec![7; longest as usize + 1];
            let (mut live, mut next) = (Vec::new(), 0_u64..);
            loop {
                let (key, len) = (next.next().unwrap(), random.below(longest) as usize);
                match cache.set(&key.to_be_bytes(), &value[..len], None) {
                    Ok(()) => live.push((key, len)),
                    Err(error) => break assert_eq!(error, Error::Full),
                }
            }
            for call in 0..4000 {
                let at = random.below(live.len() as u64) as usize;
                let (key, len) = &mut live[at];
                if random.pick(&[true, false, false, false]) {
                    *len = random.below(*len as u64 + 1) as usize;
                }
                if random.pick(&[true, false, false]) {
                    assert!(cache.delete(&key.to_be_bytes()).unwrap());
                    *key = next.next().unwrap();
                }
                let stored = cache.set(&key.to_be_bytes(), &value[..*len], None);
                assert_eq!(stored, Ok(()), "call {call} of {max_size} with values to {longest}");
            }
            assert_eq!(cache.len() as u64, live.len() as u64);
            assert_balanced(&cache);
        }
    }
}

#[test]
fn a_full_rejecting_cache_takes_overwrites_of_values_as_long_as_its_segments() {
    for (max_size, len) in
        [(1 << 20, 5000), (1 << 20, 16_384), (1 << 22, 9000), (1 << 24, 40_000), (1 << 24, 65_536)]
    {
        let (cache, _hand) = cache(max_size, WhenFull::Reject);
        let stored = fill(&cache, len, None);
        let mut random = Random::new(max_size);
        for call in 0..3000 {
            let key = (random.below(stored.into()) as u32).to_be_bytes();
            assert_eq!(cache.set(&key, &vec![8; len], None), Ok(()), "call {call} of {max_size} with {len}");
        }
        assert_eq!(cache.len() as u64, stored.into());
        assert_balanced(&cache);
    }
}

#[test]
fn a_rejecting_cache_of_many_small_entries_finds_room_for_its_index_while_some_expire() {
    let (cache, hand) = cache(1 << 20, WhenFull::Reject);
    for round in 0..20 {
        let long = fill(&cache, 100, None);
        for key in 0..long {
            assert!(cache.delete(&key.to_be_bytes()).unwrap());
        }
        let ttls = [None, Some(Duration::from_secs(1)), Some(Duration::from_millis(1))];
        let mut key = 0_u32;
        while cache.set(&key.to_be_bytes(), b"1", ttls[key as usize % 3]).is_ok() {
            key += 1;
            if key % 1000 == round * 50 {
                hand.advance(Duration::from_millis(1));
            }
        }
        assert!(key > 2 * long, "{key} small entries, {long} long ones");
        for key in (0..key).step_by(3) {
            cache.set(&key.to_be_bytes(), b"2", None).unwrap();
        }
        cache.clear_prefix(b"").unwrap();
    }
    assert_balanced(&cache);
}

#[test]
fn threads_that_overwrite_in_a_full_rejecting_cache_are_not_refused() {
    for (max_size, longest) in [(1 << 18, 200), (1 << 20, 900), (1 << 24, 2000)] {
        let (cache, _hand) = cache(max_size, WhenFull::Reject);
        let value = vec![7; longest as usize];
        let len_of = |key: u64| (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % longest;
        let write = |key: u64| cache.set(&key.to_be_bytes(), &value[..len_of(key) as usize], None);
        let keys = (0..).find(|&key| write(key).is_err()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let write = &write;
                scope.spawn(move || {
                    let mut random = Random::new(thread);
                    (0..20_000).for_each(|_| write(random.below(keys)).unwrap());
                });
            }
        });
        assert_eq!(cache.len() as u64, keys);
    }
}

#[test]
fn adding_to_a_number_in_a_full_rejecting_cache_refuses_only_what_does_not_fit() {
    let (cache, _hand) = cache(MIN_MAX_SIZE, WhenFull::Reject);
    cache.set(b"n", b"1", None).unwrap();
    fill(&cache, 1000, None);
    while cache.add(&cache.len().to_be_bytes(), 0, None).is_ok() {}
    assert_eq!(cache.add(b"n", 1, None), Ok(2));
    let rejected = cache.stats().rejections;
    let refused = (0..1000_u64).find(|n| cache.add(&n.to_le_bytes(), 1, None) == Err(Error::Full));
    assert!(refused.is_some(), "nothing is refused");
    assert_eq!(cache.stats().rejections, rejected + 1);
    assert_eq!(cache.add(b"n", 1, None), Ok(3));
}

#[test]
fn an_evicting_cache_shrinks_to_what_it_is_told() {
    let (cache, _hand) = cache(1 << 20, WhenFull::Evict);
    for n in 0..5000u32 {
        cache.set(&n.to_be_bytes(), &[7; 100], None).unwrap();
    }
    cache.resize(MIN_MAX_SIZE).unwrap();
    assert_eq!(cache.max_size(), MIN_MAX_SIZE);
    assert!(cache.stats().memory_bytes <= MIN_MAX_SIZE);
    assert!(!cache.is_empty());
    assert_balanced(&cache);
    cache.resize(cache.max_resize()).unwrap();
    let before = cache.stats().evictions;
    for n in 0..5000u32 {
        cache.set(&n.to_be_bytes(), &[7; 100], None).unwrap();
    }
    assert_eq!((cache.len(), cache.stats().evictions), (5000, before));
    cache.resize(MIN_MAX_SIZE).unwrap();
    assert_balanced(&cache);
}

#[test]
fn a_rejecting_cache_does_not_shrink_below_what_is_live() {
    let (cache, hand) = cache(1 << 20, WhenFull::Reject);
    let stored = fill(&cache, 1000, Some(Duration::from_secs(1)));
    assert_eq!(cache.resize(MIN_MAX_SIZE), Err(Error::Full));
    assert_eq!((cache.max_size(), cache.len() as u64), (1 << 20, u64::from(stored)));
    hand.advance(Duration::from_secs(1));
    cache.resize(MIN_MAX_SIZE).unwrap();
    assert_eq!((cache.max_size(), cache.len()), (MIN_MAX_SIZE, 0));
    assert!(fill(&cache, 1000, None) < stored);
    assert_balanced(&cache);
}

#[test]
fn keys_taken_under_a_larger_budget_stay_reachable() {
    let (cache, _hand) = cache(1 << 20, WhenFull::Reject);
    let key = vec![b'k'; 20_000];
    cache.set(&key, b"v", None).unwrap();
    cache.resize(MIN_MAX_SIZE).unwrap();
    assert_eq!(cache.get(&key).unwrap().unwrap(), b"v");
    let refused = Err(Error::KeyTooLong { len: 20_000, max: 8192 });
    assert_eq!(cache.set(&key, b"w", None), refused);
    assert!(cache.delete(&key).unwrap());
}

#[test]
fn a_size_below_the_minimum_is_refused_and_changes_nothing() {
    let (cache, _hand) = cache(1 << 20, WhenFull::Evict);
    let error = cache.resize(MIN_MAX_SIZE - 1).unwrap_err();
    assert!(matches!(error, Error::Config { option: "max_size", .. }), "{error:?}");
    assert_eq!(cache.max_size(), 1 << 20);
    assert!(matches!(
        MemoryCache::builder().max_size(0).build(),
        Err(Error::Config { option: "max_size", .. })
    ));
}

#[test]
fn a_conditional_write_into_a_full_cache_is_judged_and_stored() {
    let (cache, _hand) = cache(MIN_MAX_SIZE, WhenFull::Evict);
    for n in 0..500u32 {
        let even = || n % 2 == 0;
        let options = SetOptions::new(None).when(Condition::If(&even));
        let outcome = cache.set_opts(&n.to_be_bytes(), &[0; 1000], &options).unwrap();
        assert_eq!(outcome == SetOutcome::Stored, even());
    }
    assert_balanced(&cache);
}

#[test]
fn threads_that_overwrite_in_a_half_empty_cache_evict_nothing() {
    const KEYS: u64 = 1000;
    const CALLS: u64 = 600_000;
    let cache = MemoryCache::builder().max_size(1 << 20).cleanup_interval(Duration::ZERO).build().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..3_u64 {
            let cache = &cache;
            scope.spawn(move || {
                for call in 0..CALLS {
                    let key = (call * (thread + 3)) % KEYS;
                    cache.set(&key.to_le_bytes(), &[7; 24], None).unwrap();
                }
            });
        }
    });
    assert_eq!((cache.stats().evictions, cache.len() as u64), (0, KEYS));
}
