//! Cases about old values: a value loaded before a write, a removal or a clear never comes back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::fixture::{Case, Done, Fixture, LONG, SHORT, Verdict, case, race, stored, values_of};
use super::loader::{NoSource, Source, Tasks, begin, built, finish, join, texts, value};
use crate::provider::{Invalidation, SetOptions};
use crate::{Cache, Contract, LoadOptions, Loaded, Origin, Ttl, TtlState};

pub(super) const CASES: &[Case] = &[
    case("a value loaded while its key was written or removed is not stored", every_verb),
    case("that value reaches its waiting callers, and later callers wait for a newer load", later_callers),
    case("a write of another key, or a new deadline, does not affect a load", left_alone),
    case("of a batch load only the names written meanwhile are not stored", batches),
    case("refreshes and absences are guarded like first loads", refreshes_and_absences),
    case("an add during the load of a counter is not lost", counters),
    case("after racing removals and loads no value is older than the last removal", racing),
];

/// A change of the entry "k".
type Change = fn(&Cache<String>, &str) -> crate::Result<()>;

const CHANGES: &[(&str, Option<&str>, Change)] = &[
    ("set", Some("new"), |cache, name| cache.blocking().set(name, &"new".to_owned(), Ttl::Never)),
    ("set_multi", Some("new"), |cache, name| {
        cache.blocking().set_multi([("other", &"x".to_owned()), (name, &"new".to_owned())], Ttl::Never)
    }),
    ("delete", None, |cache, name| cache.blocking().delete(name).map(drop)),
    ("delete_multi", None, |cache, name| cache.blocking().delete_multi(["other", name]).map(drop)),
    ("clear", None, |cache, _| cache.blocking().clear()),
    ("expire", None, |cache, name| cache.blocking().expire(name, Duration::ZERO).map(drop)),
    ("set for no time", None, |cache, name| cache.blocking().set(name, &"x".to_owned(), Duration::ZERO)),
    ("set_if_absent", Some("new"), |cache, name| {
        cache.blocking().set_if_absent(name, &"new".to_owned(), Ttl::Never).map(drop)
    }),
    ("set_opts", Some("new"), |cache, name| {
        cache.blocking().set_opts(name, &"new".to_owned(), SetOptions::new(Ttl::Never)).map(drop)
    }),
    ("take", None, |cache, name| cache.blocking().take(name).map(drop)),
    ("revoke_loads", None, |cache, name| {
        let key = stored(cache.name(), name);
        cache.handle().revoke_loads(Invalidation::Key(&key));
        Ok(())
    }),
    ("revoke_loads of all", None, |cache, _| {
        cache.handle().revoke_loads(Invalidation::All);
        Ok(())
    }),
];

/// The changes that this provider supports.
fn changes(fixture: &Fixture<'_>) -> Vec<(&'static str, Option<&'static str>, Change)> {
    let able = fixture.provider().provider().capabilities();
    let can = |name: &str| match name {
        "set_if_absent" => able.conditions,
        "take" => able.take,
        _ => true,
    };
    CHANGES.iter().copied().filter(|(name, ..)| can(name)).collect()
}

fn every_verb(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    // Another handle of the same entries, made from a clone.
    let (cache, other) = (texts(fixture, &handle), texts(fixture, &handle.clone()));
    let (source, options) = (Source::default(), LoadOptions::default());
    for (name, left, change) in changes(fixture) {
        let caller = begin(&source, &cache, "k", &options);
        change(&other, "k").expect("the change");
        source.say(value("old"));
        let outcome = finish(caller);
        assert_eq!(outcome.value.as_deref(), Some("old"), "{name}: its caller gets it");
        assert_eq!(outcome.ttl, TtlState::Missing, "{name}: the outcome says that it was not stored");
        assert_eq!(cache.blocking().get("k").expect("get").as_deref(), left, "{name}");
        cache.blocking().delete("k").expect("delete");
    }
    let mut unstored = handle.blocking_stats().expect("stats").loads.unstored;
    assert_eq!(unstored, changes(fixture).len() as u64);
    for (name, left, change) in changes(fixture) {
        let outcome = cache.blocking().get_or_load_opts("b", &options, || {
            change(&other, "b").expect("the change");
            value("old")
        });
        assert_eq!(outcome.expect("the load succeeds").value.as_deref(), Some("old"), "{name}");
        assert_eq!(
            cache.blocking().get("b").expect("get").as_deref(),
            left,
            "{name}, from inside the loader"
        );
        cache.blocking().delete("b").expect("delete");
        unstored += 1;
    }
    assert_eq!(handle.blocking_stats().expect("stats").loads.unstored, unstored);
    Ok(())
}

fn later_callers(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider());
    let (source, options) = (Source::default(), LoadOptions::default());
    for (name, _, change) in changes(fixture) {
        let first = begin(&source, &cache, "k", &options);
        let waited = join(&source, &cache, "k", &options);
        change(&cache, "k").expect("the change");
        cache.blocking().delete("k").expect("delete");
        let later = join(&source, &cache, "k", &options);
        let begun = source.begun();
        source.say(value("old"));
        assert_eq!(finish(first).value.as_deref(), Some("old"), "{name}");
        assert_eq!(finish(waited).value.as_deref(), Some("old"), "{name}: an earlier caller gets it");
        source.say(value("new"));
        let later = finish(later);
        assert_eq!((later.value.as_deref(), later.origin), (Some("new"), Origin::Loaded), "{name}");
        assert_eq!(source.begun(), begun + 1, "{name}: one load more");
        cache.blocking().delete("k").expect("delete");
    }
    Ok(())
}

fn left_alone(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = texts(fixture, &handle);
    let neighbour = Contract::<String>::new(&format!("{}x", fixture.namespace), handle.clone());
    let neighbour = neighbour.expect("the contract opens").cache().blocking();
    let (source, options) = (Source::default(), LoadOptions::default());
    let caller = begin(&source, &cache, "k", &options);
    let (verbs, new) = (cache.blocking(), "new".to_owned());
    // One after the other, so that no change is under way when the load begins or ends.
    for name in ["kk", "K", "other"] {
        verbs.set(name, &new, Ttl::Never).expect("set");
        verbs.delete(name).expect("delete");
    }
    neighbour.set("k", &new, Ttl::Never).expect("set");
    neighbour.clear().expect("clear");
    verbs.expire("k", Duration::from_secs(1)).expect("expire");
    verbs.persist("k").expect("persist");
    verbs.get("k").expect("get");
    verbs.keys("*").expect("keys");
    source.say(value("a"));
    assert_ne!(finish(caller).ttl, TtlState::Missing);
    assert_eq!(verbs.get("k").expect("get").as_deref(), Some("a"));
    Ok(())
}

fn batches(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider()).blocking();
    let found = cache.get_or_load_multi(["a", "b", "c"], |names| {
        cache.delete("a").expect("delete");
        cache.set("b", &"set".to_owned(), Ttl::Never).expect("set");
        Ok::<_, NoSource>(names.into_iter().map(|name| (name.clone(), name)).collect::<Vec<_>>())
    });
    let found = found.expect("the load succeeds");
    assert_eq!((found["a"].as_str(), found["b"].as_str(), found["c"].as_str()), ("a", "b", "c"));
    let each = values_of(cache.get_each(["a", "b", "c"]), "get_each");
    assert_eq!(each, [None, Some("set".to_owned()), Some("c".to_owned())]);
    Ok(())
}

fn refreshes_and_absences(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider());
    let (verbs, tasks, source) = (cache.blocking(), Tasks::default(), Source::default());
    let options = LoadOptions::builder().ttl(LONG).absent_ttl(LONG).fresh_for(SHORT);
    let options = built(options.spawner(tasks.spawner()));
    // A clear removes the other entries too, so it comes last.
    let mut changes = changes(fixture);
    changes.sort_by_key(|(name, ..)| *name == "clear");
    let time = fixture.time();
    for (name, ..) in &changes {
        source.say(value("a"));
        finish(source.ask(&cache, name, &options));
    }
    time.go(SHORT);
    for (name, left, change) in changes {
        let stale = finish(source.ask(&cache, name, &options));
        assert_eq!((stale.value.as_deref(), stale.origin), (Some("a"), Origin::Stale), "{name}");
        change(&cache, name).expect("the change");
        source.say(value("refreshed"));
        tasks.run();
        let left = match name {
            // These changes keep the entry.
            "revoke_loads" | "revoke_loads of all" | "set_if_absent" => Some("a"),
            _ => left,
        };
        assert_eq!(verbs.get(name).expect("get").as_deref(), left, "{name}: the refresh is not stored");
    }
    let absent = begin(&source, &cache, "absent", &options);
    verbs.delete("absent").expect("delete");
    source.say(Ok(Loaded::absent()));
    assert_eq!(finish(absent).value, None);
    assert!(!verbs.exists("absent").expect("exists"), "an absence is not stored either");
    Ok(())
}

fn counters(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    if !handle.provider().capabilities().counters {
        return Err("counters are not declared");
    }
    let cache = Contract::counter(&fixture.namespace, handle).expect("the contract opens").cache().blocking();
    let loaded = cache.get_or_load("k", || {
        assert_eq!(cache.add("k", 1, Ttl::Never).expect("add"), 1);
        Ok::<_, NoSource>(10)
    });
    assert_eq!(loaded.expect("the load succeeds"), Some(10));
    assert_eq!(cache.get("k").expect("get"), Some(1), "the add is not lost");
    Ok(())
}

fn racing(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = texts(fixture, &handle).blocking();
    // The value of the source; a removal follows each change of it.
    let (truth, done) = (AtomicU64::new(0), AtomicBool::new(false));
    race(4, |thread| {
        if thread == 0 {
            let _done = Done(&done);
            for number in 1..=300_u64 {
                truth.store(number, Ordering::SeqCst);
                if number % 3 == 0 {
                    cache.clear().expect("clear");
                } else {
                    cache.delete("k").expect("delete");
                }
                if let Some(text) = cache.get("k").expect("get") {
                    assert!(
                        text.parse::<u64>().expect("a number") >= number,
                        "{text} came back after {number}"
                    );
                }
            }
            return;
        }
        while !done.load(Ordering::SeqCst) {
            let least = truth.load(Ordering::SeqCst);
            let loaded = cache.get_or_load("k", || {
                let number = truth.load(Ordering::SeqCst);
                // Gives a removal a chance between the read of the source and the store.
                std::thread::yield_now();
                Ok::<_, NoSource>(number.to_string())
            });
            let number: u64 = loaded.expect("the load succeeds").expect("a value").parse().expect("a number");
            // The removal after the last change may still be under way; the one before it has ended.
            assert!(number + 1 >= least, "{number} was answered after {least}");
        }
    });
    assert_eq!(
        cache.get_or_load("k", || Ok::<_, NoSource>("300".to_owned())).expect("the load succeeds").as_deref(),
        Some("300")
    );
    assert_eq!(handle.blocking_stats().expect("stats").loads.under_way, 0);
    Ok(())
}
