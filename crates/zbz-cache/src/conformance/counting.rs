//! Cases about counters. A counter that a provider cannot know is `None` and is not checked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::fixture::{
    Bytes, Case, Done, Fixture, LONG, SHORT, Verdict, bytes, case, made_for, race, stored, values_of,
};
use crate::{Contract, ErrorKind, Stats, Ttl};

pub(super) const CASES: &[Case] = &[
    case("every lookup counts as a hit or a miss, and other verbs count neither", lookups),
    case("sets, deletes, cleared entries and zero TTLs are counted as defined", writes),
    case("sums of counters are counted apart from sets", sums),
    case("an entry past its deadline counts as expired, not as deleted or replaced", expired),
    case("the entries added are the entries present and those that left", identity),
    case("the counters also add up after threads did everything at once", identity_after_threads),
    case("counters never decrease while threads work", never_backwards),
];

/// Checks the sum in the documentation of [`Stats`], if all of its counters are known.
pub(super) fn assert_identity(stats: &Stats) {
    let Stats { sets, adds, replaced, keys, deletes, evictions, expirations, .. } = stats;
    let known = (replaced, keys, evictions, expirations);
    if let (Some(replaced), Some(keys), Some(evictions), Some(expirations)) = known {
        let (came, left) = (sets + adds - replaced, deletes + evictions + expirations);
        assert_eq!(
            came,
            keys + left,
            "{sets} sets + {adds} adds - {replaced} replaced = {keys} keys + {deletes} deletes + {evictions} evictions \
             + {expirations} expirations"
        );
    }
}

fn stats_of(cache: &Bytes) -> Stats {
    cache.stats().expect("stats")
}

fn lookups(fixture: &Fixture<'_>) -> Verdict {
    let (cache, value) = (fixture.cache(), b"v".to_vec());
    let before = stats_of(&cache);
    cache.set("a", &value, Ttl::Never).expect("set");
    cache.set_multi([("b", &value), ("c", &value)], LONG).expect("set_multi");
    for name in ["a", "b", "missing"] {
        cache.get(name).expect("get");
    }
    cache.get_multi(["a", "missing", "b", "c"]).expect("get_multi");
    values_of(cache.get_each(["missing", "a", "a", "missing"]), "get_each");
    cache.exists("a").expect("exists");
    cache.exists("missing").expect("exists");
    cache.ttl("a").expect("ttl");
    cache.expire("a", LONG).expect("expire");
    cache.persist("missing").expect("persist");
    cache.keys("*").expect("keys");
    cache.delete("c").expect("delete");
    let after = stats_of(&cache);
    assert_eq!((after.hits - before.hits, after.misses - before.misses), (2 + 3 + 2, 1 + 1 + 2));
    assert_eq!(after.undecodable, before.undecodable);
    assert!(after.uptime >= before.uptime);
    let cloned = cache.clone();
    cloned.get("a").expect("get");
    assert_eq!(stats_of(&cache).hits, after.hits + 1, "clones count together");
    Ok(())
}

fn writes(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (cache, value) = (bytes(&fixture.namespace, &handle), b"v".to_vec());
    let mut last = stats_of(&cache);
    let mut moved = |sets: u64, replaced: u64, deletes: u64, what: &str| {
        let now = handle.blocking_stats().expect("stats");
        assert_eq!(now.sets - last.sets, sets, "sets after {what}");
        assert_eq!(now.deletes - last.deletes, deletes, "deletes after {what}");
        if let (Some(after), Some(before)) = (now.replaced, last.replaced) {
            assert_eq!(after - before, replaced, "replaced after {what}");
        }
        assert_identity(&now);
        last = now;
    };
    cache.set("a", &value, Ttl::Never).expect("set");
    moved(1, 0, 0, "a set");
    cache.set("a", &made_for("a", 1, 99), LONG).expect("set");
    moved(1, 1, 0, "an overwrite");
    let entries = [("b", &value), ("c", &value), ("d", &value), ("b", &value)];
    cache.set_multi(entries, Ttl::Never).expect("set_multi");
    moved(4, 1, 0, "a batch with a duplicate");
    cache.set("zero", &value, Duration::ZERO).expect("set");
    moved(1, 0, 1, "a TTL of zero on a new key");
    cache.delete("a").expect("delete");
    moved(0, 0, 1, "a delete");
    cache.delete("a").expect("delete");
    moved(0, 0, 0, "a delete of nothing");
    cache.expire("b", Duration::ZERO).expect("expire");
    moved(0, 0, 1, "an expire of zero");
    cache.expire("c", LONG).expect("expire");
    cache.persist("c").expect("persist");
    moved(0, 0, 0, "expire and persist");
    assert_eq!(cache.delete_multi(["c", "missing"]).expect("delete_multi"), 1);
    moved(0, 0, 1, "a batch delete");
    cache.set_multi([("e", &value), ("f", &value)], Ttl::Never).expect("set_multi");
    moved(2, 0, 0, "a batch");
    cache.clear().expect("clear");
    moved(0, 0, 3, "a clear");
    Ok(())
}

fn sums(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    if !handle.provider().capabilities().counters {
        return Err("counters are not declared");
    }
    let counter =
        Contract::counter(&fixture.namespace, handle.clone()).expect("the contract opens").cache().blocking();
    let before = counter.stats().expect("stats");
    counter.add("k", 2, Ttl::Never).expect("add");
    counter.add("k", 3, Ttl::Never).expect("add");
    counter.add("k", -1, Ttl::Never).expect("add");
    counter.set("k", &7, Ttl::Never).expect("set");
    counter.add("gone", 1, Duration::ZERO).expect("add");
    let refused = counter.add("k", i64::MAX, Ttl::Never);
    assert_eq!(refused.expect_err("it overflows").kind(), ErrorKind::InvalidValue);
    let after = counter.stats().expect("stats");
    assert_eq!((after.sets - before.sets, after.adds - before.adds), (1, 4));
    if let (Some(after), Some(before)) = (after.replaced, before.replaced) {
        assert_eq!(after - before, 3, "two sums and the set replaced an older one");
    }
    assert_identity(&after);
    Ok(())
}

fn expired(fixture: &Fixture<'_>) -> Verdict {
    let (cache, value) = (fixture.cache(), b"v".to_vec());
    let names = ["deleted", "overwritten", "cleared", "zero", "expired"];
    let (time, before) = (fixture.time(), stats_of(&cache));
    cache.set_multi(names.map(|name| (name, &value)), SHORT).expect("set_multi");
    time.go(SHORT);
    assert!(!cache.delete("deleted").expect("delete"));
    assert!(!cache.expire("expired", Duration::ZERO).expect("expire"));
    cache.set("overwritten", &value, Ttl::Never).expect("set");
    cache.set("zero", &value, Duration::ZERO).expect("set");
    assert!(cache.delete("overwritten").expect("delete"));
    cache.clear().expect("clear");
    let after = stats_of(&cache);
    assert_eq!(after.sets - before.sets, names.len() as u64 + 2);
    assert_eq!(after.deletes - before.deletes, 2, "the zero TTL and the live entry");
    assert_eq!(after.replaced, before.replaced, "an expired entry is not replaced");
    if let (Some(after), Some(before)) = (after.expirations, before.expirations) {
        assert_eq!(after - before, names.len() as u64, "all entries expired and were found expired");
    }
    assert_identity(&after);
    Ok(())
}

fn identity(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = bytes(&fixture.namespace, &handle);
    let provider = &**handle.provider();
    let base = stats_of(&cache);
    assert_identity(&base);
    let time = fixture.time();
    for number in 0..300 {
        let name = format!("{}", number % 120);
        let ttl = [Ttl::Never, Ttl::After(SHORT), Ttl::After(LONG), Ttl::After(Duration::ZERO)][number % 4];
        cache.set(&name, &made_for(&name, number, number), ttl).expect("set");
        if number % 7 == 0 {
            cache.delete(&name).expect("delete");
        }
        if number % 11 == 0 {
            cache.expire(&format!("{}", (number * 3) % 120), SHORT).expect("expire");
        }
    }
    if provider.capabilities().take {
        provider.take(&stored(&fixture.namespace, "8"), Vec::new()).wait().expect("take");
    }
    if provider.capabilities().counters {
        for _ in 0..3 {
            provider.add(&stored(&fixture.namespace, "counter"), 5, Ttl::Never).wait().expect("add");
        }
    }
    assert_identity(&stats_of(&cache));
    time.go(SHORT);
    assert_identity(&stats_of(&cache));
    for number in 0..120 {
        cache.get(&format!("{number}")).expect("get");
    }
    for number in 0..60 {
        cache.set(&format!("{number}"), &b"over the dead and the living".to_vec(), LONG).expect("set");
    }
    let stats = stats_of(&cache);
    assert_identity(&stats);
    if let Some(keys) = stats.keys {
        let listed = cache.keys("*").expect("keys").len() as u64;
        assert!(keys >= listed, "{listed} keys are listed, and {keys} counted");
    }
    cache.clear().expect("clear");
    assert_identity(&stats_of(&cache));
    Ok(())
}

/// A mix of all verbs, on keys that all threads share.
fn everything(cache: &Bytes, thread: usize, steps: usize) -> u64 {
    let mut lookups = 0;
    for step in 0..steps {
        let name = format!("{}", (step * 31 + thread * 7) % 40);
        let value = made_for(&name, step, step % 300);
        match step % 10 {
            0..=2 => cache.set(&name, &value, Ttl::Never).expect("set"),
            3 => cache.set(&name, &value, LONG).expect("set"),
            4 => cache.set(&name, &value, Duration::ZERO).expect("set"),
            5 => drop(cache.delete(&name).expect("delete")),
            6 => drop(cache.expire(&name, LONG).expect("expire")),
            7 => {
                values_of(cache.get_each([&name, "missing"]), "get_each");
                lookups += 2;
            }
            _ => {
                cache.get(&name).expect("get");
                lookups += 1;
            }
        }
        if step % 100 == 99 {
            cache.clear().expect("clear");
        }
    }
    lookups
}

fn identity_after_threads(fixture: &Fixture<'_>) -> Verdict {
    let cache = fixture.cache();
    let before = stats_of(&cache);
    let lookups: u64 = race(4, |thread| everything(&cache, thread, 800)).into_iter().sum();
    let after = stats_of(&cache);
    assert_eq!(after.hits + after.misses - before.hits - before.misses, lookups);
    assert_eq!(after.known_absences, before.known_absences);
    assert_identity(&after);
    Ok(())
}

fn never_backwards(fixture: &Fixture<'_>) -> Verdict {
    let (cache, done) = (fixture.cache(), AtomicBool::new(false));
    thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut last = stats_of(&cache);
            while !done.load(Ordering::SeqCst) {
                let now = stats_of(&cache);
                for ((name, before), (_, after)) in counters(&last).into_iter().zip(counters(&now)) {
                    assert!(after >= before, "{name} went from {before} to {after}");
                }
                assert!(now.uptime >= last.uptime, "uptime");
                last = now;
            }
        });
        {
            let _done = Done(&done);
            race(3, |thread| everything(&cache, thread, 600));
        }
        sampler.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    Ok(())
}

/// The counters that only increase; 0 if one is not known.
fn counters(stats: &Stats) -> [(&'static str, u64); 11] {
    [
        ("hits", stats.hits),
        ("misses", stats.misses),
        ("known absences", stats.known_absences),
        ("adds", stats.adds),
        ("undecodable", stats.undecodable),
        ("sets", stats.sets),
        ("deletes", stats.deletes),
        ("rejections", stats.rejections),
        ("replaced", stats.replaced.unwrap_or(0)),
        ("evictions", stats.evictions.unwrap_or(0)),
        ("expirations", stats.expirations.unwrap_or(0)),
    ]
}
