//! The allocations of a call: only those that the value needs.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::time::Duration;

use allocation_counter::measure;
use serde::{Deserialize, Serialize};
use zbz_cache::{Bytes, Cache, Contract, LoadOptions, MemoryCache, Options, Ttl, options};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    x: u64,
    y: f64,
    seen: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    email: Option<String>,
}

fn cache<T: Serialize + serde::de::DeserializeOwned + 'static>(name: &str) -> Cache<T> {
    let provider = zbz_cache::new_provider("memory", options! { "cleanup_interval" => 0 }).unwrap();
    let cache = Contract::new(name, provider).unwrap().cache();
    // The first read of a thread registers it with the engine, once for all caches.
    assert!(!cache.blocking().exists("first").unwrap());
    cache
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    use std::task::{Context, Poll, Waker};
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a memory verb waited"),
    }
}

#[test]
fn a_get_of_a_plain_struct_allocates_nothing() {
    let points = cache::<Point>("points");
    let point = Point { x: 7, y: -0.5, seen: Some(true) };
    points.blocking().set("1", &point, Duration::from_secs(60)).unwrap();
    points.blocking().set("2", &point, Ttl::Never).unwrap();
    let blocking = points.blocking();
    for name in ["1", "2", "missing"] {
        let mut found = None;
        let asynchronous = measure(|| found = ready(points.get(name)).unwrap());
        assert_eq!(found.is_some(), name != "missing");
        assert_eq!(asynchronous.count_total, 0, "get {name:?}");
        let synchronous = measure(|| found = blocking.get(name).unwrap());
        assert_eq!(synchronous.count_total, 0, "blocking get {name:?}");
    }
}

#[test]
fn a_get_allocates_what_the_value_needs_and_no_more() {
    let users = cache::<User>("users");
    let user = User { id: 1, name: "Ann".into(), email: Some("ann@example.org".into()) };
    users.blocking().set("1", &user, Ttl::Never).unwrap();
    let counted = measure(|| drop(ready(users.get("1")).unwrap()));
    assert_eq!(counted.count_total, 2, "one allocation for each of its two strings");
}

#[test]
fn values_to_four_kibibytes_and_keys_to_256_bytes_cost_no_more() {
    values_cost_no_more(options! { "cleanup_interval" => 0 });
}

/// In a small cache such a value may be in pieces.
#[test]
fn nor_do_values_in_pieces_once_a_thread_has_read_one() {
    values_cost_no_more(options! { "cleanup_interval" => 0, "max_size" => "128KiB" });
}

fn values_cost_no_more(options: Options) {
    let provider = zbz_cache::new_provider("memory", options).unwrap();
    let blobs = Contract::<Bytes>::raw("blobs", provider).unwrap().cache().blocking();
    let name = "k".repeat(256 - "blobs:".len());
    for len in [0, 1, 255, 4095, 4096] {
        blobs.set(&name, &Bytes::from(vec![7; len]), Ttl::Never).unwrap();
        blobs.get(&name).unwrap();
        let counted = measure(|| assert_eq!(blobs.get(&name).unwrap().map(|bytes| bytes.len()), Some(len)));
        let own = measure(|| drop(Bytes::copy_from_slice(&vec![7; len][..])));
        assert!(counted.count_total <= own.count_total, "{len} bytes: {}", counted.count_total);
        assert!(counted.bytes_total <= len as u64, "{len} bytes: {}", counted.bytes_total);
    }
}

#[test]
fn a_set_allocates_only_in_the_engine() {
    let points = cache::<Point>("points");
    let point = Point { x: 7, y: -0.5, seen: None };
    points.blocking().set("1", &point, Ttl::Never).unwrap();
    let native: MemoryCache = points.native::<MemoryCache>().unwrap().clone();
    let bytes = native.get(b"points:1").unwrap().unwrap();
    let engine = measure(|| native.set(b"points:1", &bytes, None).unwrap());
    let typed = measure(|| ready(points.set("1", &point, Ttl::Never)).unwrap());
    // Debug builds decode what they encoded; this struct's field names are borrowed then.
    assert_eq!(typed.count_total, engine.count_total);
}

/// A loader that a hit never runs.
async fn never() -> zbz_cache::Result<Point> {
    panic!("a hit is not loaded")
}

#[test]
fn a_hit_through_get_or_load_allocates_nothing_more_than_a_get() {
    let plain = cache::<Point>("points");
    let contract = Contract::<Point>::new("others", plain.handle().clone()).unwrap();
    let options = LoadOptions::builder().ttl(Duration::from_secs(60)).fresh_for(Duration::from_secs(30));
    let options = options.refresh_by_callers().jitter_percent(10.0).build().unwrap();
    let fresh = contract.load_options(options).cache().unwrap();
    for points in [plain, fresh] {
        let point = Point { x: 7, y: -0.5, seen: Some(true) };
        let load = || async { Ok::<_, zbz_cache::Error>(Point { x: 7, y: -0.5, seen: Some(true) }) };
        points.blocking().set("set", &point, Duration::from_secs(60)).unwrap();
        ready(points.get_or_load("loaded", load)).unwrap();
        let blocking = points.blocking();
        for name in ["set", "loaded"] {
            let mut found = None;
            let asynchronous = measure(|| found = ready(points.get_or_load(name, never)).unwrap());
            assert_eq!((found.as_ref(), asynchronous.count_total), (Some(&point), 0), "{name}");
            let synchronous = measure(|| {
                found =
                    blocking.get_or_load(name, || -> zbz_cache::Result<Point> { panic!("a hit") }).unwrap();
            });
            assert_eq!((found.as_ref(), synchronous.count_total), (Some(&point), 0), "blocking, {name}");
        }
    }
    let users = cache::<User>("users");
    let user = User { id: 1, name: "Ann".into(), email: Some("ann@example.org".into()) };
    users.blocking().set("1", &user, Ttl::Never).unwrap();
    let load = || async { Err::<User, _>("a hit is not loaded") };
    let counted = measure(|| drop(ready(users.get_or_load("1", load)).unwrap()));
    assert_eq!(counted.count_total, 2, "one allocation for each of its two strings");
}
