//! What is set is what is read, by every verb that reads, writes or removes values.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::time::Duration;
use zbz_cache_memory::{
    Condition, Error, Lookups, MemoryCache, SetOptions, SetOutcome, SetTtl, TtlState, Version,
};

const MINUTE: Duration = Duration::from_secs(60);

fn cache() -> MemoryCache {
    MemoryCache::builder().max_size(1 << 20).build().unwrap()
}

fn version(cache: &MemoryCache, key: &[u8]) -> Version {
    cache.get_with(key, |_, found| found.version()).unwrap().unwrap()
}

#[test]
fn every_way_of_reading_brings_the_bytes_that_were_set() {
    let cache = cache();
    cache.set(b"k", b"value", Some(MINUTE)).unwrap();
    cache.set(b"empty", b"", None).unwrap();
    assert_eq!(cache.get(b"k").unwrap().unwrap(), b"value");
    assert_eq!(cache.get(b"empty").unwrap().unwrap(), b"");
    assert_eq!(cache.get(b"other").unwrap(), None);

    let mut value = b"old contents that are longer".to_vec();
    let capacity = value.capacity();
    let found = cache.get_into(b"k", &mut value).unwrap().unwrap();
    assert_eq!(value, b"value");
    assert_eq!(value.capacity(), capacity);
    let left = found.remaining().unwrap();
    assert!(left > Duration::ZERO && left <= MINUTE);
    assert!(cache.get_into(b"other", &mut value).unwrap().is_none());
    assert!(value.is_empty() && value.capacity() == capacity);

    let len = cache.get_with(b"k", |value, _| value.len()).unwrap();
    assert_eq!(len, Some(5));
    assert!(cache.get_into_uncounted(b"k", &mut value).unwrap().is_some());
    assert_eq!(value, b"value");
    assert!(cache.exists(b"k").unwrap() && !cache.exists(b"other").unwrap());
}

#[test]
fn keys_are_told_apart_by_all_their_bytes() {
    let cache = cache();
    let keys: [&[u8]; 6] = [b"a", b"a\0", b"\0a", b"\xff\xfe", b"a:*?[", b"\n"];
    for (index, key) in keys.iter().enumerate() {
        cache.set(key, &[index as u8], None).unwrap();
    }
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(cache.get(key).unwrap().unwrap(), [index as u8]);
    }
}

#[test]
fn a_deleted_key_is_a_miss() {
    let cache = cache();
    cache.set(b"k", b"v", None).unwrap();
    assert!(cache.delete(b"k").unwrap());
    assert!(!cache.delete(b"k").unwrap());
    assert_eq!(cache.get(b"k").unwrap(), None);
    cache.set_multi(&[("1", "a"), ("2", "b")], None).unwrap();
    assert_eq!(cache.delete_multi(&["1", "2", "9", "1"]).unwrap(), 2);
    assert_eq!(cache.delete_multi::<&str>(&[]).unwrap(), 0);
}

#[test]
fn take_reads_and_removes_in_one_step_and_counts_no_lookup() {
    let cache = cache();
    cache.set(b"k", b"v", None).unwrap();
    let version = version(&cache, b"k");
    let before = cache.stats();
    let mut value = b"junk".to_vec();
    let found = cache.take_into(b"k", &mut value).unwrap().unwrap();
    assert_eq!((&value[..], found.version(), found.remaining()), (&b"v"[..], version, None));
    assert!(cache.take_into(b"k", &mut value).unwrap().is_none());
    assert!(value.is_empty());
    let after = cache.stats();
    assert_eq!((after.hits, after.misses), (before.hits, before.misses));
    assert_eq!(after.deletes, before.deletes + 1);
}

#[test]
fn a_batch_read_visits_hits_in_input_order_and_counts_each_key() {
    let cache = cache();
    cache.set_multi(&[("a", "1"), ("b", "2")], None).unwrap();
    let mut seen = Vec::new();
    let keys = ["b", "x", "a", "b"];
    cache.get_multi(&keys, |index, value, _| seen.push((index, value.to_vec()))).unwrap();
    assert_eq!(seen, [(0, b"2".to_vec()), (2, b"1".to_vec()), (3, b"2".to_vec())]);
    assert_eq!((cache.stats().hits, cache.stats().misses), (3, 1));

    let mut uncounted = Vec::new();
    cache.get_multi_uncounted(&keys, |index, value, _| uncounted.push((index, value.to_vec()))).unwrap();
    assert_eq!(uncounted, seen);
    assert_eq!((cache.stats().hits, cache.stats().misses), (3, 1));
    cache.record_lookups(Lookups { hits: 5, misses: 7, absences: 3, undecodable: 2 });
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.absences, stats.undecodable), (8, 8, 3, 2));
}

#[test]
fn sums_are_counted_apart_from_sets() {
    let cache = cache();
    cache.add(b"k", 1, None).unwrap();
    cache.add(b"k", 2, None).unwrap();
    cache.add(b"gone", 1, Some(Duration::ZERO)).unwrap();
    cache.set(b"k", b"7", None).unwrap();
    cache.set(b"text", b"no number", None).unwrap();
    assert_eq!(cache.add(b"text", 1, None), Err(Error::NotANumber));
    let stats = cache.stats();
    assert_eq!((stats.sets, stats.adds, stats.replaced, stats.deletes), (2, 3, 2, 1));
}

#[test]
fn a_batch_read_with_a_bad_key_visits_and_counts_nothing() {
    let cache = cache();
    cache.set(b"a", b"1", None).unwrap();
    let visited = |_: usize, _: &[u8], _| panic!("visited");
    assert_eq!(cache.get_multi(&["a", ""], visited), Err(Error::KeyEmpty));
    assert_eq!(cache.delete_multi(&["a", ""]), Err(Error::KeyEmpty));
    assert!(cache.exists(b"a").unwrap());
    assert_eq!(cache.stats().hits, 0);
}

#[test]
fn a_batch_write_tries_every_entry_and_lists_the_failures_by_index() {
    let cache = cache();
    let large = vec![0; cache.max_value_bytes() + 1];
    let entries: [(&[u8], &[u8]); 5] =
        [(b"a", b"1"), (b"", b"2"), (b"b", &large), (b"a", b"4"), (b"c", b"5")];
    let error = cache.set_multi(&entries, None).unwrap_err();
    let too_large = Error::TooLarge { len: large.len(), max: cache.max_value_bytes() };
    assert_eq!(error.failed(), [(1, Error::KeyEmpty), (2, too_large)]);
    assert_eq!(error.error(), &Error::KeyEmpty);
    assert_eq!(cache.get(b"a").unwrap().unwrap(), b"4", "the last duplicate wins");
    assert_eq!(cache.get(b"c").unwrap().unwrap(), b"5");
    assert_eq!(cache.len(), 2);
}

#[test]
fn a_write_happens_only_under_its_condition() {
    let cache = cache();
    let set = |value: &[u8], condition| {
        let options = SetOptions::new(None).when(condition);
        cache.set_opts(b"k", value, &options).unwrap()
    };
    assert_eq!(set(b"0", Condition::Present), SetOutcome::ConditionFailed);
    assert_eq!(set(b"0", Condition::Version(Version::from_u128(0))), SetOutcome::ConditionFailed);
    assert_eq!(set(b"0", Condition::If(&|| false)), SetOutcome::ConditionFailed);
    assert!(cache.is_empty());
    assert_eq!(cache.stats().sets, 0);

    assert_eq!(set(b"1", Condition::Absent), SetOutcome::Stored);
    assert_eq!(set(b"2", Condition::Absent), SetOutcome::ConditionFailed);
    assert_eq!(set(b"3", Condition::Present), SetOutcome::Stored);
    let seen = version(&cache, b"k");
    assert_eq!(set(b"4", Condition::Version(seen)), SetOutcome::Stored);
    assert_eq!(set(b"5", Condition::Version(seen)), SetOutcome::ConditionFailed);
    assert_eq!(cache.get(b"k").unwrap().unwrap(), b"4");
    assert_eq!(set(b"6", Condition::If(&|| true)), SetOutcome::Stored);
    assert_eq!(set(b"7", Condition::Always), SetOutcome::Stored);
    assert_eq!(cache.get(b"k").unwrap().unwrap(), b"7");
}

#[test]
fn a_version_changes_with_every_write_and_matches_no_other_cache() {
    let (cache, other) = (cache(), cache());
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        cache.set(b"k", b"same", None).unwrap();
        assert!(seen.insert(version(&cache, b"k")));
        assert_eq!(version(&cache, b"k"), version(&cache, b"k"));
        other.set(b"k", b"same", None).unwrap();
        assert!(seen.insert(version(&other, b"k")));
    }
    cache.delete(b"k").unwrap();
    cache.set(b"k", b"same", None).unwrap();
    assert!(seen.insert(version(&cache, b"k")));
    let last = version(&cache, b"k");
    assert_eq!(Version::from_u128(last.as_u128()), last);
}

#[test]
fn a_failed_condition_is_told_before_a_value_too_large() {
    let cache = cache();
    cache.set(b"k", b"old", None).unwrap();
    let large = vec![0; cache.max_value_bytes() + 1];
    let only_new = SetOptions::new(None).when(Condition::Absent);
    assert_eq!(cache.set_opts(b"k", &large, &only_new), Ok(SetOutcome::ConditionFailed));
    assert_eq!(cache.get(b"k").unwrap().unwrap(), b"old");
    assert_eq!(cache.stats().rejections, 0);
}

#[test]
fn a_panicking_condition_harms_only_its_call() {
    let cache = cache();
    cache.set(b"k", b"old", None).unwrap();
    let result = std::panic::catch_unwind(|| {
        let options = SetOptions::new(None).when(Condition::If(&|| panic!("mine")));
        cache.set_opts(b"k", b"new", &options)
    });
    assert!(result.is_err());
    assert_eq!(cache.get(b"k").unwrap().unwrap(), b"old");
    cache.set(b"k", b"new", None).unwrap();
    assert_eq!(cache.get(b"k").unwrap().unwrap(), b"new");
}

#[test]
fn closures_may_call_the_cache() {
    let cache = cache();
    cache.set(b"k", b"1", None).unwrap();
    let seen = cache.get_with(b"k", |value, _| {
        cache.set(b"k", b"2", None).unwrap();
        cache.clear().unwrap();
        value.to_vec()
    });
    assert_eq!(seen.unwrap().unwrap(), b"1");
    cache.set(b"k", b"3", None).unwrap();
    cache.get_multi(&["k"], |_, _, _| assert!(cache.delete(b"k").unwrap())).unwrap();
    assert!(cache.is_empty());
}

#[test]
fn add_counts_from_zero_and_refuses_what_is_no_number() {
    let cache = cache();
    assert_eq!(cache.add(b"n", -3, None).unwrap(), -3);
    assert_eq!(cache.add(b"n", 10, None).unwrap(), 7);
    assert_eq!(cache.get(b"n").unwrap().unwrap(), b"7");
    cache.set(b"n", i64::MAX.to_string().as_bytes(), None).unwrap();
    let before = version(&cache, b"n");
    assert_eq!(cache.add(b"n", 1, None), Err(Error::Overflow));
    assert_eq!(version(&cache, b"n"), before);
    assert_eq!(cache.add(b"n", i64::MIN, None).unwrap(), -1);
    for bad in ["", "1.5", "007", " 1", "+1", "ten"] {
        cache.set(b"bad", bad.as_bytes(), None).unwrap();
        assert_eq!(cache.add(b"bad", 1, None), Err(Error::NotANumber), "{bad:?}");
        assert_eq!(cache.get(b"bad").unwrap().unwrap(), bad.as_bytes());
    }
}

#[test]
fn add_keeps_the_deadline_of_what_is_there() {
    let cache = cache();
    cache.add(b"n", 1, Some(MINUTE)).unwrap();
    cache.add(b"n", 1, None).unwrap();
    assert!(matches!(cache.ttl(b"n").unwrap(), TtlState::Remaining(left) if left <= MINUTE));
    cache.set(b"n", b"1", None).unwrap();
    cache.add(b"n", 1, Some(MINUTE)).unwrap();
    assert_eq!(cache.ttl(b"n").unwrap(), TtlState::Never);
    assert_eq!(cache.add(b"new", 5, Some(Duration::ZERO)).unwrap(), 5);
    assert!(!cache.exists(b"new").unwrap());
}

#[test]
fn keeping_the_deadline_falls_back_to_the_one_given_for_new_entries() {
    let cache = cache();
    let keep = SetOptions::new(Some(MINUTE)).keep_deadline();
    assert_eq!(keep.ttl, SetTtl::Keep { otherwise: Some(MINUTE) });
    let _ = cache.set_opts(b"k", b"1", &keep).unwrap();
    assert!(matches!(cache.ttl(b"k").unwrap(), TtlState::Remaining(_)));
    cache.persist(b"k").unwrap();
    let _ = cache.set_opts(b"k", b"2", &keep.keep_deadline()).unwrap();
    assert_eq!(cache.ttl(b"k").unwrap(), TtlState::Never);
    assert_eq!(cache.get(b"k").unwrap().unwrap(), b"2");
}
