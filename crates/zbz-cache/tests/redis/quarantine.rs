//! A value that the server takes and does not send (`client-output-buffer-limit`) harms its own
//! readers alone.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use zbz_cache::{BlockingCache, ErrorKind, Result, Ttl};
use zbz_cache::{new_provider, options};

use crate::isolation::{MIB, connection_id, text};
use crate::server::{Server, provider_with, texts};

/// A server that sends no more than a MiB at once, with a value of two.
fn short_spoken() -> Server {
    let server = Server::start();
    server.tell(&["CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0"]);
    server.tell(&["SET", "t:large", &text(2 * MIB)]);
    server.tell(&["MSET", "t:a", "A", "t:b", "B"]);
    server
}

fn patient() -> zbz_cache::Options {
    options! { "call_timeout" => "20s" }
}

fn assert_refused<T: std::fmt::Debug>(answer: Result<T>) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert!(error.to_string().contains("client-output-buffer-limit"), "{error}");
}

/// The values of `names`, of which "large" has to be refused.
fn others(cache: &BlockingCache<String>, names: &[&str]) -> Vec<String> {
    let answers = names.iter().zip(cache.get_each(names.iter().copied()));
    answers
        .filter_map(|(name, answer)| match *name {
            "large" => {
                assert_refused(answer);
                None
            }
            _ => answer.unwrap(),
        })
        .collect()
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_value_that_the_server_does_not_send_ends_the_shared_link_once() {
    let server = short_spoken();
    let provider = provider_with(&server.address(), patient());
    let cache = texts("t", &provider);
    assert_refused(cache.get("large"));
    let before = connection_id(&provider);
    let begun = Instant::now();
    for _ in 0..20 {
        assert_refused(cache.get("large"));
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "it is refused at once: {:?}", begun.elapsed());
    assert_eq!(connection_id(&provider), before, "what is known to end a connection is not sent on it");
    assert_eq!(cache.get("a").unwrap().as_deref(), Some("A"));
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn of_a_batch_only_the_value_that_the_server_does_not_send_fails() {
    let server = short_spoken();
    let far = server.address();
    let tier = options! { "far" => "redis", "far.address" => far.as_str(), "far.call_timeout" => "20s" };
    let (redis, tier) = (provider_with(&far, patient()), new_provider("tiered", tier).unwrap());
    for provider in [redis, tier] {
        let cache = texts("t", &provider);
        for names in [&["a", "large", "b", "gone"][..], &["large", "b", "a"], &["large"]] {
            let found = others(&cache, names);
            let stored = |name: &&str| matches!(*name, "a" | "b").then(|| name.to_uppercase());
            assert_eq!(found, names.iter().filter_map(stored).collect::<Vec<_>>());
        }
    }
    let provider = provider_with(&far, patient());
    let cache = texts("t", &provider);
    others(&cache, &["a", "large"]);
    let before = connection_id(&provider);
    others(&cache, &["a", "large"]);
    others(&cache, &["large"]);
    assert_eq!(connection_id(&provider), before);
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn those_beside_a_value_that_the_server_does_not_send_read_on() {
    let server = short_spoken();
    let provider = provider_with(&server.address(), patient());
    let (cache, is_over, unknown) = (texts("t", &provider), AtomicBool::new(false), AtomicUsize::new(0));
    cache.get("a").unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let (cache, is_over, unknown) = (&cache, &is_over, &unknown);
            scope.spawn(move || {
                while !is_over.load(SeqCst) {
                    assert_eq!(cache.get("a").unwrap().as_deref(), Some("A"));
                    if let Err(error) = cache.set(&format!("own {thread}"), &"v".to_owned(), Ttl::Never) {
                        assert!(error.to_string().contains("unknown"), "{error}");
                        unknown.fetch_add(1, SeqCst);
                    }
                }
            });
        }
        let large: Vec<_> = (0..8).map(|_| scope.spawn(|| assert_refused(cache.get("large")))).collect();
        large.into_iter().for_each(|thread| thread.join().unwrap());
        for _ in 0..50 {
            assert_refused(cache.get("large"));
            assert!(others(&cache, &["large", "gone"]).is_empty());
        }
        is_over.store(true, SeqCst);
    });
    // Each writer loses at most what was on the connection when the get ended it, and when the batch did.
    assert!(unknown.load(SeqCst) <= 8, "{unknown:?}");
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn values_that_are_too_much_only_together_are_all_read() {
    let server = short_spoken();
    let provider = provider_with(&server.address(), patient());
    let cache = texts("t", &provider);
    let names: Vec<String> = (0..32).map(|number| format!("{number}")).collect();
    for name in &names {
        cache.set(name, &text(MIB / 10), Ttl::Never).unwrap();
    }
    for value in cache.get_each(&names) {
        assert_eq!(value.unwrap().map(|value| value.len()), Some(MIB / 10));
    }
    thread::scope(|scope| {
        for name in &names {
            let cache = &cache;
            scope.spawn(move || {
                for _ in 0..5 {
                    assert_eq!(cache.get(name).unwrap().map(|value| value.len()), Some(MIB / 10));
                }
            });
        }
    });
}

#[test]
#[ignore = "starts redis-server: make test-redis"]
fn a_value_is_read_again_once_the_server_sends_it() {
    let server = short_spoken();
    let cache = texts("t", &provider_with(&server.address(), patient()));
    assert_refused(cache.get("large"));
    server.tell(&["CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0"]);
    let begun = Instant::now();
    let read = loop {
        match cache.get("large") {
            Ok(value) => break value,
            refused => assert_refused(refused),
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "it is remembered for ten seconds");
        thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(read.map(|value| value.len()), Some(2 * MIB));
}
