//! Cases about closing and dropping a provider.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::fixture::{Case, Fixture, LONG, Verdict, bytes, case, every_verb, kind_of, race, stored};
use crate::provider::{Provider, ReadBatch, SetOptions};
use crate::{Cursor, ErrorKind, Result, Ttl};

pub(super) const CASES: &[Case] = &[
    case(
        "after close every verb of every clone returns Closed, and closing again succeeds",
        every_verb_is_closed,
    ),
    case("closing while threads work ends their calls with Closed and corrupts nothing", close_under_work),
    case("handles may be dropped on any thread, and dropping the last one does not block", dropped_anywhere),
];

/// Every verb of the provider itself.
fn native_verbs(provider: &dyn Provider, key: &[u8]) -> Vec<(&'static str, Result<()>)> {
    let able = provider.capabilities();
    let entries: [(&[u8], &[u8]); 1] = [(key, b"v")];
    let mut verbs = vec![
        ("get", provider.get(key, Vec::new()).wait().map(drop)),
        ("set", provider.set(key, b"v", SetOptions::new(Ttl::Never)).wait().map(drop)),
        ("delete", provider.delete(key).wait().map(drop)),
        ("ttl", provider.ttl(key).wait().map(drop)),
        ("expire", provider.expire(key, Ttl::After(LONG)).wait().map(drop)),
        ("exists", provider.exists(key).wait().map(drop)),
        ("scan", provider.scan(key, None).wait().map(drop)),
        ("scan on", provider.scan(key, Some(&Cursor::from_bytes(vec![0; 8]))).wait().map(drop)),
        ("clear", provider.clear(key).wait()),
        ("stats", provider.stats().wait().map(drop)),
    ];
    if able.take {
        verbs.push(("take", provider.take(key, Vec::new()).wait().map(drop)));
    }
    if able.counters {
        verbs.push(("add", provider.add(key, 1, Ttl::Never).wait().map(drop)));
    }
    let whole = |failed: Vec<(usize, crate::Error)>| {
        failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    };
    let set = provider.set_multi(&entries, Ttl::Never).wait();
    verbs.push(("set_multi", set.and_then(whole)));
    let got = provider.get_multi(&[key], ReadBatch::default()).wait();
    verbs.push(("get_multi", got.and_then(|batch| whole(batch.failed().to_vec()))));
    let deleted = provider.delete_multi(&[key]).wait();
    verbs.push(("delete_multi", deleted.and_then(|deleted| whole(deleted.failed))));
    verbs
}

fn every_verb_is_closed(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (first, second) =
        (bytes(&fixture.namespace, &handle), bytes(&format!("{}x", fixture.namespace), &handle));
    let clone = first.clone();
    first.set("k", &b"v".to_vec(), Ttl::Never).expect("set");
    handle.blocking_close().expect("close");
    handle.clone().blocking_close().expect("closing twice");
    let key = stored(&fixture.namespace, "k");
    let check = |place: &str| {
        for cache in [&first, &second, &clone] {
            for (verb, answer) in every_verb(cache, "k") {
                assert_eq!(kind_of(answer), ErrorKind::Closed, "{verb} {place}");
            }
            assert_eq!(kind_of(cache.keys("*")), ErrorKind::Closed, "keys {place}");
            assert_eq!(kind_of(cache.keys_page("*", None)), ErrorKind::Closed, "keys_page {place}");
            assert_eq!(kind_of(cache.clear()), ErrorKind::Closed, "clear {place}");
            assert_eq!(kind_of(cache.stats()), ErrorKind::Closed, "stats {place}");
        }
        assert_eq!(kind_of(handle.blocking_stats()), ErrorKind::Closed, "the handle's stats {place}");
        for (verb, answer) in native_verbs(&**handle.provider(), &key) {
            assert_eq!(kind_of(answer), ErrorKind::Closed, "the provider's {verb} {place}");
        }
    };
    check("here");
    thread::scope(|scope| scope.spawn(|| check("on another thread")).join()).expect("no panic there");
    handle.blocking_close().expect("closing thrice");
    Ok(())
}

fn close_under_work(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = bytes(&fixture.namespace, &handle);
    let (running, begun) = (AtomicUsize::new(0), Instant::now());
    race(4, |thread| {
        if thread == 0 {
            // Bounded, since the other threads may have failed.
            while running.load(Ordering::SeqCst) < 300 && begun.elapsed() < Duration::from_secs(10) {
                thread::sleep(Duration::from_micros(100));
            }
            handle.blocking_close().expect("close");
            assert_eq!(kind_of(cache.get("k")), ErrorKind::Closed, "at once on the thread that closed");
            return;
        }
        let value = vec![thread as u8; 100];
        for round in 0.. {
            running.fetch_add(1, Ordering::SeqCst);
            assert!(begun.elapsed() < Duration::from_secs(60), "verbs still succeed after the close");
            let name = format!("{thread} {}", round % 10);
            let work = cache.set(&name, &value, Ttl::Never).and_then(|()| cache.get(&name));
            match work {
                Ok(found) => assert_eq!(found, Some(value.clone()), "{name} was just set"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                    break;
                }
            }
        }
        assert_eq!(kind_of(cache.get("k")), ErrorKind::Closed, "it stays closed");
    });
    Ok(())
}

fn dropped_anywhere(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = bytes(&fixture.namespace, &handle);
    cache.set("k", &b"v".to_vec(), LONG).expect("set");
    let (moved, other) = (handle.clone(), cache.clone());
    thread::spawn(move || drop((moved, other))).join().expect("dropped on another thread");
    drop(handle);
    assert_eq!(cache.get("k").expect("a cache keeps its provider"), Some(b"v".to_vec()));
    thread::spawn(move || drop(cache)).join().expect("the last one, dropped on another thread");
    // A provider that was never used.
    drop(fixture.provider());
    drop(fixture.cache());
    Ok(())
}
