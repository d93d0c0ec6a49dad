//! Invalid arguments: each gives a typed error, changes nothing, and causes no panic.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::time::Duration;
use zbz_cache_memory::{Clock, Cursor, Error, Lookups, MIN_MAX_SIZE, MemoryCache, SetOptions};

#[test]
fn keys_have_one_byte_to_an_eighth_of_the_budget_or_32_kib() {
    for (max_size, max) in [(MIN_MAX_SIZE, 8192), (1 << 20, 32_768), (1 << 35, 32_768)] {
        let cache = MemoryCache::builder().max_size(max_size).build().unwrap();
        assert_eq!(cache.max_key_bytes(), max);
        cache.set(&vec![1; max], b"v", None).unwrap();
        assert_eq!(cache.get(&vec![1; max]).unwrap().unwrap(), b"v");
        refuses(&cache, b"", &Error::KeyEmpty);
        refuses(&cache, &vec![1; max + 1], &Error::KeyTooLong { len: max + 1, max });
        assert_eq!(cache.len(), 1);
        assert_eq!((cache.stats().hits, cache.stats().misses), (1, 0));
    }
}

fn refuses(cache: &MemoryCache, key: &[u8], error: &Error) {
    let mut value = b"kept".to_vec();
    let visit = |_: usize, _: &[u8], _| panic!("visited");
    assert_eq!(&cache.get(key).unwrap_err(), error);
    assert_eq!(&cache.get_into(key, &mut value).unwrap_err(), error);
    assert_eq!(&cache.get_into_uncounted(key, &mut value).unwrap_err(), error);
    assert_eq!(&cache.take_into(key, &mut value).unwrap_err(), error);
    assert_eq!(value, b"kept");
    assert_eq!(&cache.get_with(key, |_, _| ()).unwrap_err(), error);
    assert_eq!(&cache.get_multi(&[key], visit).unwrap_err(), error);
    assert_eq!(&cache.get_multi_uncounted(&[key], visit).unwrap_err(), error);
    assert_eq!(&cache.set(key, b"v", None).unwrap_err(), error);
    assert_eq!(&cache.set_opts(key, b"v", &SetOptions::default()).unwrap_err(), error);
    assert_eq!(cache.set_multi(&[(key, b"v")], None).unwrap_err().error(), error);
    assert_eq!(&cache.delete(key).unwrap_err(), error);
    assert_eq!(&cache.delete_multi(&[key]).unwrap_err(), error);
    assert_eq!(&cache.add(key, 1, None).unwrap_err(), error);
    assert_eq!(&cache.exists(key).unwrap_err(), error);
    assert_eq!(&cache.ttl(key).unwrap_err(), error);
    assert_eq!(&cache.expire(key, Duration::MAX).unwrap_err(), error);
    assert_eq!(&cache.persist(key).unwrap_err(), error);
}

#[test]
fn the_ends_of_every_range_are_survived() {
    let (clock, hand) = Clock::manual();
    hand.advance(Duration::MAX);
    let builder = MemoryCache::builder().max_size(1 << 37).cleanup_interval(Duration::MAX);
    let cache = builder.clock(clock).build().unwrap();
    let ttls = [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(1), Duration::MAX];
    for ttl in ttls {
        cache.set(b"k", b"v", Some(ttl)).unwrap();
        cache.expire(b"k", ttl).unwrap();
        cache.add(b"n", i64::MAX, Some(ttl)).unwrap();
        cache.delete(b"n").unwrap();
        let _ = cache.set_opts(b"l", b"v", &SetOptions::new(Some(ttl)).keep_deadline()).unwrap();
    }
    hand.advance(Duration::MAX);
    cache.run_maintenance().unwrap();
    for beyond in [0, 1, cache.min_resize() - 1, cache.max_resize() + 1, u64::MAX] {
        assert!(matches!(cache.resize(beyond), Err(Error::Config { option: "max_size", .. })), "{beyond}");
    }
    cache.resize(cache.min_resize()).unwrap();
    cache.resize(cache.max_resize()).unwrap();
    // The parts that cannot shrink grow with the processors.
    let least = MemoryCache::builder().build().unwrap().min_resize();
    let few = std::thread::available_parallelism().unwrap().get() <= 6;
    assert!((MIN_MAX_SIZE..=4 * MIN_MAX_SIZE).contains(&least), "{least}");
    assert!(least == MIN_MAX_SIZE || !few, "{least}");
    cache.record_lookups(Lookups {
        hits: u64::MAX,
        misses: u64::MAX,
        absences: u64::MAX,
        undecodable: u64::MAX,
    });
    cache.get(b"k").unwrap();
    assert_eq!(cache.stats().hits, u64::MAX);
    assert!(!cache.stats().to_string().is_empty());
    let long_prefix = vec![0; 100_000];
    assert_eq!(cache.clear_prefix(&long_prefix).unwrap(), 0);
    let page = cache.scan(&long_prefix, Cursor::from_u64(u64::MAX), usize::MAX, |_| true);
    assert_eq!(page.unwrap().keys.len(), 0);
}

#[test]
fn messages_name_no_key_and_no_value() {
    let cache = MemoryCache::builder().max_size(MIN_MAX_SIZE).build().unwrap();
    let long = b"secret".repeat(5000);
    cache.set(b"k", b"secret", None).unwrap();
    let errors = [
        cache.get(&long).unwrap_err(),
        cache.set(b"k", &long, None).unwrap_err(),
        cache.set(b"", b"secret", None).unwrap_err(),
    ];
    for error in errors {
        let text = format!("{error} {error:?}");
        assert!(!text.contains("secret"), "{text}");
    }
}
