//! Holds the policies against published implementations of the same algorithms on a real trace.

use std::io::Read;

use super::keyed::spread;
use super::{Capacity, Outcome, Request, by_name};

/// Hit ratios in percent that libCacheSim 0.3.5 finds on the web shop trace at 204 and 2,048 entries.
const KNOWN: [(&str, f64, f64); 4] =
    [("lru", 39.15, 55.66), ("s3-fifo", 43.75, 58.22), ("sieve", 42.32, 57.93), ("clock2q+", 43.32, 58.07)];

/// The trace's keys in order.
fn web_shop() -> Vec<u64> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/cache2k-web07.oracleGeneral.zst");
    let file = std::fs::File::open(path).expect("the trace is part of the project");
    let mut bytes = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(file)
        .expect("the trace is a zstd file")
        .read_to_end(&mut bytes)
        .expect("the trace is whole");
    let key = |record: &[u8]| record[4..12].iter().rev().fold(0, |key, &byte| key << 8 | u64::from(byte));
    bytes.chunks_exact(24).map(key).map(spread).collect()
}

fn hit_percent(name: &str, entries: u64, keys: &[u64]) -> f64 {
    let mut policy = by_name(name, Capacity::Entries(entries)).unwrap_or_else(|problem| panic!("{problem}"));
    let read =
        |&&key: &&u64| policy.request(&Request { key, bytes: 1, now_ms: 0, ttl_ms: None }) == Outcome::Hit;
    100.0 * keys.iter().filter(read).count() as f64 / keys.len() as f64
}

#[test]
fn policies_reproduce_published_hit_ratios() {
    let keys = web_shop();
    for (name, small, large) in KNOWN {
        for (entries, known) in [(204, small), (2_048, large)] {
            let found = hit_percent(name, entries, &keys);
            assert!((found - known).abs() < 0.3, "{name} at {entries}: {found:.2} is not {known}");
        }
    }
}

#[test]
fn tide_is_ahead_of_them_all_in_both_forms() {
    let keys = web_shop();
    for (name, small, large) in
        [("tide", 44.1, 58.3), ("tide-log", 43.8, 58.25), ("tide-log-16", 43.8, 58.25)]
    {
        for (entries, floor) in [(204, small), (2_048, large)] {
            let found = hit_percent(name, entries, &keys);
            assert!(found > floor, "{name} at {entries}: {found:.2} is not above {floor}");
        }
    }
}
