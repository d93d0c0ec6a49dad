//! Callers that come, wait, leave and come late: one load for all that may share it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};
use zbz_cache::{Contract, Error, LoadOptions, Origin};

use crate::{End, Round, TASKS, ask, cache, handle, is_quiet, poll_once, rounds};

#[tokio::test(flavor = "multi_thread")]
async fn all_at_once_load_once() {
    let handle = handle();
    let (one, other) = (cache(&handle), cache(&handle));
    let runs = Arc::new(AtomicUsize::new(0));
    for round in 0..rounds() {
        let (name, start) = (format!("{round}"), Arc::new(Semaphore::new(0)));
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let cache = if task % 2 == 0 { one.clone() } else { other.clone() };
            let (name, runs, start) = (name.clone(), Arc::clone(&runs), Arc::clone(&start));
            tasks.spawn(async move {
                let _ = start.acquire().await.unwrap();
                let load = move || async move {
                    runs.fetch_add(1, SeqCst);
                    yield_now().await;
                    Ok::<_, Error>("value".to_owned())
                };
                cache.get_or_load(&name, load).await
            });
        }
        start.add_permits(TASKS);
        for answer in tasks.join_all().await {
            assert_eq!(answer.unwrap().as_deref(), Some("value"));
        }
    }
    assert_eq!(runs.load(SeqCst), rounds(), "one load a round");
    assert!(is_quiet(&handle));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_caller_leaves_at_any_point() {
    let handle = handle();
    let caches = [cache(&handle), cache(&handle)];
    let random = RandomState::new();
    for round in 0..rounds() {
        let gathered = Round::gather(&caches, &format!("{round}"), &LoadOptions::default(), End::Value).await;
        let Round { loader, mut first, others } = gathered;
        // Before the gate opens, between its opening and the end, or after the end.
        let draw = random.hash_one(round);
        for _ in 0..draw % 3 {
            assert!(poll_once(first.as_mut()).await.is_none());
        }
        let first = if draw % 2 == 0 { None } else { Some(first) };
        loader.gate.notify_one();
        if let Some(mut first) = first {
            for _ in 0..draw / 8 % 4 {
                if poll_once(first.as_mut()).await.is_some() {
                    break;
                }
            }
        }
        for answer in others.join_all().await {
            let outcome = answer.unwrap();
            assert_eq!((outcome.value.as_deref(), outcome.origin), (Some("run 0"), Origin::Coalesced));
        }
        assert_eq!(loader.runs.load(SeqCst), 1, "round {round}, draw {draw}: the load went on");
    }
    assert!(is_quiet(&handle));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_callers_leave() {
    let handle = handle();
    let caches = [cache(&handle)];
    for round in 0..rounds() {
        let gathered = Round::gather(&caches, "k", &LoadOptions::default(), End::Value).await;
        let Round { loader, first, mut others } = gathered;
        drop(first);
        others.shutdown().await;
        assert_eq!((loader.runs.load(SeqCst), loader.running.load(SeqCst)), (1, 0), "round {round}");
        assert!(is_quiet(&handle));
        assert_eq!(caches[0].get("k").await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalidation_in_the_middle_reaches_who_comes_later() {
    let handle = handle();
    let caches = [cache(&handle), cache(&handle)];
    let options = LoadOptions::default();
    for round in 0..rounds() {
        let gathered = Round::gather(&caches, "k", &options, End::Value).await;
        let loader = Arc::clone(&gathered.loader);
        if round % 2 == 0 {
            caches[1].delete("k").await.unwrap();
        } else {
            caches[1].clear().await.unwrap();
        }
        let mut later = JoinSet::new();
        for task in 0..100 {
            later.spawn(ask(&caches[task % 2], &loader, "k".into(), options.clone(), End::Value));
        }
        loader.gate.notify_one();
        let (_, answers) = gathered.finish().await;
        for answer in answers {
            let outcome = answer.unwrap();
            assert_eq!(outcome.value.as_deref(), Some("run 0"), "a caller that waited gets it");
        }
        loader.gate.notify_one();
        for answer in later.join_all().await {
            assert_eq!(answer.unwrap().value.as_deref(), Some("run 1"), "a later caller does not get it");
        }
        assert_eq!((loader.runs.load(SeqCst), loader.most.load(SeqCst)), (2, 1), "two loads, not at once");
        assert_eq!(caches[0].get("k").await.unwrap().as_deref(), Some("run 1"));
        caches[0].delete("k").await.unwrap();
        assert!(is_quiet(&handle));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contracts_of_two_schema_numbers_load_apart() {
    let handle = handle();
    let old = cache(&handle);
    let new = Contract::<String>::new("texts", handle.clone()).unwrap().schema(1).cache().unwrap();
    for _ in 0..rounds() {
        let mut tasks = JoinSet::new();
        for task in 0..100 {
            let (cache, text) = if task % 2 == 0 { (old.clone(), "old") } else { (new.clone(), "new") };
            tasks.spawn(async move {
                let load = move || async move {
                    yield_now().await;
                    Ok::<_, Error>(text.to_owned())
                };
                (cache.get_or_load("k", load).await, text)
            });
        }
        for (answer, due) in tasks.join_all().await {
            assert_eq!(answer.unwrap().as_deref(), Some(due));
        }
        old.delete("k").await.unwrap();
        new.delete("k").await.unwrap();
        assert!(is_quiet(&handle));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_holds_its_caller_without_polling_it_holds_up_nobody() {
    let handle = handle();
    let caches = [cache(&handle)];
    let gathered = Round::gather(&caches, "k", &LoadOptions::default(), End::Value).await;
    let Round { loader, first, others } = gathered;
    // The first caller polled last, is woken, and is not polled.
    loader.gate.notify_one();
    let answers = tokio::time::timeout(Duration::from_secs(20), others.join_all()).await;
    assert_eq!(answers.expect("no caller hangs").len(), TASKS - 1);
    assert_eq!(first.await.unwrap().value.as_deref(), Some("run 0"));
}
