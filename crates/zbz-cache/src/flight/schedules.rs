//! Loads against deletes, clears, sets, cancelled callers and refreshes, on schedules that shuttle
//! chooses: `make schedules`. With the guard switched off the same schedules find the old value
//! that comes back.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Waker};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::sync::Mutex;
use shuttle::sync::atomic::AtomicU64;
use shuttle::thread;

use super::lock;
use crate::{Cache, Contract, Error, ErrorKind, LoadOptions, Origin, ProviderHandle, Result, Spawner, Ttl};

mod model;

use model::Model;

/// How many schedules each test tries.
const SCHEDULES: usize = 20_000;

/// The cache that a schedule runs on.
#[derive(Clone, Copy)]
struct Stage {
    guarded: bool,
    judges_tokens: bool,
}

const GUARDED: Stage = Stage { guarded: true, judges_tokens: true };
const LOCKED: Stage = Stage { judges_tokens: false, ..GUARDED };
const UNGUARDED: Stage = Stage { guarded: false, ..GUARDED };

impl Stage {
    fn cache(self) -> Cache<u64> {
        let model = Model { entries: Mutex::default(), judges_tokens: self.judges_tokens };
        let handle = ProviderHandle::new(model);
        handle.flights().unguarded.store(!self.guarded, SeqCst);
        Contract::<u64>::new("n", handle).expect("a contract opens").cache()
    }
}

/// Runs a play on many schedules: half of them random, half of them with few, well-placed switches.
fn try_all(stage: Stage, play: fn(Stage)) {
    shuttle::check_random(move || play(stage), SCHEDULES);
    shuttle::check_pct(move || play(stage), SCHEDULES, 3);
}

/// The play passes with the guard (by the provider, or by the flights' lock), and fails without it.
fn check_guarded(play: fn(Stage)) {
    try_all(GUARDED, play);
    try_all(LOCKED, play);
    let unguarded = catch_unwind(AssertUnwindSafe(|| try_all(UNGUARDED, play)));
    assert!(unguarded.is_err(), "no schedule failed without the guard, so these schedules prove nothing");
}

/// The value that the data source holds.
struct Truth(AtomicU64);

impl Truth {
    fn read(&self) -> Result<u64> {
        let number = self.0.load(SeqCst);
        thread::yield_now();
        Ok(number)
    }
}

fn truth() -> Arc<Truth> {
    Arc::new(Truth(AtomicU64::new(1)))
}

fn is_quiet(cache: &Cache<u64>) -> bool {
    cache.handle().flights().under_way() == 0
}

fn assert_no_old_value(cache: &Cache<u64>, truth: &Truth) {
    let newest = truth.0.load(SeqCst);
    let left = cache.blocking().get("k").expect("get");
    assert!(left.is_none_or(|number| number == newest), "an old value came back");
    let loaded = cache.blocking().get_or_load("k", || truth.read()).expect("it loads");
    assert_eq!(loaded, Some(newest), "an old value was answered");
    assert!(is_quiet(cache), "a flight was left behind");
}

/// Changes the truth, and then the cache by `change`, while others load.
fn against(stage: Stage, change: fn(&Cache<u64>)) {
    let (cache, truth) = (stage.cache(), truth());
    let load = |asynchronous: bool| {
        let (cache, truth) = (cache.clone(), Arc::clone(&truth));
        thread::spawn(move || {
            let loaded = if asynchronous {
                block_on(cache.get_or_load("k", move || async move {
                    let number = truth.read();
                    shuttle::future::yield_now().await;
                    number
                }))
            } else {
                cache.blocking().get_or_load("k", || truth.read())
            };
            assert!(matches!(loaded.expect("it loads"), Some(1 | 2)));
        })
    };
    let loads = [load(false), load(true)];
    truth.0.store(2, SeqCst);
    change(&cache);
    assert_no_old_value_answered(&cache, &truth);
    for thread in loads {
        thread.join().expect("no panic");
    }
    assert_no_old_value(&cache, &truth);
}

/// A caller that asks after the removal never gets a value that was loaded before it.
fn assert_no_old_value_answered(cache: &Cache<u64>, truth: &Truth) {
    let loaded = cache.blocking().get_or_load("k", || truth.read()).expect("it loads");
    assert_eq!(loaded, Some(2), "an old value was answered after the change");
}

#[test]
fn a_delete_during_a_load_is_not_undone() {
    check_guarded(|stage| {
        against(stage, |cache| {
            cache.blocking().delete("k").expect("delete");
        });
    });
}

#[test]
fn a_clear_during_a_load_is_not_undone() {
    check_guarded(|stage| against(stage, |cache| cache.blocking().clear().expect("clear")));
}

#[test]
fn a_set_during_a_load_is_not_overwritten() {
    check_guarded(|stage| {
        against(stage, |cache| cache.blocking().set("k", &2, Ttl::Never).expect("set"));
    });
}

#[test]
fn a_delete_during_a_refresh_is_not_undone() {
    check_guarded(|stage| {
        let (cache, truth) = (stage.cache(), truth());
        // Ten seconds are left of it, and it is stale from twenty before its end.
        let options = LoadOptions::builder().ttl(Duration::from_secs(21)).fresh_for(Duration::from_secs(1));
        let options = options.refresh_by_callers().build().expect("right options");
        let contract = Contract::<u64>::new("n", cache.handle().clone()).expect("a contract opens");
        let cache = contract.load_options(options).cache().expect("right options");
        cache.blocking().set("k", &1, Duration::from_secs(21)).expect("set");
        let refresh = {
            let (cache, truth) = (cache.clone(), Arc::clone(&truth));
            thread::spawn(move || {
                let value = cache.blocking().get_or_load("k", || truth.read()).expect("it loads");
                assert!(matches!(value, Some(1 | 2)));
            })
        };
        truth.0.store(2, SeqCst);
        cache.blocking().delete("k").expect("delete");
        refresh.join().expect("no panic");
        let left = cache.blocking().get("k").expect("get");
        assert!(left.is_none_or(|number| number == 2), "an old value came back");
        assert!(is_quiet(&cache), "a flight was left behind");
    });
}

#[test]
fn a_cancelled_caller_harms_nobody() {
    let play = |stage: Stage| {
        let cache = stage.cache();
        let (running, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let load = |polls: Option<usize>| {
            let (cache, running, most) = (cache.clone(), Arc::clone(&running), Arc::clone(&most));
            thread::spawn(move || {
                let loader = move || async move {
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    // The count also goes down when the loader is dropped.
                    let _running = Running(running);
                    shuttle::future::yield_now().await;
                    shuttle::future::yield_now().await;
                    Ok::<_, Error>(7)
                };
                let mut caller = pin!(cache.get_or_load("k", loader));
                match polls {
                    None => assert_eq!(block_on(caller).expect("it loads"), Some(7)),
                    Some(polls) => {
                        for _ in 0..polls {
                            if caller.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                                break;
                            }
                            thread::yield_now();
                        }
                    }
                }
            })
        };
        let callers = [load(Some(1)), load(None), load(Some(2)), load(None)];
        let blocking = cache.blocking().get_or_load("k", || Ok::<_, Error>(7));
        assert_eq!(blocking.expect("it loads"), Some(7));
        for caller in callers {
            caller.join().expect("no panic");
        }
        assert!(most.load(SeqCst) <= 1, "two loads at once");
        assert_eq!(cache.blocking().get("k").expect("get"), Some(7));
        assert!(is_quiet(&cache), "a flight was left behind");
    };
    try_all(GUARDED, play);
    try_all(LOCKED, play);
}

struct Running(Arc<AtomicU64>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[test]
fn whoever_asks_one_load_is_enough() {
    try_all(GUARDED, |stage| {
        let (cache, runs) = (stage.cache(), Arc::new(AtomicU64::new(0)));
        let ask = |asynchronous: bool| {
            let (cache, runs) = (cache.clone(), Arc::clone(&runs));
            thread::spawn(move || {
                let options = LoadOptions::default();
                let outcome = if asynchronous {
                    block_on(cache.get_or_load_opts("k", &options, || async move {
                        runs.fetch_add(1, SeqCst);
                        shuttle::future::yield_now().await;
                        Ok::<_, Error>(7)
                    }))
                } else {
                    let loader = || {
                        runs.fetch_add(1, SeqCst);
                        thread::yield_now();
                        Ok::<_, Error>(7)
                    };
                    cache.blocking().get_or_load_opts("k", &options, loader)
                };
                let outcome = outcome.expect("it loads");
                assert_eq!(outcome.value, Some(7));
                outcome.origin
            })
        };
        let asked = [ask(true), ask(false), ask(true)];
        let origins = asked.map(|thread| thread.join().expect("no panic"));
        assert_eq!(origins.iter().filter(|&&origin| origin == Origin::Loaded).count(), 1);
        assert_eq!(runs.load(SeqCst), 1, "loaded twice");
        assert!(is_quiet(&cache), "a flight was left behind");
    });
}

#[test]
fn batches_that_cross_wait_for_each_other_and_end() {
    try_all(GUARDED, |stage| {
        let cache = stage.cache();
        let ask = |names: [&'static str; 2]| {
            let cache = cache.clone();
            thread::spawn(move || {
                let loader = |names: Vec<String>| async move {
                    shuttle::future::yield_now().await;
                    Ok::<_, Error>(names.into_iter().map(|name| (name, 7)).collect::<Vec<_>>())
                };
                let found = block_on(cache.get_or_load_multi(names, loader)).expect("it loads");
                assert_eq!(found.len(), 2);
            })
        };
        let asked = [ask(["a", "b"]), ask(["b", "a"]), ask(["b", "c"])];
        for thread in asked {
            thread.join().expect("no panic");
        }
        assert!(is_quiet(&cache), "a flight was left behind");
    });
}

/// A loader that yields once.
async fn seven() -> Result<u64> {
    shuttle::future::yield_now().await;
    Ok(7)
}

#[test]
fn threads_that_poll_loads_and_would_sleep_on_loads_are_refused_and_end() {
    try_all(GUARDED, |stage| {
        let cache = stage.cache();
        let play = |own: &'static str, other: &'static str| {
            let cache = cache.clone();
            thread::spawn(move || {
                let mut caller = pin!(cache.get_or_load(own, seven));
                let polled = caller.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                let slept = cache.blocking().get_or_load(other, || Ok::<_, Error>(7));
                match slept {
                    Ok(value) => assert_eq!(value, Some(7)),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::LoadDeadlock),
                }
                if polled.is_pending() {
                    assert_eq!(block_on(caller).expect("it loads"), Some(7));
                }
                // Its load is over, so the thread may block again.
                assert_eq!(
                    cache.blocking().get_or_load("c", || Ok::<_, Error>(7)).expect("it loads"),
                    Some(7)
                );
            })
        };
        let played = [play("a", "b"), play("b", "a"), play("a", "a")];
        for thread in played {
            thread.join().expect("no panic");
        }
        assert!(is_quiet(&cache), "a flight was left behind");
    });
}

#[test]
fn a_refresh_that_an_executor_loses_holds_up_nobody() {
    try_all(GUARDED, |stage| {
        let tasks = Arc::new(Mutex::new(Vec::new()));
        let holds = Arc::clone(&tasks);
        let spawner = Spawner::new(move |task| lock(&holds).push(task));
        let options = LoadOptions::builder().ttl(Duration::from_secs(21)).fresh_for(Duration::from_secs(1));
        let options = options.spawner(spawner).build().expect("right options");
        let contract = Contract::<u64>::new("n", stage.cache().handle().clone()).expect("a contract opens");
        let cache = contract.load_options(options).cache().expect("right options");
        cache.blocking().set("k", &1, Duration::from_secs(21)).expect("set");
        let ask = |removes: bool| {
            let cache = cache.clone();
            thread::spawn(move || {
                if removes {
                    cache.blocking().delete("k").expect("delete");
                    let loaded = cache.blocking().get_or_load("k", || Ok::<_, Error>(7)).expect("it loads");
                    assert_eq!(loaded, Some(7));
                } else {
                    let loaded = block_on(cache.get_or_load("k", seven)).expect("it loads");
                    assert!(matches!(loaded, Some(1 | 7)));
                }
            })
        };
        let asked = [ask(false), ask(true), ask(false)];
        // An executor that begins one of its tasks, and drops all.
        thread::yield_now();
        if let Some(task) = lock(&tasks).first_mut() {
            let _ = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        let dropped = std::mem::take(&mut *lock(&tasks));
        drop(dropped);
        for thread in asked {
            thread.join().expect("no panic");
        }
        drop(std::mem::take(&mut *lock(&tasks)));
        assert!(is_quiet(&cache), "a flight was left behind");
    });
}
