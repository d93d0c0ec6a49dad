//! Rows on the end of a provider.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::ground::{Ground, LONG, Row, Verdict, bytes, every_verb, kind_of, race, row, stored};
use crate::provider::{Provider, ReadBatch, SetOptions};
use crate::{Cursor, ErrorKind, Result, Ttl};

pub(super) const ROWS: &[Row] = &[
    row(
        "after close every verb of every clone answers Closed, and closing again is fine",
        every_verb_is_closed,
    ),
    row("closing while threads work ends their work with Closed and harms nothing", close_under_work),
    row("handles are dropped on any thread, and the last one ends it without waiting", dropped_anywhere),
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

fn every_verb_is_closed(ground: &Ground<'_>) -> Verdict {
    let handle = ground.provider();
    let (first, second) = (bytes(&ground.space, &handle), bytes(&format!("{}x", ground.space), &handle));
    let clone = first.clone();
    first.set("k", &b"v".to_vec(), Ttl::Never).expect("set");
    handle.blocking_close().expect("close");
    handle.clone().blocking_close().expect("closing twice");
    let key = stored(&ground.space, "k");
    let check = |who: &str| {
        for cache in [&first, &second, &clone] {
            for (verb, answer) in every_verb(cache, "k") {
                assert_eq!(kind_of(answer), ErrorKind::Closed, "{verb} {who}");
            }
            assert_eq!(kind_of(cache.keys("*")), ErrorKind::Closed, "keys {who}");
            assert_eq!(kind_of(cache.keys_page("*", None)), ErrorKind::Closed, "keys_page {who}");
            assert_eq!(kind_of(cache.clear()), ErrorKind::Closed, "clear {who}");
            assert_eq!(kind_of(cache.stats()), ErrorKind::Closed, "stats {who}");
        }
        assert_eq!(kind_of(handle.blocking_stats()), ErrorKind::Closed, "the handle's stats {who}");
        for (verb, answer) in native_verbs(&**handle.provider(), &key) {
            assert_eq!(kind_of(answer), ErrorKind::Closed, "the provider's {verb} {who}");
        }
    };
    check("here");
    thread::scope(|scope| scope.spawn(|| check("on another thread")).join()).expect("no panic there");
    handle.blocking_close().expect("closing thrice");
    Ok(())
}

fn close_under_work(ground: &Ground<'_>) -> Verdict {
    let handle = ground.provider();
    let cache = bytes(&ground.space, &handle);
    let (running, begun) = (AtomicUsize::new(0), Instant::now());
    race(4, |thread| {
        if thread == 0 {
            // Not for ever: the others may have failed.
            while running.load(Ordering::SeqCst) < 300 && begun.elapsed() < Duration::from_secs(10) {
                thread::sleep(Duration::from_micros(100));
            }
            handle.blocking_close().expect("close");
            assert_eq!(kind_of(cache.get("k")), ErrorKind::Closed, "at once, for the one who closed");
            return;
        }
        let value = vec![thread as u8; 100];
        for round in 0.. {
            running.fetch_add(1, Ordering::SeqCst);
            assert!(begun.elapsed() < Duration::from_secs(60), "it was closed, and the verbs go on");
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
        assert_eq!(kind_of(cache.get("k")), ErrorKind::Closed, "and so it stays");
    });
    Ok(())
}

fn dropped_anywhere(ground: &Ground<'_>) -> Verdict {
    let handle = ground.provider();
    let cache = bytes(&ground.space, &handle);
    cache.set("k", &b"v".to_vec(), LONG).expect("set");
    let (moved, other) = (handle.clone(), cache.clone());
    thread::spawn(move || drop((moved, other))).join().expect("dropped on another thread");
    drop(handle);
    assert_eq!(cache.get("k").expect("a cache keeps its provider"), Some(b"v".to_vec()));
    thread::spawn(move || drop(cache)).join().expect("the last one, dropped on another thread");
    // Without ever having been used.
    drop(ground.provider());
    drop(ground.cache());
    Ok(())
}
