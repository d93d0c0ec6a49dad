//! Many threads, values that tell where they belong, and an observer that never looks away.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod random;

use random::Random;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use zbz_cache_memory::{
    Clock, Condition, Cursor, Error, MIN_MAX_SIZE, ManualClock, MemoryCache, SetOptions, Stats, WhenFull,
};

const THREADS: u64 = 4;
const CALLS: u64 = 15_000;
const KEYS: u64 = 300;
/// Bytes of a key and of the longest value.
const MOST_PAYLOAD: u64 = 8 + 16 + 599 + 8;

/// A value made of its key, a number, filling of some length, and a checksum over all three.
fn value(key: u64, number: u64, len: usize) -> Vec<u8> {
    let mut bytes = [key.to_le_bytes(), number.to_le_bytes()].concat();
    bytes.extend((0..len).map(|at| (number as u8).wrapping_add(at as u8)));
    let sum = checksum(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn assert_whole(key: u64, bytes: &[u8]) {
    assert!(bytes.len() >= 24, "cut short");
    let (body, sum) = bytes.split_at(bytes.len() - 8);
    assert_eq!(body[..8], key.to_le_bytes(), "the value of another key");
    assert_eq!(sum, checksum(body).to_le_bytes(), "a mix of two values");
}

fn work(cache: &MemoryCache, hand: &ManualClock, seed: u64) {
    let mut random = Random::new(seed);
    let mut buffer = Vec::new();
    for number in 0..CALLS {
        let id = random.below(KEYS);
        let key = id.to_be_bytes();
        let bytes = value(id, number, random.below(600) as usize);
        let ttl = random.pick(&[None, Some(Duration::from_millis(5)), Some(Duration::ZERO)]);
        let stored = match random.below(20) {
            0..=4 => cache.set(&key, &bytes, ttl),
            5..=6 => swap(cache, &key, &bytes),
            7 => cache.set_multi(&[(&key, &bytes)], ttl).map_err(Error::from),
            8..=12 => {
                let found = cache.get_into(&key, &mut buffer).unwrap();
                found.iter().for_each(|_| assert_whole(id, &buffer));
                Ok(())
            }
            13 => cache.get_multi(&[key, key], |_, bytes, _| assert_whole(id, bytes)),
            14 => cache.delete(&key).map(drop),
            15 => {
                let taken = cache.take_into(&key, &mut buffer).unwrap();
                taken.iter().for_each(|_| assert_whole(id, &buffer));
                Ok(())
            }
            16 => cache.expire(&key, Duration::from_millis(1)).map(drop),
            17 => cache.persist(&key).map(drop),
            18 => cache.add(b"sum", 1, None).map(drop),
            _ => rare(cache, hand, &mut random),
        };
        assert!(matches!(stored, Ok(()) | Err(Error::Full)), "{stored:?}");
    }
}

fn swap(cache: &MemoryCache, key: &[u8], bytes: &[u8]) -> Result<(), Error> {
    let seen = cache.get_with(key, |_, found| found.version())?;
    let condition = seen.map_or(Condition::Absent, Condition::Version);
    cache.set_opts(key, bytes, &SetOptions::new(None).when(condition)).map(drop)
}

fn rare(cache: &MemoryCache, hand: &ManualClock, random: &mut Random) -> Result<(), Error> {
    match random.below(60) {
        0 => cache.clear().map(drop),
        1 => cache.clear_prefix(&[0, 0, 0, 0, 0, 0, 0]).map(drop),
        2..=5 => cache.resize(MIN_MAX_SIZE + random.below(MIN_MAX_SIZE)),
        6..=9 => cache.run_maintenance().map(drop),
        10 => cache.scan(b"", Cursor::START, 1000, |_| true).map(drop),
        _ => {
            hand.advance(Duration::from_micros(100));
            Ok(())
        }
    }
}

/// Every counter that may only rise.
fn rising(stats: &Stats) -> [u64; 8] {
    [
        stats.hits,
        stats.misses,
        stats.sets,
        stats.replaced,
        stats.deletes,
        stats.evictions,
        stats.expirations,
        stats.rejections,
    ]
}

fn observe(cache: &MemoryCache, done: &AtomicBool) {
    let mut before = cache.stats();
    while !done.load(Ordering::Acquire) {
        let stats = cache.stats();
        assert!(stats.memory_bytes <= stats.max_bytes, "{stats:?}");
        assert!(stats.keys <= KEYS && stats.payload_bytes <= KEYS * MOST_PAYLOAD, "{stats:?}");
        for (was, is) in rising(&before).iter().zip(rising(&stats)) {
            assert!(*was <= is, "{before:?} {stats:?}");
        }
        before = stats;
    }
}

fn stress(when_full: WhenFull) {
    let (clock, hand) = Clock::manual();
    let builder = MemoryCache::builder().max_size(MIN_MAX_SIZE).when_full(when_full);
    let cache = builder.clock(clock).build().unwrap();
    let empty = cache.stats().memory_bytes;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let observer = scope.spawn(|| observe(&cache, &done));
        let workers: Vec<_> = (0..THREADS)
            .map(|seed| {
                let (cache, hand) = (&cache, &hand);
                scope.spawn(move || work(cache, hand, seed))
            })
            .collect();
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Ordering::Release);
        assert!(ended.into_iter().all(|end| end.is_ok()));
        observer.join().unwrap();
    });
    let stats = cache.stats();
    let gone = stats.deletes + stats.evictions + stats.expirations;
    assert_eq!(stats.sets + stats.adds - stats.replaced, stats.keys + gone, "{stats:?}");
    assert!(stats.expirations > 0 && stats.hits > 0, "{stats:?}");
    match when_full {
        WhenFull::Evict => assert!(stats.evictions > 0 && stats.rejections == 0),
        WhenFull::Reject => assert!(stats.rejections > 0 && stats.evictions == 0),
    }
    cache.clear().unwrap();
    let stats = cache.stats();
    assert_eq!((stats.keys, stats.payload_bytes, stats.memory_bytes), (0, 0, empty));
}

#[test]
fn an_evicting_cache_stays_whole_under_load() {
    stress(WhenFull::Evict);
}

#[test]
fn a_rejecting_cache_stays_whole_under_load() {
    stress(WhenFull::Reject);
}

#[test]
fn large_values_fighting_for_a_tiny_cache_always_get_an_answer() {
    let cache = MemoryCache::builder().max_size(MIN_MAX_SIZE).build().unwrap();
    let len = cache.max_value_bytes() - 24;
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let cache = &cache;
            scope.spawn(move || {
                let mut random = Random::new(thread);
                for number in 0..300 {
                    let id = random.below(8);
                    cache.set(&id.to_be_bytes(), &value(id, number, len), None).unwrap();
                    let id = random.below(8);
                    let read = |bytes: &[u8], _| assert_whole(id, bytes);
                    cache.get_with(&id.to_be_bytes(), read).unwrap();
                    let stats = cache.stats();
                    assert!(stats.memory_bytes <= stats.max_bytes);
                }
            });
        }
    });
    let stats = cache.stats();
    assert_eq!(stats.sets + stats.adds - stats.replaced, stats.keys + stats.evictions);
}
