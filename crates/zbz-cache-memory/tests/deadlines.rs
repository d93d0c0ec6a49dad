//! Deadlines are exact to the nanosecond, for every verb, under a clock moved by hand.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::time::Duration;
use zbz_cache_memory::{
    Clock, Condition, Cursor, ManualClock, MemoryCache, SetOptions, SetOutcome, TTL_HORIZON, TtlState,
};

const NANO: Duration = Duration::from_nanos(1);
const TTL: Duration = Duration::from_nanos(5_000_000_001);

fn cache() -> (MemoryCache, ManualClock) {
    let (clock, hand) = Clock::manual();
    (MemoryCache::builder().max_size(1 << 20).clock(clock).build().unwrap(), hand)
}

fn keys(cache: &MemoryCache) -> usize {
    cache.scan(b"", Cursor::START, 100, |_| true).unwrap().keys.len()
}

#[test]
fn an_entry_lives_to_the_nanosecond_before_its_deadline_and_no_longer() {
    let (cache, hand) = cache();
    cache.set(b"k", b"v", Some(TTL)).unwrap();
    assert_eq!(cache.ttl(b"k").unwrap(), TtlState::Remaining(TTL));
    hand.advance(TTL - NANO);
    assert_eq!(cache.get(b"k").unwrap().unwrap(), b"v");
    assert_eq!(cache.ttl(b"k").unwrap(), TtlState::Remaining(NANO));
    let remaining = cache.get_with(b"k", |_, found| found.remaining()).unwrap();
    assert_eq!(remaining, Some(Some(NANO)));
    assert!(cache.exists(b"k").unwrap());
    assert_eq!(keys(&cache), 1);
    hand.advance(NANO);
    assert_gone(&cache);
}

fn assert_gone(cache: &MemoryCache) {
    let mut value = b"x".to_vec();
    assert_eq!(cache.get(b"k").unwrap(), None);
    assert!(cache.get_into(b"k", &mut value).unwrap().is_none());
    assert_eq!(cache.get_with(b"k", |_, _| ()).unwrap(), None);
    assert!(cache.get_into_uncounted(b"k", &mut value).unwrap().is_none());
    cache.get_multi(&["k"], |_, _, _| panic!("expired")).unwrap();
    cache.get_multi_uncounted(&["k"], |_, _, _| panic!("expired")).unwrap();
    assert!(!cache.exists(b"k").unwrap());
    assert_eq!(cache.ttl(b"k").unwrap(), TtlState::Missing);
    assert_eq!(keys(cache), 0);
    assert!(!cache.persist(b"k").unwrap());
    assert!(!cache.expire(b"k", TTL).unwrap());
    assert!(!cache.delete(b"k").unwrap());
    assert!(cache.take_into(b"k", &mut value).unwrap().is_none());
    assert_eq!(cache.delete_multi(&["k"]).unwrap(), 0);
    assert_eq!(cache.clear().unwrap(), 0);
}

#[test]
fn an_expired_entry_is_absent_to_conditions_sums_and_kept_deadlines() {
    let (cache, hand) = cache();
    let expired = |key: &[u8]| {
        cache.set(key, b"41", Some(TTL)).unwrap();
        hand.advance(TTL);
    };
    let set =
        |key: &[u8], condition| cache.set_opts(key, b"1", &SetOptions::new(None).when(condition)).unwrap();
    expired(b"a");
    assert_eq!(set(b"a", Condition::Present), SetOutcome::ConditionFailed);
    assert_eq!(set(b"a", Condition::Absent), SetOutcome::Stored);
    expired(b"b");
    assert_eq!(cache.add(b"b", 1, None).unwrap(), 1);
    assert_eq!(cache.ttl(b"b").unwrap(), TtlState::Never);
    expired(b"c");
    let _ = cache.set_opts(b"c", b"1", &SetOptions::new(None).keep_deadline()).unwrap();
    assert_eq!(cache.ttl(b"c").unwrap(), TtlState::Never);
    cache.set(b"d", b"1", Some(TTL)).unwrap();
    let version = cache.get_with(b"d", |_, found| found.version()).unwrap().unwrap();
    hand.advance(TTL);
    assert_eq!(set(b"d", Condition::Version(version)), SetOutcome::ConditionFailed);
    assert_eq!(cache.stats().expirations, 4);
    assert_eq!(cache.stats().replaced, 0);
}

#[test]
fn a_ttl_of_zero_leaves_the_entry_absent() {
    let (cache, _hand) = cache();
    cache.set(b"k", b"v", None).unwrap();
    cache.set(b"k", b"w", Some(Duration::ZERO)).unwrap();
    assert!(!cache.exists(b"k").unwrap());
    cache.set(b"new", b"w", Some(Duration::ZERO)).unwrap();
    assert!(cache.is_empty());
    let stats = cache.stats();
    assert_eq!((stats.sets, stats.replaced, stats.deletes), (3, 1, 2));
    cache.set(b"k", b"v", None).unwrap();
    assert!(cache.expire(b"k", Duration::ZERO).unwrap());
    assert!(!cache.expire(b"k", Duration::ZERO).unwrap());
    assert_eq!(cache.stats().deletes, 3);
}

#[test]
fn a_ttl_below_a_millisecond_rounds_up_to_one() {
    let (cache, hand) = cache();
    cache.set(b"k", b"v", Some(NANO)).unwrap();
    cache.set(b"l", b"v", None).unwrap();
    assert!(cache.expire(b"l", NANO).unwrap());
    hand.advance(Duration::from_nanos(999_999));
    assert!(cache.exists(b"k").unwrap() && cache.exists(b"l").unwrap());
    hand.advance(NANO);
    assert!(!cache.exists(b"k").unwrap() && !cache.exists(b"l").unwrap());
}

#[test]
fn a_ttl_beyond_the_horizon_means_never() {
    let (cache, hand) = cache();
    cache.set(b"max", b"v", Some(Duration::MAX)).unwrap();
    cache.set(b"beyond", b"v", Some(TTL_HORIZON + NANO)).unwrap();
    cache.set(b"at", b"v", Some(TTL_HORIZON)).unwrap();
    cache.add(b"sum", 1, Some(Duration::MAX)).unwrap();
    assert!(cache.expire(b"sum", Duration::MAX).unwrap());
    assert_eq!(cache.ttl(b"max").unwrap(), TtlState::Never);
    assert_eq!(cache.ttl(b"beyond").unwrap(), TtlState::Never);
    assert_eq!(cache.ttl(b"at").unwrap(), TtlState::Remaining(TTL_HORIZON));
    assert_eq!(cache.ttl(b"sum").unwrap(), TtlState::Never);
    hand.advance(Duration::MAX);
    assert!(cache.exists(b"max").unwrap() && !cache.exists(b"at").unwrap());
    cache.set(b"late", b"v", Some(Duration::from_secs(1))).unwrap();
    assert!(cache.exists(b"late").unwrap());
}

#[test]
fn expire_and_persist_move_the_deadline_of_live_entries_only() {
    let (cache, hand) = cache();
    assert!(!cache.expire(b"k", TTL).unwrap());
    assert!(!cache.persist(b"k").unwrap());
    cache.set(b"k", b"v", None).unwrap();
    assert!(cache.persist(b"k").unwrap(), "live, if without a deadline");
    assert!(cache.expire(b"k", TTL).unwrap());
    hand.advance(TTL - NANO);
    assert!(cache.expire(b"k", TTL).unwrap());
    hand.advance(TTL - NANO);
    assert!(cache.persist(b"k").unwrap());
    hand.advance(TTL);
    assert_eq!(cache.get(b"k").unwrap().unwrap(), b"v");
}

#[test]
fn maintenance_removes_exactly_what_has_expired() {
    let (cache, hand) = cache();
    for n in 1..=100u64 {
        cache.set(&n.to_be_bytes(), b"v", Some(Duration::from_secs(n))).unwrap();
    }
    cache.set(b"never", b"v", None).unwrap();
    assert_eq!(cache.run_maintenance().unwrap().expired, 0);
    hand.advance(Duration::from_secs(40));
    assert_eq!(cache.len(), 101);
    assert_eq!(cache.run_maintenance().unwrap().expired, 40);
    assert_eq!(cache.len(), 61);
    assert_eq!(cache.stats().expirations, 40);
    assert_eq!(cache.run_maintenance().unwrap().expired, 0);
    hand.advance(Duration::from_secs(60));
    assert_eq!(cache.run_maintenance().unwrap().expired, 60);
    assert_eq!(cache.len(), 1);
}

#[test]
fn uptime_is_told_by_the_clock_of_the_cache() {
    let (clock, hand) = Clock::manual();
    hand.advance(TTL);
    let cache = MemoryCache::builder().clock(clock.clone()).build().unwrap();
    hand.advance(TTL);
    assert_eq!(cache.stats().uptime, TTL);
    assert_eq!(clock.elapsed(), TTL * 2);
}
