//! Cases about the phases of an entry (fresh, stale, refused, dead), and removals in each of them.

use std::time::Duration;

use super::fixture::{Case, Fixture, LONG, SHORT, Time, Verdict, case, kind_of, values_of};
use super::loader::{Answer, NoSource, Source, Tasks, begin, built, finish, texts, value};
use crate::{BlockingCache, Contract, ErrorKind, LoadOptions, LoadOutcome, Origin, Ttl, TtlState};

pub(super) const CASES: &[Case] = &[
    case("an entry is fresh, then stale and refreshed in the background, then expired", background),
    case("without a background one caller refreshes, and the others get the stale value", by_callers),
    case("a failed refresh leaves the stale value, and is not tried again too soon", on_error),
    case("a removal ends an entry in each of its phases", removals),
    case("a stale value is never served past its TTL or after a removal", dead_is_dead),
    case("plain verbs go by the TTL alone, and entries that were set become stale too", plain_verbs),
    case("a batch refreshes stale names, and waits only for missing ones", batches),
    case("jitter shortens the TTL of loaded values only, and by no more than its limit", jitter),
    case("contradictory options are refused, with the names of both", refused),
];

const TTL: Duration = Duration::from_millis(450);

/// Loads, and returns the origin and the value.
fn ask(
    cache: &BlockingCache<String>,
    options: &LoadOptions,
    answer: Answer,
) -> crate::Result<LoadOutcome<String>> {
    cache.get_or_load_opts("k", options, || answer)
}

fn origin(cache: &BlockingCache<String>, options: &LoadOptions, text: &str) -> (Origin, String) {
    let outcome = ask(cache, options, value(text)).expect("the load succeeds");
    (outcome.origin, outcome.value.expect("a value"))
}

fn background(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = texts(fixture, &handle);
    let (source, tasks) = (Source::default(), Tasks::default());
    let options = LoadOptions::builder().ttl(TTL).fresh_for(SHORT);
    let options = built(options.spawner(tasks.spawner()));
    let time = fixture.time();
    source.say(value("first"));
    assert_eq!(finish(source.ask(&cache, "k", &options)).origin, Origin::Loaded);
    time.go_just_before(SHORT);
    let hit = finish(source.ask(&cache, "k", &options));
    time.before(SHORT, hit.origin == Origin::Hit, "it is fresh");

    time.go(SHORT);
    for _ in 0..3 {
        let stale = finish(source.ask(&cache, "k", &options));
        if stale.origin == Origin::Stale {
            assert_eq!(stale.value.as_deref(), Some("first"));
            assert!(matches!(stale.ttl, TtlState::Remaining(left) if left <= TTL - SHORT));
        } else {
            time.before(TTL, false, "it is stale, not dead");
            return Ok(());
        }
    }
    assert_eq!((tasks.len(), source.begun()), (1, 2), "one refresh");
    source.say(value("second"));
    tasks.run();
    let refreshed = finish(source.ask(&cache, "k", &options));
    if refreshed.origin == Origin::Hit {
        assert_eq!(refreshed.value.as_deref(), Some("second"));
    } else {
        assert!(!time.is_exact(), "a refreshed entry is fresh");
    }
    let loads = handle.blocking_stats().expect("stats").loads;
    assert!(loads.stale >= 3 && loads.refreshes >= 1 && loads.under_way == 0, "{loads:?}");

    time.go(SHORT * 2 + TTL);
    assert_eq!(cache.blocking().get("k").expect("get"), None, "dead");
    source.say(value("third"));
    assert_eq!(finish(source.ask(&cache, "k", &options)).value.as_deref(), Some("third"));
    Ok(())
}

fn by_callers(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider());
    let source = Source::default();
    let options = built(LoadOptions::builder().ttl(LONG).fresh_for(SHORT).refresh_by_callers());
    let time = fixture.time();
    source.say(value("first"));
    finish(source.ask(&cache, "k", &options));
    time.go(SHORT);
    let refreshes = begin(&source, &cache, "k", &options);
    let other = finish(source.ask(&cache, "k", &options));
    assert_eq!((other.value.as_deref(), other.origin), (Some("first"), Origin::Stale));
    assert_eq!(origin(&cache.blocking(), &options, "never"), (Origin::Stale, "first".into()));
    source.say(value("second"));
    assert_eq!(finish(refreshes).origin, Origin::Loaded);
    assert_eq!(cache.blocking().get("k").expect("get").as_deref(), Some("second"));

    time.go(SHORT * 4);
    // Without stale_on_error the caller that refreshes gets the error; the entry stays.
    let failed = ask(&cache.blocking(), &options, Err(NoSource(1)));
    assert_eq!(kind_of(failed), ErrorKind::LoadFailed);
    assert_eq!(cache.blocking().get("k").expect("get").as_deref(), Some("second"));
    Ok(())
}

fn on_error(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let cache = texts(fixture, &handle).blocking();
    let options = LoadOptions::builder().ttl(LONG).fresh_for(SHORT).refresh_by_callers();
    let options = built(options.stale_on_error(SHORT));
    let time = fixture.time();
    assert_eq!(origin(&cache, &options, "first"), (Origin::Loaded, "first".into()));
    time.go(SHORT);
    let mut tried = 0;
    let mut fail = || {
        let outcome = cache.get_or_load_opts("k", &options, || {
            tried += 1;
            Err::<String, _>(NoSource(1))
        });
        let outcome = outcome.expect("the stale value");
        assert_eq!((outcome.value.as_deref(), outcome.origin), (Some("first"), Origin::Stale));
        tried
    };
    assert_eq!(fail(), 1, "it is tried");
    let again = fail();
    if time.is_exact() {
        assert_eq!(again, 1, "it is not tried again at once");
        time.go(SHORT * 2 - Duration::from_nanos(1));
        assert_eq!(fail(), 1, "it is not tried again before the cool-down ends");
    }
    // In real time the cool-down began a little after `time` did.
    time.go(if time.is_exact() { SHORT * 2 } else { SHORT * 3 });
    let tried = fail();
    assert_eq!(tried, again + 1, "after the cool-down it is tried");
    assert_eq!(handle.blocking_stats().expect("stats").loads.failed, tried);

    // A write replaces the entry and so ends the cool-down.
    cache.delete("k").expect("delete");
    assert_eq!(origin(&cache, &options, "second"), (Origin::Loaded, "second".into()));
    time.go(SHORT * 5);
    assert_eq!(origin(&cache, &options, "third"), (Origin::Loaded, "third".into()));
    assert_eq!(handle.blocking_stats().expect("stats").loads.under_way, 0);
    Ok(())
}

/// The phase in which an entry is removed.
const SPANS: [(&str, Duration); 3] = [("fresh", Duration::ZERO), ("stale", SHORT), ("refused", SHORT)];

fn removals(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider()).blocking();
    let options = LoadOptions::builder().ttl(LONG).fresh_for(SHORT).refresh_by_callers();
    let options = built(options.stale_on_error(LONG / 2));
    let removals: [fn(&BlockingCache<String>); 4] = [
        |cache| assert!(cache.delete("k").expect("delete")),
        |cache| cache.clear().expect("clear"),
        |cache| assert!(cache.expire("k", Duration::ZERO).expect("expire")),
        |cache| assert_eq!(cache.delete_multi(["k"]).expect("delete_multi"), 1),
    ];
    for remove in removals {
        for (span, wait) in SPANS {
            let time = fixture.time();
            assert_eq!(origin(&cache, &options, "first"), (Origin::Loaded, "first".into()), "{span}");
            if !wait.is_zero() {
                time.go(wait);
            }
            if span == "refused" {
                let refused = ask(&cache, &options, Err(NoSource(1))).expect("the stale value");
                assert_eq!(refused.origin, Origin::Stale);
            }
            remove(&cache);
            assert_eq!(cache.get("k").expect("get"), None, "{span}");
            assert_eq!(kind_of(ask(&cache, &options, Err(NoSource(2)))), ErrorKind::LoadFailed, "{span}");
            assert_eq!(origin(&cache, &options, "new"), (Origin::Loaded, "new".into()), "{span}");
            assert!(cache.delete("k").expect("delete"));
        }
    }
    Ok(())
}

fn dead_is_dead(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider()).blocking();
    let options = LoadOptions::builder().ttl(TTL).fresh_for(SHORT).refresh_by_callers();
    let options = built(options.stale_on_error(Duration::from_nanos(1)));
    let time = fixture.time();
    origin(&cache, &options, "first");
    time.go(SHORT);
    // Removed while its refresh was about to fail.
    let failed = cache.get_or_load_opts("k", &options, || {
        cache.delete("k").expect("delete");
        Err::<String, _>(NoSource(1))
    });
    assert_eq!(kind_of(failed), ErrorKind::LoadFailed, "a removal wins");
    let start = time_of(&time);
    origin(&cache, &options, "second");
    time.go(start + SHORT);
    let failed = cache.get_or_load_opts("k", &options, || {
        time.go(start + TTL + SHORT);
        Err::<String, _>(NoSource(2))
    });
    assert_eq!(kind_of(failed), ErrorKind::LoadFailed, "the deadline wins too");
    assert_eq!(kind_of(ask(&cache, &options, Err(NoSource(3)))), ErrorKind::LoadFailed);
    Ok(())
}

/// The position of the clock.
fn time_of(time: &Time<'_>) -> Duration {
    if time.is_exact() { SHORT } else { SHORT * 2 }
}

fn plain_verbs(fixture: &Fixture<'_>) -> Verdict {
    let options = built(LoadOptions::builder().ttl(LONG).fresh_for(SHORT).refresh_by_callers());
    let contract =
        Contract::<String>::new(&fixture.namespace, fixture.provider()).expect("the contract opens");
    let contract = contract.default_ttl(LONG).load_options(options.clone());
    let cache = contract.cache().expect("valid options").blocking();
    let time = fixture.time();
    cache.set("k", &"set".to_owned(), Ttl::Default).expect("set");
    cache.set_multi([("m", &"set".to_owned())], LONG).expect("set_multi");
    cache.set("never", &"set".to_owned(), Ttl::Never).expect("set");
    cache.set("brief", &"set".to_owned(), SHORT / 2).expect("set");
    time.go(SHORT);
    assert_eq!(cache.get("k").expect("get").as_deref(), Some("set"), "a get ignores staleness");
    assert!(cache.exists("k").expect("exists"));
    assert!(matches!(cache.ttl("k").expect("ttl"), TtlState::Remaining(left) if left > LONG / 2));
    assert_eq!(values_of(cache.get_each(["k", "m"]), "get_each").into_iter().flatten().count(), 2);
    assert_eq!(cache.get("brief").expect("get"), None);
    for (name, due) in [("k", "loaded"), ("m", "loaded"), ("never", "set")] {
        let found = cache.get_or_load(name, || value("loaded")).expect("the load succeeds");
        assert_eq!(found.as_deref(), Some(due), "{name}");
    }
    Ok(())
}

fn batches(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider());
    let tasks = Tasks::default();
    let options = LoadOptions::builder().ttl(LONG).fresh_for(SHORT);
    let options = built(options.spawner(tasks.spawner()));
    let load = |names: &[&str], text: &'static str| {
        let loader = move |names: Vec<String>| {
            std::future::ready(Ok::<_, NoSource>(names.into_iter().map(move |name| (name, text.to_owned()))))
        };
        pollster::block_on(cache.get_or_load_multi_opts(names, &options, loader)).expect("the load succeeds")
    };
    let time = fixture.time();
    load(&["a", "b"], "first");
    time.go(SHORT);
    let stale = load(&["a", "b"], "second");
    assert_eq!((stale["a"].origin, stale["b"].origin), (Origin::Stale, Origin::Stale));
    assert_eq!((stale["a"].value.as_deref(), tasks.len()), (Some("first"), 1));
    let again = load(&["a"], "never");
    assert_eq!((again["a"].origin, tasks.len()), (Origin::Stale, 1), "it is being refreshed");
    tasks.run();
    assert_eq!(cache.blocking().get("a").expect("get").as_deref(), Some("second"));

    time.go(SHORT * 4);
    let mixed = load(&["a", "missing"], "third");
    assert_eq!(mixed["missing"].value.as_deref(), Some("third"));
    assert_eq!(mixed["a"].value.as_deref(), Some("third"), "a call that waits anyway gets the newer value");
    // A failed refresh is not an error of the call.
    let both =
        built(LoadOptions::builder().ttl(LONG).fresh_for(SHORT).refresh_by_callers().stale_on_error(LONG));
    let failing = |_: Vec<String>| Err::<Vec<(String, String)>, _>(NoSource(1));
    let found = cache.blocking().get_or_load_multi_opts(["b"], &both, failing).expect("the stale value");
    assert_eq!((found["b"].value.as_deref(), found["b"].origin), (Some("second"), Origin::Stale));
    Ok(())
}

fn jitter(fixture: &Fixture<'_>) -> Verdict {
    let cache = texts(fixture, &fixture.provider()).blocking();
    let options = LoadOptions::builder().ttl(LONG).fresh_for(LONG).refresh_by_callers();
    let options = built(options.jitter_percent(20.0));
    let mut seen = Vec::new();
    for number in 0..60 {
        let name = format!("k{number}");
        let outcome = cache.get_or_load_opts(&name, &options, || value("v")).expect("the load succeeds");
        let TtlState::Remaining(span) = outcome.ttl else { panic!("it has a deadline") };
        assert!(span <= LONG && span >= LONG.mul_f64(0.8), "{span:?}");
        assert!(matches!(cache.ttl(&name).expect("ttl"), TtlState::Remaining(left) if left <= span));
        seen.push(span);
    }
    let (least, most) = (seen.iter().min().expect("some"), seen.iter().max().expect("some"));
    assert!(*most - *least > LONG.mul_f64(0.1), "spread over the span: {least:?} to {most:?}");
    cache.set("set", &"v".to_owned(), LONG).expect("set");
    let never = built(LoadOptions::builder().ttl(Ttl::Never).jitter_percent(20.0));
    let outcome = cache.get_or_load_opts("never", &never, || value("v")).expect("the load succeeds");
    assert_eq!(outcome.ttl, TtlState::Never);
    Ok(())
}

fn refused(fixture: &Fixture<'_>) -> Verdict {
    let handle = fixture.provider();
    let contract =
        || Contract::<String>::new(&fixture.namespace, handle.clone()).expect("the contract opens");
    let beyond = || built(LoadOptions::builder().fresh_for(LONG * 2).refresh_by_callers());
    let error = contract().default_ttl(LONG).load_options(beyond()).build().expect_err("beyond the ttl");
    let turned = contract().load_options(beyond()).default_ttl(LONG).build();
    assert_eq!(turned.expect_err("in any order").to_string(), error.to_string());
    assert_eq!(error.kind(), ErrorKind::Config);
    for word in ["7200s", "3600s"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    let cache = contract().default_ttl(LONG).cache().expect("a contract with a ttl").blocking();
    let answer = cache.get_or_load_opts("k", &beyond(), || value("never"));
    assert_eq!(
        kind_of(answer),
        ErrorKind::Config,
        "options of one call are checked too, and nothing is loaded"
    );
    assert_eq!(cache.get("k").expect("get"), None);
    Ok(())
}
