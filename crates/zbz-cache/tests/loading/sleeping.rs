//! Blocking loads on threads that poll loads: which may block, and which are refused.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{spawn_blocking, yield_now};
use zbz_cache::{Cache, Error, ErrorKind, LoadOptions, Origin, Result, Ttl};

use crate::{cache, handle, is_quiet, poll_once};

type Caller = Pin<Box<dyn Future<Output = Result<Option<String>>> + Send>>;

/// A caller whose load ends when the gate opens, and which owns its cache.
fn ask(cache: &Cache<String>, name: &'static str, gate: &Arc<Notify>) -> Caller {
    let (cache, gate) = (cache.clone(), Arc::clone(gate));
    Box::pin(async move {
        let load = || async move {
            gate.notified().await;
            Ok::<_, Error>("loaded".to_owned())
        };
        cache.get_or_load(name, load).await
    })
}

/// Polls once by hand, as an executor of no runtime would.
fn poll(caller: &mut Caller) -> bool {
    caller.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// A blocking load of a name; its own loader says so.
fn sleep_on(cache: &Cache<String>, name: &str) -> Result<Option<String>> {
    cache.blocking().get_or_load(name, || Ok::<_, Error>("own".to_owned()))
}

#[track_caller]
fn is_refused(answer: Result<Option<String>>) {
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::LoadDeadlock, Some("get_or_load")));
    assert!(error.to_string().contains("spawn_blocking"), "it says what to do: {error}");
}

/// Runs a body that may not hang.
fn ends(body: impl FnOnce() + Send + 'static) {
    let (tell, told) = mpsc::channel();
    let body = thread::spawn(move || {
        body();
        let _ = tell.send(());
    });
    match told.recv_timeout(Duration::from_secs(20)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => body.join().unwrap(),
    }
}

fn on_workers(workers: usize, body: impl Future<Output = ()> + Send + 'static) {
    ends(move || {
        let mut runtime = match workers {
            0 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        runtime.worker_threads(workers.max(1)).build().unwrap().block_on(body);
    });
}

#[test]
fn on_a_current_thread_runtime_who_would_sleep_is_refused_and_spawn_blocking_waits() {
    on_workers(0, async {
        let (texts, gate) = (cache(&handle()), Arc::new(Notify::new()));
        let asynchronous = tokio::spawn(ask(&texts, "k", &gate));
        while is_quiet(texts.handle()) {
            yield_now().await;
        }
        is_refused(sleep_on(&texts, "k"));
        let options = LoadOptions::default();
        let with = texts.blocking().get_or_load_opts("k", &options, || Ok::<_, Error>("own".to_owned()));
        assert_eq!(with.unwrap_err().kind(), ErrorKind::LoadDeadlock);
        let waits = spawn_blocking({
            let texts = texts.clone();
            move || sleep_on(&texts, "k")
        });
        gate.notify_one();
        assert_eq!(waits.await.unwrap().unwrap().as_deref(), Some("loaded"), "one load, shared");
        assert_eq!(asynchronous.await.unwrap().unwrap().as_deref(), Some("loaded"));
        assert_eq!(texts.handle().stats().await.unwrap().loads.loaded, 1);
        texts.delete("k").await.unwrap();
        assert_eq!(sleep_on(&texts, "k").unwrap().as_deref(), Some("own"), "it is over, so it loads");
    });
}

#[test]
fn two_workers_that_cross_are_both_refused() {
    on_workers(2, async {
        let (texts, meet) = (cache(&handle()), Arc::new(Barrier::new(2)));
        let cross = |own: &'static str, other: &'static str| {
            let (texts, meet, gate) = (texts.clone(), Arc::clone(&meet), Arc::new(Notify::new()));
            tokio::spawn(async move {
                let mut caller = ask(&texts, own, &gate);
                assert!(poll_once(caller.as_mut()).await.is_none());
                // Each on its worker: this one is held until the other is here.
                meet.wait();
                is_refused(sleep_on(&texts, other));
                meet.wait();
                gate.notify_one();
                assert_eq!(caller.await.unwrap().as_deref(), Some("loaded"));
            })
        };
        let (one, other) = (cross("a", "b"), cross("b", "a"));
        one.await.unwrap();
        other.await.unwrap();
    });
}

#[test]
fn two_workers_with_callers_of_one_load_are_both_refused() {
    on_workers(2, async {
        let (texts, gate, meet) = (cache(&handle()), Arc::new(Notify::new()), Arc::new(Barrier::new(2)));
        let ask_and_sleep = || {
            let (texts, meet, gate) = (texts.clone(), Arc::clone(&meet), Arc::clone(&gate));
            tokio::spawn(async move {
                let mut caller = ask(&texts, "k", &gate);
                assert!(poll_once(caller.as_mut()).await.is_none());
                meet.wait();
                is_refused(sleep_on(&texts, "k"));
                meet.wait();
                gate.notify_one();
                assert_eq!(caller.await.unwrap().as_deref(), Some("loaded"));
            })
        };
        let (one, other) = (ask_and_sleep(), ask_and_sleep());
        one.await.unwrap();
        other.await.unwrap();
    });
}

#[test]
fn in_one_task_that_joins_both_the_blocking_one_is_refused() {
    on_workers(0, async {
        let (texts, gate) = (cache(&handle()), Arc::new(Notify::new()));
        let blocks = async {
            is_refused(sleep_on(&texts, "k"));
            gate.notify_one();
        };
        let (asynchronous, ()) = tokio::join!(ask(&texts, "k", &gate), blocks);
        assert_eq!(asynchronous.unwrap().as_deref(), Some("loaded"));
    });
}

#[test]
fn an_executor_of_ones_own_is_known_as_well_and_so_is_a_block_on_within_it() {
    ends(|| {
        let (texts, gate) = (cache(&handle()), Arc::new(Notify::new()));
        let mut caller = ask(&texts, "k", &gate);
        assert!(!poll(&mut caller));
        is_refused(sleep_on(&texts, "k"));
        pollster::block_on(async { is_refused(sleep_on(&texts, "k")) });
        drop(caller);
        assert_eq!(sleep_on(&texts, "k").unwrap().as_deref(), Some("own"), "no caller waits any more");
    });
}

#[test]
fn a_batch_is_refused_for_the_names_it_would_sleep_for_and_loads_the_others() {
    ends(|| {
        let (texts, gate) = (cache(&handle()), Arc::new(Notify::new()));
        let asks = {
            let (texts, gate) = (texts.clone(), Arc::clone(&gate));
            async move {
                let load = |names: Vec<String>| {
                    let gate = Arc::clone(&gate);
                    async move {
                        gate.notified().await;
                        Ok::<_, Error>(names.into_iter().map(|name| (name, "loaded".to_owned())))
                    }
                };
                texts.get_or_load_multi(["a", "b"], load).await.map(|found| found.get("a").cloned())
            }
        };
        let mut batch: Caller = Box::pin(asks);
        assert!(!poll(&mut batch));
        is_refused(sleep_on(&texts, "a"));
        let own = |names: Vec<String>| Ok::<_, Error>(names.into_iter().map(|name| (name, "own".to_owned())));
        let error = texts.blocking().get_or_load_multi(["a", "c"], own).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LoadDeadlock);
        let outcome = error.batch_outcome().unwrap();
        assert_eq!((outcome.done.as_slice(), outcome.failed.len()), (["c".to_owned()].as_slice(), 1));
        let each = texts.blocking().get_or_load_each(["b", "d"], own);
        assert_eq!(each[0].as_ref().unwrap_err().kind(), ErrorKind::LoadDeadlock);
        assert_eq!(each[1].as_ref().unwrap().as_deref(), Some("own"));
        // One that was removed meanwhile is past: it would have been waited out.
        texts.blocking().delete("a").unwrap();
        is_refused(sleep_on(&texts, "a"));
        let each = texts.blocking().get_or_load_each(["a"], own);
        assert_eq!(each[0].as_ref().unwrap_err().kind(), ErrorKind::LoadDeadlock);
        gate.notify_one();
        assert_eq!(pollster::block_on(batch).unwrap().as_deref(), Some("loaded"));
    });
}

#[test]
fn who_polls_one_load_does_not_sleep_on_another() {
    ends(|| {
        let texts = cache(&handle());
        let (begun, is_begun) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let other = thread::spawn({
            let texts = texts.clone();
            move || {
                texts.blocking().get_or_load("other", || {
                    begun.send(()).unwrap();
                    wait.recv().unwrap();
                    Ok::<_, Error>("other".to_owned())
                })
            }
        });
        is_begun.recv().unwrap();
        let gate = Arc::new(Notify::new());
        let mut caller = ask(&texts, "k", &gate);
        assert!(!poll(&mut caller));
        // Its loader might want what only this thread polls.
        is_refused(sleep_on(&texts, "other"));
        // And from inside of the load that it polls.
        let inner = texts.clone();
        let inside = texts.get_or_load("inside", || async move { sleep_on(&inner, "other") });
        let error = pollster::block_on(inside).unwrap_err();
        assert_eq!(error.load_source::<Error>().unwrap().kind(), ErrorKind::LoadDeadlock);
        // Ended elsewhere, and not polled here since.
        gate.notify_one();
        let ends = pollster::block_on(ask(&texts, "k", &gate));
        assert_eq!(ends.unwrap().as_deref(), Some("loaded"));
        go.send(()).unwrap();
        assert_eq!(sleep_on(&texts, "other").unwrap().as_deref(), Some("other"), "it may sleep again");
        assert_eq!(other.join().unwrap().unwrap().as_deref(), Some("other"));
        drop(caller);
    });
}

#[test]
fn a_thread_whose_loads_are_over_sleeps_as_any_other() {
    ends(|| {
        let (texts, gate) = (cache(&handle()), Arc::new(Notify::new()));
        // A pool's thread that drove loads before, to their ends and not.
        gate.notify_one();
        assert_eq!(pollster::block_on(ask(&texts, "before", &gate)).unwrap().as_deref(), Some("loaded"));
        let mut left = ask(&texts, "left", &gate);
        assert!(!poll(&mut left));
        drop(left);
        let closed = cache(&handle());
        let mut ended = ask(&closed, "k", &gate);
        assert!(!poll(&mut ended));
        closed.handle().blocking_close().unwrap();

        let mut drives = ask(&texts, "k", &gate);
        let (polled, is_polled) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let driver = thread::spawn(move || {
            assert!(!poll(&mut drives));
            polled.send(()).unwrap();
            wait.recv().unwrap();
            pollster::block_on(drives)
        });
        is_polled.recv().unwrap();
        gate.notify_one();
        go.send(()).unwrap();
        assert_eq!(sleep_on(&texts, "k").unwrap().as_deref(), Some("loaded"), "it waits");
        driver.join().unwrap().unwrap();
        drop(ended);
    });
}

#[test]
fn what_need_not_be_slept_for_is_not_refused() {
    ends(|| {
        let (texts, gate) = (cache(&handle()), Arc::new(Notify::new()));
        let mut caller = ask(&texts, "k", &gate);
        assert!(!poll(&mut caller));
        texts.blocking().set("hit", &"set".to_owned(), Ttl::Never).unwrap();
        assert_eq!(sleep_on(&texts, "hit").unwrap().as_deref(), Some("set"));
        assert_eq!(sleep_on(&texts, "missing").unwrap().as_deref(), Some("own"), "it leads");
        // Stale, and refreshed by a caller that is polled here.
        let options = LoadOptions::builder().ttl(Duration::from_secs(60)).fresh_for(Duration::from_millis(1));
        let options = options.refresh_by_callers().build().unwrap();
        let with = |text: &str| {
            texts.blocking().get_or_load_opts("stale", &options, || Ok::<_, Error>(text.to_owned()))
        };
        with("first").unwrap();
        thread::sleep(Duration::from_millis(5));
        let hang = std::future::pending::<Result<String>>;
        let mut refreshes = pin!(texts.get_or_load_opts("stale", &options, hang));
        assert!(refreshes.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let stale = with("second").unwrap();
        assert_eq!((stale.value.as_deref(), stale.origin), (Some("first"), Origin::Stale));
    });
}

#[test]
fn a_caller_that_moved_on_is_remembered_where_it_was_polled() {
    ends(|| {
        let (texts, gate) = (cache(&handle()), Arc::new(Notify::new()));
        let mut caller = ask(&texts, "k", &gate);
        assert!(!poll(&mut caller));
        let (polled, is_polled) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let moved = thread::spawn(move || {
            assert!(!poll(&mut caller));
            polled.send(()).unwrap();
            wait.recv().unwrap();
            drop(caller);
        });
        is_polled.recv().unwrap();
        // An executor may bring it back here.
        is_refused(sleep_on(&texts, "k"));
        go.send(()).unwrap();
        moved.join().unwrap();
        assert_eq!(sleep_on(&texts, "k").unwrap().as_deref(), Some("own"));
    });
}
