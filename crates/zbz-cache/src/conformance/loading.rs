//! Cases about `get_or_load`: all callers of a key share one load.

use std::error::Error as _;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use super::fixture::{Case, Fixture, LONG, Verdict, case, kind_of, race};
use super::loader::{NoSource, Source, begin, built, finish, join, texts, value};
use crate::{ErrorKind, LoadOptions, Origin, Result, Ttl, TtlState};

pub(super) const CASES: &[Case] = &[
    case("a missing value is loaded and stored, and a present one is not loaded", loaded_and_stored),
    case("of concurrent callers one loads, and all get its answer", one_loads),
    case("a load goes on when its first caller leaves, and ends when the last one does", callers_leave),
    case("an error reaches exactly the callers that waited for that load, with its type", errors),
    case("a panic of a loader is an error for its callers, and has no other effect", panics),
    case("a loader that asks for its own key is refused", cycles),
    case("a load past its timeout is given up, and its value is not stored", timeouts),
    case("a blocking caller left alone with an async load runs its own loader", left_alone),
    case("a blocking caller on a thread that polls a load is refused, and does not block", no_deadlock),
    case("loads, failures and shared answers are counted, and each lookup once", counted),
];

fn plain() -> LoadOptions {
    LoadOptions::default()
}

fn loaded_and_stored(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider());
    let options = built(LoadOptions::builder().ttl(LONG));
    let source = Source::default();
    source.say(value("a"));
    let first = finish(source.ask(&cache, "k", &options));
    assert_eq!((first.value.as_deref(), first.origin), (Some("a"), Origin::Loaded));
    assert_eq!(first.ttl, TtlState::Remaining(LONG));
    let second = finish(source.ask(&cache, "k", &options));
    assert_eq!((second.value.as_deref(), second.origin), (Some("a"), Origin::Hit));
    assert!(matches!(second.ttl, TtlState::Remaining(left) if left <= LONG && left > LONG / 2));
    assert_eq!(source.begun(), 1);
    let blocking = cache.blocking();
    assert_eq!(blocking.get("k").expect("get").as_deref(), Some("a"), "a get finds it");
    let loader = || -> Result<String, NoSource> { panic!("a hit is not loaded") };
    assert_eq!(blocking.get_or_load("k", loader).expect("a hit").as_deref(), Some("a"));
    blocking.set("set", &"b".to_owned(), Ttl::Never).expect("set");
    assert_eq!(blocking.get_or_load("set", loader).expect("a hit").as_deref(), Some("b"));
    let mut runs = 0;
    for _ in 0..2 {
        let loaded = blocking.get_or_load("other", || {
            runs += 1;
            Ok::<_, NoSource>("c".to_owned())
        });
        assert_eq!(loaded.expect("the load succeeds").as_deref(), Some("c"));
    }
    assert_eq!(runs, 1);
    assert_eq!(kind_of(blocking.get_or_load("", loader)), ErrorKind::InvalidKey);
    Ok(())
}

fn one_loads(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let (one, other) = (texts(fixture, &handle), texts(fixture, &handle));
    let (runs, at_once) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for round in 0..30 {
        let name = format!("k{round}");
        let load = || {
            runs.fetch_add(1, Ordering::SeqCst);
            assert_eq!(at_once.fetch_add(1, Ordering::SeqCst), 0, "two loads of one key at once");
            thread::sleep(Duration::from_millis(1));
            at_once.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, NoSource>(format!("value {round}"))
        };
        let answers = race(6, |index| {
            let cache = if index % 2 == 0 { &one } else { &other };
            match index {
                0..=2 => cache.blocking().get_or_load(&name, load),
                _ => {
                    let loaded = load_now(&runs, &at_once, round);
                    pollster::block_on(cache.get_or_load(&name, loaded))
                }
            }
        });
        for answer in answers {
            assert_eq!(answer.expect("the load succeeds"), Some(format!("value {round}")));
        }
        assert_eq!(runs.load(Ordering::SeqCst), round + 1, "one load a round");
    }
    assert_eq!(handle.blocking_stats().expect("stats").loads.under_way, 0);
    Ok(())
}

/// The loader as a future that is ready when it is first polled.
fn load_now<'a>(
    runs: &'a AtomicUsize,
    at_once: &'a AtomicUsize,
    round: usize,
) -> impl FnOnce() -> std::future::Ready<Result<String, NoSource>> + 'a {
    move || {
        runs.fetch_add(1, Ordering::SeqCst);
        assert_eq!(at_once.fetch_add(1, Ordering::SeqCst), 0, "two loads of one key at once");
        thread::sleep(Duration::from_millis(1));
        at_once.fetch_sub(1, Ordering::SeqCst);
        std::future::ready(Ok(format!("value {round}")))
    }
}

fn callers_leave(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = texts(fixture, &handle);
    let (source, options) = (Source::default(), plain());
    let first = begin(&source, &cache, "k", &options);
    let second = join(&source, &cache, "k", &options);
    let third = join(&source, &cache, "k", &options);
    drop(first);
    drop(third);
    source.say(value("a"));
    let outcome = finish(second);
    assert_eq!((outcome.value.as_deref(), outcome.origin), (Some("a"), Origin::Coalesced));
    assert_eq!(source.begun(), 1, "the load continued");

    let alone = begin(&source, &cache, "other", &options);
    drop(alone);
    assert_eq!(handle.blocking_stats().expect("stats").loads.under_way, 0, "it ended with its caller");
    assert_eq!(cache.blocking().get("other").expect("get"), None);
    source.say(value("b"));
    assert_eq!(finish(source.ask(&cache, "other", &options)).value.as_deref(), Some("b"));
    assert_eq!(source.begun(), 3, "the next caller began a new load");
    Ok(())
}

fn errors(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider());
    let (source, options) = (Source::default(), plain());
    let first = begin(&source, &cache, "k", &options);
    let second = join(&source, &cache, "k", &options);
    source.say(Err(NoSource(7)));
    let failed = pollster::block_on(first).expect_err("the loader failed");
    assert_eq!((failed.kind(), failed.operation()), (ErrorKind::LoadFailed, Some("get_or_load")));
    let of = |error: &crate::Error| {
        let source = error.source().and_then(|source| source.downcast_ref::<NoSource>());
        assert_eq!(source, Some(&NoSource(7)), "the loader's error, with its type");
        source.map(std::ptr::from_ref)
    };
    let shared = pollster::block_on(second).expect_err("it waited for that load");
    assert_eq!(of(&shared), of(&failed), "the same error, not a copy");
    assert_eq!(failed.load_source::<NoSource>(), Some(&NoSource(7)));
    assert!(failed.to_string().contains("no source 7"), "its text is in the message: {failed}");
    source.say(value("a"));
    let next = finish(source.ask(&cache, "k", &options));
    assert_eq!(next.value.as_deref(), Some("a"), "later callers do not get it");
    let blocking = cache.blocking();
    let failing = || Err::<String, _>("text of the loader");
    let failed = blocking.get_or_load("b", failing).expect_err("the loader failed");
    assert_eq!(failed.source().map(ToString::to_string).as_deref(), Some("text of the loader"));
    assert!(failed.to_string().contains("text of the loader"), "the text is in the message: {failed}");
    let failing = |_: Vec<String>| Err::<Vec<(String, String)>, _>(NoSource(7));
    let failed = blocking.get_or_load_multi(["b", "c"], failing).expect_err("the loader failed");
    assert_eq!(failed.load_source::<NoSource>(), Some(&NoSource(7)), "the source of a batch error too");
    assert!(failed.source().is_some() && failed.to_string().contains("no source 7"), "{failed}");
    assert_eq!(blocking.get("b").expect("get"), None);
    Ok(())
}

/// A panic without a report, since it is expected.
fn nothing() -> Poll<Result<String, NoSource>> {
    resume_unwind(Box::new("a future that panics"))
}

fn panics(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = texts(fixture, &handle);
    let blocking = cache.blocking();
    let here = || -> Result<String, NoSource> { resume_unwind(Box::new("a loader that panics")) };
    let failed = blocking.get_or_load("k", here).expect_err("a panic is an error");
    assert_eq!(failed.kind(), ErrorKind::LoadPanicked);
    assert_eq!(failed.source().map(ToString::to_string).as_deref(), Some("a loader that panics"));
    let in_future = pollster::block_on(cache.get_or_load("k", || std::future::poll_fn(|_| nothing())));
    assert_eq!(kind_of(in_future), ErrorKind::LoadPanicked);
    let before_it = pollster::block_on(cache.get_or_load("k", || {
        let _ = nothing();
        std::future::ready(Ok::<_, NoSource>("never".to_owned()))
    }));
    assert_eq!(kind_of(before_it), ErrorKind::LoadPanicked);
    assert_eq!(handle.blocking_stats().expect("stats").loads.under_way, 0);
    let loaded = blocking.get_or_load("k", || Ok::<_, NoSource>("a".to_owned()));
    assert_eq!(loaded.expect("the next one loads").as_deref(), Some("a"));
    Ok(())
}

fn cycles(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider());
    let blocking = cache.blocking();
    let ask = |name: &str| blocking.get_or_load(name, || Ok::<_, NoSource>("inner".to_owned()));
    let mut inner = None;
    let outer = blocking.get_or_load("k", || {
        inner = Some(ask("k").map_err(|error| error.kind()));
        assert_eq!(ask("another").expect("another key is no cycle").as_deref(), Some("inner"));
        Ok::<_, NoSource>("outer".to_owned())
    });
    assert_eq!(inner, Some(Err(ErrorKind::LoadCycle)));
    assert_eq!(outer.expect("the outer load goes on").as_deref(), Some("outer"));

    let inside = cache.clone();
    let outer = pollster::block_on(cache.get_or_load("f", move || async move {
        let over = inside.clone();
        // Through another key.
        let middle = inside.get_or_load("g", move || async move {
            over.get_or_load("f", || std::future::ready(Ok::<_, NoSource>("inner".to_owned()))).await
        });
        middle.await
    }));
    let error = outer.expect_err("the inner load was refused, so the outer one failed");
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let kind = innermost.downcast_ref::<crate::Error>().map(crate::Error::kind);
    assert_eq!(kind, Some(ErrorKind::LoadCycle));
    Ok(())
}

fn timeouts(fixture: &Fixture<'_>) -> Verdict {
    const SPAN: Duration = Duration::from_millis(30);
    let handle = fixture.provider();
    let cache = texts(fixture, &handle);
    let options = built(LoadOptions::builder().timeout(SPAN));
    let begun = Instant::now();
    let never = || std::future::pending::<Result<String, NoSource>>();
    let answer = pollster::block_on(cache.get_or_load_opts("k", &options, never));
    assert_eq!(kind_of(answer), ErrorKind::LoadTimeout);
    assert!(begun.elapsed() >= SPAN, "not before its time");
    assert_eq!(handle.blocking_stats().expect("stats").loads.under_way, 0);

    // A blocking loader goes on, but its callers stop waiting.
    let blocking = cache.blocking();
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            blocking.get_or_load_opts("b", &options, || {
                while done.load(Ordering::SeqCst) < 2 {
                    thread::sleep(Duration::from_millis(1));
                }
                Ok::<_, NoSource>("late".to_owned())
            })
        });
        while handle.blocking_stats().expect("stats").loads.under_way == 0 {
            thread::yield_now();
        }
        let waits = || blocking.get_or_load_opts("b", &options, || Ok::<_, NoSource>("own".to_owned()));
        let waited = waits();
        // A caller that came after the timeout loads for itself.
        let fine = matches!(&waited, Err(error) if error.kind() == ErrorKind::LoadTimeout) || waited.is_ok();
        done.store(2, Ordering::SeqCst);
        assert!(fine, "{waited:?}");
        let late = slow.join().expect("no panic").expect("its own caller gets its value");
        assert_eq!((late.value.as_deref(), late.ttl), (Some("late"), TtlState::Missing));
        let stored = blocking.get("b").expect("get");
        assert_ne!(stored.as_deref(), Some("late"), "a late value is not stored");
    });
    Ok(())
}

fn left_alone(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = texts(fixture, &handle);
    let (source, options) = (Source::default(), plain());
    let asynchronous = begin(&source, &cache, "k", &options);
    let blocking = cache.blocking();
    let (handle, loaded) = (&handle, AtomicUsize::new(0));
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            blocking.get_or_load("k", || {
                loaded.fetch_add(1, Ordering::SeqCst);
                Ok::<_, NoSource>("own".to_owned())
            })
        });
        thread::sleep(Duration::from_millis(20));
        assert_eq!(loaded.load(Ordering::SeqCst), 0, "one load at a time");
        drop(asynchronous);
        let value = waits.join().expect("no panic").expect("the load succeeds");
        assert_eq!((value.as_deref(), loaded.load(Ordering::SeqCst)), (Some("own"), 1));
    });
    assert_eq!(handle.blocking_stats().expect("stats").loads.under_way, 0);
    Ok(())
}

fn no_deadlock(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider());
    let (source, options) = (Source::default(), plain());
    let polled_here = begin(&source, &cache, "k", &options);
    let blocking = cache.blocking();
    let own = || Ok::<_, NoSource>("own".to_owned());
    assert_eq!(kind_of(blocking.get_or_load("k", own)), ErrorKind::LoadDeadlock);
    assert_eq!(blocking.get_or_load("free", own).expect("the load succeeds").as_deref(), Some("own"));
    thread::scope(|scope| {
        let waits = scope.spawn(|| blocking.get_or_load("k", own));
        source.say(value("a"));
        assert_eq!(finish(polled_here).value.as_deref(), Some("a"));
        assert_eq!(waits.join().expect("no panic").expect("it waits").as_deref(), Some("a"));
    });
    Ok(())
}

fn counted(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = texts(fixture, &handle);
    let stats = || handle.blocking_stats().expect("stats");
    let (source, options, before) = (Source::default(), plain(), stats());
    let first = begin(&source, &cache, "k", &options);
    let second = join(&source, &cache, "k", &options);
    assert_eq!(stats().loads.under_way, 1);
    source.say(value("a"));
    assert_eq!(finish(first).origin, Origin::Loaded);
    assert_eq!(finish(second).origin, Origin::Coalesced);
    assert_eq!(finish(source.ask(&cache, "k", &options)).origin, Origin::Hit);
    assert!(cache.blocking().get_or_load("f", || Err::<String, _>(NoSource(1))).is_err());
    let after = stats();
    assert_eq!((after.loads.loaded, after.loads.failed, after.loads.under_way), (1, 1, 0));
    assert_eq!(after.hits + after.misses - before.hits - before.misses, 4, "each call is one lookup");
    assert_eq!((after.loads.coalesced, after.hits - before.hits), (1, 1));
    assert_eq!(after.sets - before.sets, 1, "stored once");
    Ok(())
}
