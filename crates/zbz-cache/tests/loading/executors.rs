//! Executors that lose refreshes: gone, full, panicking, or forgetful.

use std::mem::forget;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use zbz_cache::{
    Cache, Contract, Error, LoadOptions, LoadOptionsBuilder, LoadOutcome, LoadStats, Origin, Result, Spawner,
};

use crate::warnings::{Warnings, warnings_of};
use crate::{Refused, handle, is_quiet, poll_once};

/// How many warnings there are while this runs.
fn warned(body: impl FnOnce()) -> usize {
    warnings_of(body).len()
}

#[cfg(feature = "tokio")]
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn stale_soon() -> LoadOptionsBuilder {
    LoadOptions::builder().ttl(Duration::from_secs(60)).fresh_for(Duration::from_millis(1))
}

/// A cache whose "k" and "l" are stale: they hold "old".
fn stale(options: LoadOptionsBuilder) -> Cache<String> {
    let contract = Contract::<String>::new("texts", handle()).unwrap();
    let texts = contract.load_options(options.build().unwrap()).cache().unwrap();
    set_stale(&texts);
    texts
}

fn set_stale(texts: &Cache<String>) {
    let old = "old".to_owned();
    texts.blocking().set_multi([("k", &old), ("l", &old)], Duration::from_secs(60)).unwrap();
    sleep(Duration::from_millis(5));
}

async fn ask(texts: &Cache<String>, text: &'static str) -> LoadOutcome<String> {
    let load = || async move { Ok::<_, Error>(text.to_owned()) };
    texts.get_or_load_opts("k", &LoadOptions::default(), load).await.unwrap()
}

fn is(outcome: LoadOutcome<String>, text: &str, origin: Origin) {
    assert_eq!((outcome.value.as_deref(), outcome.origin), (Some(text), origin));
}

fn loads(texts: &Cache<String>) -> LoadStats {
    texts.handle().blocking_stats().unwrap().loads
}

/// One refresh is lost, and reported; the next caller refreshes by itself.
fn is_lost_once(texts: &Cache<String>) {
    let warnings =
        warned(|| pollster::block_on(async { is(ask(texts, "lost").await, "old", Origin::Stale) }));
    assert_eq!((loads(texts).failed, loads(texts).refreshes, warnings), (1, 1, 1));
    assert!(is_quiet(texts.handle()), "it holds no key");
    pollster::block_on(async { is(ask(texts, "new").await, "new", Origin::Loaded) });
    assert_eq!((loads(texts).failed, loads(texts).refreshes, loads(texts).loaded), (1, 2, 1));
}

#[cfg(feature = "tokio")]
#[test]
fn a_cache_that_outlives_the_runtime_it_was_made_in_is_refreshed_by_its_callers() {
    let first = runtime();
    let texts = first.block_on(async { stale(stale_soon()) });
    drop(first);
    runtime().block_on(async {
        let warnings = Warnings::default();
        let lost = {
            let _guard = tracing::subscriber::set_default(warnings.clone());
            ask(&texts, "lost").await
        };
        is(lost, "old", Origin::Stale);
        assert_eq!((loads(&texts).failed, loads(&texts).refreshes, warnings.count()), (1, 1, 1));
        is(ask(&texts, "new").await, "new", Origin::Loaded);
        assert!(is_quiet(texts.handle()));
    });
}

#[cfg(feature = "tokio")]
#[test]
fn a_refresh_that_its_runtime_takes_along_has_failed() {
    let first = runtime();
    let texts = first.block_on(async { stale(stale_soon()) });
    first.block_on(async {
        let hang = std::future::pending::<Result<String>>;
        let served = texts.get_or_load_opts("k", &LoadOptions::default(), hang).await.unwrap();
        is(served, "old", Origin::Stale);
        tokio::task::yield_now().await;
    });
    assert_eq!((loads(&texts).failed, loads(&texts).under_way), (0, 1), "it has begun");
    assert_eq!(warned(|| drop(first)), 1);
    assert_eq!((loads(&texts).failed, loads(&texts).under_way), (1, 0));
    runtime().block_on(async { is(ask(&texts, "new").await, "new", Origin::Loaded) });
}

#[cfg(feature = "tokio")]
#[test]
fn a_refresh_that_ended_or_was_closed_is_not_lost_with_its_runtime() {
    let first = runtime();
    let texts = first.block_on(async { stale(stale_soon()) });
    first.block_on(async {
        is(ask(&texts, "new").await, "old", Origin::Stale);
        while !is_quiet(texts.handle()) {
            tokio::task::yield_now().await;
        }
        sleep(Duration::from_millis(5));
        is(ask(&texts, "never").await, "new", Origin::Stale);
        texts.handle().close().await.unwrap();
    });
    assert_eq!(warned(|| drop(first)), 0);
}

#[test]
fn an_executor_that_drops_its_tasks_loses_them() {
    is_lost_once(&stale(stale_soon().spawner(Spawner::new(drop))));
}

#[test]
fn an_executor_that_panics_harms_no_caller() {
    let panics = |_| std::panic::resume_unwind(Box::new("no runtime here"));
    is_lost_once(&stale(stale_soon().spawner(Spawner::new(panics))));
}

#[test]
fn a_batch_that_is_lost_is_a_failure_of_each_name() {
    let texts = stale(stale_soon().spawner(Spawner::new(drop)));
    let load = |text: &'static str| {
        let load = move |names: Vec<String>| async move {
            Ok::<_, Error>(names.into_iter().map(move |name| (name, text.to_owned())))
        };
        pollster::block_on(texts.get_or_load_multi(["k", "l"], load)).unwrap()
    };
    assert_eq!(warned(|| assert_eq!(load("lost")["l"], "old")), 1);
    assert_eq!((loads(&texts).failed, loads(&texts).refreshes), (2, 2));
    let found = load("new");
    assert_eq!((found["k"].as_str(), found["l"].as_str()), ("new", "new"));
}

#[test]
fn who_stands_in_for_an_executor_is_served_the_stale_value_if_its_loader_fails() {
    let texts = stale(stale_soon().spawner(Spawner::new(drop)));
    pollster::block_on(async {
        is(ask(&texts, "lost").await, "old", Origin::Stale);
        let fail = || async { Err::<String, _>(Refused(1)) };
        let served = texts.get_or_load_opts("k", &LoadOptions::default(), fail).await.unwrap();
        is(served, "old", Origin::Stale);
    });
    assert_eq!(loads(&texts).failed, 2);
}

#[test]
fn an_executor_that_lost_a_refresh_is_tried_again_after_a_second() {
    let tasks = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&tasks);
    let texts = stale(stale_soon().spawner(Spawner::new(move |task| {
        // The first is lost, the others are run.
        if counts.fetch_add(1, SeqCst) > 0 {
            pollster::block_on(task);
        }
    })));
    is_lost_once(&texts);
    set_stale(&texts);
    pollster::block_on(async { is(ask(&texts, "newer").await, "newer", Origin::Loaded) });
    assert_eq!(tasks.load(SeqCst), 1, "not yet");
    sleep(Duration::from_millis(1100));
    set_stale(&texts);
    pollster::block_on(async { is(ask(&texts, "newest").await, "old", Origin::Stale) });
    assert_eq!(tasks.load(SeqCst), 2);
    assert_eq!(texts.blocking().get("k").unwrap().as_deref(), Some("newest"));
}

#[test]
fn a_refresh_that_is_never_begun_keeps_nobody_from_loading_what_was_removed() {
    let texts = stale(stale_soon().spawner(Spawner::new(forget)));
    pollster::block_on(async { is(ask(&texts, "forgotten").await, "old", Origin::Stale) });
    texts.blocking().delete("k").unwrap();
    // It would wait for ever: no other thread polls that load.
    let own = texts.blocking().get_or_load("k", || Ok::<_, Error>("own".to_owned()));
    assert_eq!(own.unwrap().as_deref(), Some("own"));
    set_stale(&texts);
    pollster::block_on(async { is(ask(&texts, "forgotten").await, "old", Origin::Stale) });
    texts.blocking().delete("k").unwrap();
    pollster::block_on(async {
        is(ask(&texts, "own").await, "own", Origin::Loaded);
    });
    assert_eq!(loads(&texts).under_way, 0);
}

#[test]
fn a_refresh_that_is_never_begun_is_over_at_its_timeout() {
    let options = stale_soon().timeout(Duration::from_millis(20)).spawner(Spawner::new(forget));
    let texts = stale(options);
    pollster::block_on(async {
        is(ask(&texts, "forgotten").await, "old", Origin::Stale);
        is(ask(&texts, "too early").await, "old", Origin::Stale);
        assert_eq!((loads(&texts).refreshes, loads(&texts).failed), (1, 0));
        sleep(Duration::from_millis(30));
        is(ask(&texts, "again").await, "old", Origin::Stale);
    });
    assert_eq!((loads(&texts).refreshes, loads(&texts).failed), (2, 1));
}

#[test]
fn who_sleeps_on_a_refresh_that_others_drive_takes_it_over_when_they_leave() {
    let held = Arc::new(Mutex::new(None));
    let holds = Arc::clone(&held);
    let texts = stale(stale_soon().spawner(Spawner::new(move |task| *holds.lock().unwrap() = Some(task))));
    let hang = std::future::pending::<Result<String>>;
    pollster::block_on(async {
        let served = texts.get_or_load_opts("k", &LoadOptions::default(), hang).await.unwrap();
        is(served, "old", Origin::Stale);
        // As its ttl would: nothing is revoked.
        assert!(texts.handle().provider().delete(b"texts:k").await.unwrap());
        let mut joins = Box::pin(texts.get_or_load("k", hang));
        assert!(poll_once(joins.as_mut()).await.is_none());
        let inner = texts.clone();
        let own = || Ok::<_, Error>("own".to_owned());
        let sleeper = std::thread::spawn(move || inner.blocking().get_or_load("k", own));
        sleep(Duration::from_millis(20));
        assert_eq!(loads(&texts).loaded, 0, "one load at a time");
        drop(joins);
        assert_eq!(sleeper.join().unwrap().unwrap().as_deref(), Some("own"));
    });
    let warnings = warned(|| drop(held.lock().unwrap().take()));
    assert_eq!((loads(&texts).under_way, loads(&texts).failed, warnings), (0, 0, 0), "taken over, not lost");
}

#[test]
fn a_refresh_that_fails_leaves_the_stale_value_whichever_way_it_is_asked_for() {
    // It runs each refresh at once, so the async caller's has failed before it is answered.
    let texts = stale(stale_soon().spawner(Spawner::new(pollster::block_on)));
    let (blocking, options) = (texts.blocking(), LoadOptions::default());
    let refuse = |_: Vec<String>| Err::<Vec<(String, String)>, _>(Refused(0));
    is(
        pollster::block_on(texts.get_or_load_opts("k", &options, || async { Err::<String, _>(Refused(0)) }))
            .unwrap(),
        "old",
        Origin::Stale,
    );
    is(
        blocking.get_or_load_opts("k", &options, || Err::<String, _>(Refused(0))).unwrap(),
        "old",
        Origin::Stale,
    );
    let mut many = blocking.get_or_load_multi_opts(["k"], &options, refuse).unwrap();
    is(many.remove("k").unwrap(), "old", Origin::Stale);
    let each = blocking.get_or_load_each_opts(["k"], &options, refuse);
    is(each.into_iter().next().unwrap().unwrap(), "old", Origin::Stale);
    assert_eq!((loads(&texts).failed, loads(&texts).refreshes), (4, 4));
    blocking.delete("k").unwrap();
    let failed = blocking.get_or_load("k", || Err::<String, _>(Refused(0))).unwrap_err();
    assert_eq!(failed.kind(), zbz_cache::ErrorKind::LoadFailed, "there is no stale value left");
}
