//! Building, closing, dropping, and what goes on in the background.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::sync::Arc;
use std::time::{Duration, Instant};
use zbz_cache_memory::{Clock, Cursor, Error, Lookups, ManualClock, MemoryCache, SetOptions, SetOutcome};

/// Waits for something that is bound to happen.
fn wait_until(mut happened: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !happened() {
        assert!(begin.elapsed() < Duration::from_secs(30), "it never happened");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_background_thread_sweeps_what_has_expired() {
    let interval = Duration::from_millis(2);
    let cache = MemoryCache::builder().cleanup_interval(interval).build().unwrap();
    cache.set(b"k", b"v", Some(Duration::from_millis(1))).unwrap();
    cache.set(b"l", b"v", None).unwrap();
    wait_until(|| cache.stats().expirations == 1);
    assert_eq!(cache.len(), 1);
}

#[test]
fn a_cache_with_a_manual_clock_is_swept_by_hand_only() {
    let (clock, hand) = Clock::manual();
    let builder = MemoryCache::builder().cleanup_interval(Duration::from_nanos(1));
    let cache = builder.clock(clock).build().unwrap();
    cache.set(b"k", b"v", Some(Duration::from_secs(1))).unwrap();
    hand.advance(Duration::from_secs(2));
    assert_eq!(cache.len(), 1);
    assert_eq!(cache.run_maintenance().unwrap().expired, 1);
    assert!(cache.is_empty());
}

#[test]
fn every_verb_of_a_closed_cache_answers_closed() {
    let cache = MemoryCache::builder().build().unwrap();
    let clone = cache.clone();
    cache.set(b"k", b"v", None).unwrap();
    cache.close();
    cache.close();
    assert_closed_to_reads(&clone);
    assert_closed_to_writes(&clone);
    assert!(clone.is_closed());
    assert_eq!((clone.len(), clone.is_empty()), (0, true));
    clone.record_lookups(Lookups::default());
    let stats = clone.stats();
    assert_eq!((stats.sets, stats.deletes, stats.payload_bytes), (1, 1, 0));
    assert!(format!("{clone:?}").contains("closed: true"));
}

fn assert_closed_to_reads(cache: &MemoryCache) {
    let mut value = b"kept".to_vec();
    let visit = |_: usize, _: &[u8], _| panic!("visited");
    assert_eq!(cache.get(b"k"), Err(Error::Closed));
    assert_eq!(cache.get(b""), Err(Error::Closed));
    assert_eq!(cache.get_into(b"k", &mut value), Err(Error::Closed));
    assert_eq!(cache.get_into_uncounted(b"k", &mut value), Err(Error::Closed));
    assert_eq!(cache.get_with(b"k", |_, _| ()), Err(Error::Closed));
    assert_eq!(cache.get_multi(&["k"], visit), Err(Error::Closed));
    assert_eq!(cache.get_multi::<&str>(&[], visit), Err(Error::Closed));
    assert_eq!(cache.get_multi_uncounted(&["k"], visit), Err(Error::Closed));
    assert_eq!(cache.exists(b"k"), Err(Error::Closed));
    assert_eq!(cache.ttl(b"k"), Err(Error::Closed));
    assert_eq!(cache.scan(b"", Cursor::START, 1, |_| true), Err(Error::Closed));
    assert_eq!(value, b"kept");
}

fn assert_closed_to_writes(cache: &MemoryCache) {
    let mut value = b"kept".to_vec();
    assert_eq!(cache.set(b"k", b"v", None), Err(Error::Closed));
    assert_eq!(cache.set(b"k", &vec![0; 200_000_000], None), Err(Error::Closed));
    assert_eq!(cache.set_opts(b"k", b"v", &SetOptions::default()), Err(Error::Closed));
    let batch = cache.set_multi(&[("k", "v"), ("l", "v")], None).unwrap_err();
    assert_eq!(batch.failed(), [(0, Error::Closed), (1, Error::Closed)]);
    let batch = cache.set_multi::<&str, &str>(&[], None).unwrap_err();
    assert_eq!((batch.error(), batch.failed().len()), (&Error::Closed, 0));
    assert_eq!(cache.delete(b"k"), Err(Error::Closed));
    assert_eq!(cache.delete_multi(&["k"]), Err(Error::Closed));
    assert_eq!(cache.take_into(b"k", &mut value), Err(Error::Closed));
    assert_eq!(cache.add(b"k", 1, None), Err(Error::Closed));
    assert_eq!(cache.expire(b"k", Duration::ZERO), Err(Error::Closed));
    assert_eq!(cache.persist(b"k"), Err(Error::Closed));
    assert_eq!(cache.clear(), Err(Error::Closed));
    assert_eq!(cache.clear_prefix(b"k"), Err(Error::Closed));
    assert_eq!(cache.resize(1 << 20), Err(Error::Closed));
    assert_eq!(cache.run_maintenance(), Err(Error::Closed));
    assert_eq!(value, b"kept");
}

#[test]
fn calls_that_the_close_overtakes_answer_closed() {
    let closing = || {
        let cache = MemoryCache::builder().build().unwrap();
        for n in 0..1000u32 {
            cache.set(&n.to_be_bytes(), b"v", None).unwrap();
        }
        cache
    };
    let cache = closing();
    let close = |_: &[u8]| {
        cache.close();
        true
    };
    assert_eq!(cache.scan(b"", Cursor::START, 1000, close), Err(Error::Closed));
    let cache = closing();
    let keys: Vec<_> = (0..1000u32).map(u32::to_be_bytes).collect();
    assert_eq!(cache.get_multi(&keys, |_, _, _| cache.close()), Err(Error::Closed));
    assert_eq!(cache.stats().hits, 1);
}

#[test]
fn closing_under_load_leaves_nothing_behind() {
    let cache = MemoryCache::builder().max_size(1 << 18).build().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let cache = cache.clone();
            scope.spawn(move || {
                let mut n = thread;
                while cache.set(&n.to_be_bytes(), &[0; 200], None).is_ok() {
                    n = n.wrapping_add(4);
                }
            });
        }
        wait_until(|| cache.stats().evictions > 100);
        cache.close();
    });
    let stats = cache.stats();
    assert_eq!((stats.keys, stats.payload_bytes), (0, 0));
    let fresh = MemoryCache::builder().max_size(1 << 18).build().unwrap();
    assert_eq!(stats.memory_bytes, fresh.stats().memory_bytes);
    assert_eq!(stats.sets + stats.adds - stats.replaced, stats.deletes + stats.evictions);
}

#[test]
fn dropping_handles_under_load_does_not_hang() {
    for _ in 0..50 {
        let interval = Duration::from_nanos(1);
        let cache = MemoryCache::builder().cleanup_interval(interval).build().unwrap();
        let threads: Vec<_> = (0..3u32)
            .map(|thread| {
                let cache = cache.clone();
                std::thread::spawn(move || {
                    for n in 0..200u32 {
                        let key = (n * 3 + thread).to_be_bytes();
                        cache.set(&key, b"v", Some(Duration::from_millis(1))).unwrap();
                    }
                })
            })
            .collect();
        drop(cache);
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn handles_are_shared_by_threads_and_print_no_keys() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    shared::<MemoryCache>();
    shared::<ManualClock>();
    shared::<Clock>();
    shared::<Error>();
    let cache = MemoryCache::builder().build().unwrap();
    cache.set(b"secret-key", b"secret-value", None).unwrap();
    let text = format!("{cache:?} {cache:#?}");
    assert!(text.contains("keys: 1") && !text.contains("secret"), "{text}");
}

#[test]
fn of_many_threads_adding_none_is_lost_and_of_many_taking_one_wins() {
    let cache = Arc::new(MemoryCache::builder().build().unwrap());
    let (mut taken, mut stored) = (0, 0);
    std::thread::scope(|scope| {
        cache.set(b"prize", b"v", None).unwrap();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        cache.add(b"sum", 1, None).unwrap();
                    }
                    let absent = zbz_cache_memory::Condition::Absent;
                    let options = SetOptions::new(None).when(absent);
                    let won = cache.set_opts(b"lock", b"v", &options).unwrap();
                    let took = cache.take_into(b"prize", &mut Vec::new()).unwrap();
                    (u32::from(took.is_some()), u32::from(won == SetOutcome::Stored))
                })
            })
            .collect();
        for thread in threads {
            let (took, won) = thread.join().unwrap();
            taken += took;
            stored += won;
        }
    });
    assert_eq!(cache.get(b"sum").unwrap().unwrap(), b"4000");
    assert_eq!((taken, stored), (1, 1));
}
