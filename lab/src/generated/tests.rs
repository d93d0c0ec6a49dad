use std::collections::HashMap;

use zbz_cache_cli::trace::{Op, Record, Step};

use super::*;

/// Requests that tell a cluster's shares.
const ENOUGH: u64 = 200_000;

/// The first requests of a trace, shown to `look`; how many there were.
fn first(most: u64, name: &str, mut look: impl FnMut(&Record)) -> u64 {
    let mut records = named(name).unwrap().records;
    let (mut record, mut count) = (Record::default(), 0);
    while count < most && records.read(&mut record).unwrap() == Step::Record {
        look(&record);
        count += 1;
    }
    count
}

/// Requests and distinct keys.
fn counts(name: &str) -> (u64, usize) {
    let mut keys = Vec::new();
    let requests = first(u64::MAX, name, |record| {
        keys.push(u64::from_le_bytes(*record.key.first_chunk().unwrap()));
    });
    keys.sort_unstable();
    keys.dedup();
    (requests, keys.len())
}

fn beginning(name: &str) -> Vec<Record> {
    let mut records = Vec::new();
    first(10_000, name, |record| records.push(record.clone()));
    records
}

#[test]
fn every_pattern_has_the_requests_and_keys_that_figures_are_published_for() {
    let expected = [
        ("@loop", 600_000, 11_000),
        ("@loopzipf", 1_000_000, 49_929),
        ("@scanhot", 1_000_000, 219_995),
        ("@phase", 1_000_000, 172_439),
        ("@drift", 1_000_000, 58_168),
        ("@mixphase", 900_000, 98_853),
        ("@onehit", 1_000_000, 450_271),
        ("@burst", 1_000_000, 86_565),
        ("@zipf08", 1_000_000, 169_623),
        ("@zipf10", 1_000_000, 120_671),
        ("@zipf12", 1_000_000, 58_046),
    ];
    assert_eq!(expected.len(), PATTERNS.len());
    for (name, requests, keys) in expected {
        assert_eq!(counts(name), (requests, keys), "{name}");
    }
}

#[test]
fn a_trace_that_is_read_again_is_the_same_and_no_other() {
    for name in [
        "@loopzipf",
        "@burst",
        "@onehit",
        "@zipf08",
        "@twitter-04",
        "@twitter-19",
        "@cachelib-kv",
        "@load:ttl=9",
    ] {
        assert!(beginning(name) == beginning(name), "{name}");
    }
    assert!(beginning("@zipf08") != beginning("@zipf10"));
    assert!(beginning("@twitter-04") != beginning("@twitter-29"));
}

#[test]
fn the_loop_comes_back_to_a_key_after_all_others() {
    let mut last = HashMap::new();
    first(50_000, "@loop", |record| {
        assert_eq!((record.value_bytes, record.ttl_ms, record.op), (None, None, Op::Get));
        if let Some(before_ms) = last.insert(record.key.clone(), record.time_ms) {
            assert_eq!(record.time_ms - before_ms, 11_000);
        }
    });
}

#[test]
fn a_cluster_keeps_to_its_sizes_ttls_and_share_of_writes() {
    for cluster in &CLUSTERS {
        let name = cluster.name;
        let (mut values, mut ttls, mut writes) = (HashMap::new(), HashMap::new(), 0.0);
        let mut last_ms = 0;
        first(ENOUGH, &format!("@{name}"), |record| {
            assert_eq!(record.key.len(), cluster.key_bytes, "{name}");
            assert!(record.time_ms >= last_ms, "{name}");
            last_ms = record.time_ms;
            writes += f64::from(u8::from(record.op == Op::Set));
            let (value_bytes, ttl_ms) = (record.value_bytes.unwrap(), record.ttl_ms.unwrap());
            // A key's size and TTL never change.
            assert_eq!(*values.entry(record.key_hash()).or_insert(value_bytes), value_bytes, "{name}");
            assert_eq!(*ttls.entry(record.key_hash()).or_insert(ttl_ms), ttl_ms, "{name}");
        });
        assert!((writes / ENOUGH as f64 * 100.0 - cluster.write_percent).abs() < 0.5, "{name}: {writes}");
        let mean = values.values().sum::<u64>() as f64 / values.len() as f64 / cluster.value_bytes as f64;
        assert!((0.95..1.05).contains(&mean), "{name}: {mean} of the mean");
        let parts: u64 = cluster.ttls.iter().map(|&(_, parts)| parts).sum();
        for &(ttl_s, part) in cluster.ttls {
            let found = ttls.values().filter(|&&ttl_ms| ttl_ms == ttl_s * 1000).count();
            let off = found as f64 / ttls.len() as f64 - part as f64 / parts as f64;
            assert!(off.abs() < 0.02, "{name}: {off} off for {ttl_s} s");
        }
        // A trace is long enough for its TTLs to run out.
        let shortest_ms = cluster.ttls.iter().map(|&(ttl_s, _)| ttl_s * 1000).min().unwrap();
        assert!(last_ms * REQUESTS / ENOUGH > 2 * shortest_ms, "{name}: ends after {last_ms} ms");
    }
}

#[test]
fn a_name_without_a_trace_is_told_with_all_that_there_are() {
    let message = named("@lopo").err().unwrap().to_string();
    assert!(message.starts_with("@lopo: no generated trace has this name (a file"), "{message}");
    let (names, settings): (Vec<&str>, Vec<&str>) =
        message.lines().skip(1).partition(|line| line.starts_with('@'));
    assert_eq!(names.len(), PATTERNS.len() + CLUSTERS.len() + CACHES.len() + 1);
    assert_eq!(settings.len(), load::SETTINGS.len());
    for line in names {
        let (name, what) = line.split_once(' ').unwrap();
        assert!(named(name).is_ok() && !what.trim().is_empty(), "{line}");
    }
    assert!(
        named("@load:kyes=1").err().unwrap().to_string().starts_with("@load:kyes=1: @load has no setting")
    );
    assert!(named("@loads").is_err());
    assert_eq!(name_of(Path::new("loop")), None);
    assert_eq!(name_of(Path::new("./@loop")), None);
}

#[test]
fn a_cache_of_groups_keeps_to_its_popularity_and_sizes() {
    for cache in &CACHES {
        let name = cache.name;
        let (mut first_group, mut once, mut values) = (0.0, 0.0, HashMap::new());
        first(ENOUGH, &format!("@{name}"), |record| {
            let key = u64::from_le_bytes(*record.key.first_chunk().unwrap());
            first_group += f64::from(u8::from(key < cache.popularity[0].0));
            once += f64::from(u8::from(key >= 1 << 40));
            let value_bytes = record.value_bytes.unwrap();
            assert_eq!(*values.entry(key).or_insert(value_bytes), value_bytes, "{name}");
            assert_eq!((record.op, record.ttl_ms), (Op::Get, None));
        });
        let (asked, parts) =
            (first_group / ENOUGH as f64, cache.popularity.iter().map(|(_, parts)| parts).sum::<u64>());
        let expected = (1.0 - cache.once) * cache.popularity[0].1 as f64 / parts as f64;
        assert!((asked - expected).abs() < 0.01, "{name}: {asked} of {expected}");
        assert!((once / ENOUGH as f64 - cache.once).abs() < 0.01, "{name}: {once}");
        let smallest = values.values().filter(|&&bytes| bytes == cache.values[0].0).count() as f64;
        let all: u64 = cache.values.iter().map(|(_, parts)| parts).sum();
        let off = smallest / values.len() as f64 - cache.values[0].1 as f64 / all as f64;
        assert!(off.abs() < 0.02, "{name}: {off}");
    }
}

#[test]
fn a_load_has_the_figures_it_is_told() {
    let (mut writes, mut keys) = (0, std::collections::HashSet::new());
    let requests =
        first(u64::MAX, "@load:keys=500:requests=20k:key=9:bytes=77:ttl=1.5:sets=25%:zipf=0", |record| {
            assert_eq!((record.key.len(), record.value_bytes, record.ttl_ms), (9, Some(77), Some(1_500)));
            writes += u64::from(record.op == Op::Set);
            keys.insert(record.key.clone());
        });
    assert_eq!((requests, keys.len()), (20_000, 500));
    assert!((4_700..5_300).contains(&writes), "{writes}");
}
