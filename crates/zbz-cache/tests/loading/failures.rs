//! Loads that fail, panic, hang or are closed, for all their callers.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::task::{JoinSet, yield_now};
use zbz_cache::{Error, ErrorKind, LoadOptions, Result};

use crate::{End, Loader, Refused, Round, TASKS, ask, cache, handle, is_quiet, poll_once, rounds};

/// Checks a round in which every task waits for a load that fails in one way.
async fn fails(end: End, options: LoadOptions, kind: ErrorKind) {
    let handle = handle();
    let caches = [cache(&handle), cache(&handle)];
    for _ in 0..rounds() {
        let round = Round::gather(&caches, "k", &options, end).await;
        round.loader.gate.notify_one();
        let (loader, answers) = round.finish().await;
        assert_eq!((answers.len(), loader.runs.load(SeqCst)), (TASKS - 1, 1));
        let mut sources = Vec::new();
        for answer in answers {
            let error = answer.unwrap_err();
            assert_eq!(error.kind(), kind);
            let source = error.source().and_then(|source| source.downcast_ref::<Refused>());
            assert_eq!(source.is_some(), end == End::Failure, "the error keeps its type");
            sources.extend(source.map(|source| std::ptr::from_ref(source).addr()));
        }
        sources.dedup();
        assert_eq!(sources.len(), usize::from(end == End::Failure), "one error, shared");
        assert_eq!(loader.running.load(SeqCst), 0);
        assert!(is_quiet(&handle));
        assert_eq!(caches[0].get("k").await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_have_the_error_of_one_load() {
    fails(End::Failure, LoadOptions::default(), ErrorKind::LoadFailed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_have_the_panic_of_one_load_as_an_error() {
    fails(End::Panic, LoadOptions::default(), ErrorKind::LoadPanicked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_hangs_is_given_up_for_all() {
    let options = LoadOptions::builder().timeout(Duration::from_millis(40)).build().unwrap();
    let handle = handle();
    let caches = [cache(&handle), cache(&handle)];
    for _ in 0..rounds() {
        // It takes a while to gather so many: some may come after the time is over and load anew.
        let loader = Arc::new(Loader::default());
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            tasks.spawn(ask(&caches[task % 2], &loader, "k".into(), options.clone(), End::Never));
        }
        for answer in tasks.join_all().await {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::LoadTimeout);
        }
        assert_eq!((loader.running.load(SeqCst), loader.most.load(SeqCst)), (0, 1), "one at a time");
        assert!(loader.runs.load(SeqCst) < 20, "{} loads", loader.runs.load(SeqCst));
        assert!(is_quiet(&handle));
    }
}

#[tokio::test]
async fn a_cycle_over_two_tasks_ends_at_the_timeout() {
    let handle = handle();
    let texts = cache(&handle);
    let options = LoadOptions::builder().timeout(Duration::from_millis(50)).build().unwrap();
    let inner = texts.clone();
    let asked = texts.get_or_load_opts("k", &options, || async move {
        let load = async move { inner.get_or_load("k", || async { Ok::<_, Error>("in".to_owned()) }).await };
        tokio::spawn(load).await.unwrap()
    });
    assert_eq!(asked.await.unwrap_err().kind(), ErrorKind::LoadTimeout);
    tokio::time::timeout(Duration::from_secs(20), async {
        while !is_quiet(&handle) {
            yield_now().await;
        }
    })
    .await
    .expect("the inner one ends too");
}

#[tokio::test]
async fn closing_ends_loads_with_closed() {
    let handle = handle();
    let texts = cache(&handle);
    let mut caller = Box::pin(texts.get_or_load("k", std::future::pending::<Result<String>>));
    assert!(poll_once(caller.as_mut()).await.is_none());
    handle.close().await.unwrap();
    assert_eq!(caller.await.unwrap_err().kind(), ErrorKind::Closed);
}
