//! A thousand tasks on one cold key, whatever becomes of its load. 50 rounds each; `make loads`
//! runs the long form, 1,000.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::collections::hash_map::RandomState;
use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::hash::BuildHasher;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinSet, yield_now};
use zbz_cache::{
    Cache, Contract, Error, ErrorKind, LoadOptions, LoadOutcome, Origin, ProviderHandle, Result, options,
};

const TASKS: usize = 1000;

fn rounds() -> usize {
    std::env::var("ZBZ_CACHE_TEST_ROUNDS").map_or(50, |rounds| rounds.parse().unwrap())
}

fn handle() -> ProviderHandle {
    zbz_cache::new_provider("memory", options! {}).unwrap()
}

fn cache(handle: &ProviderHandle) -> Cache<String> {
    Contract::new("texts", handle.clone()).unwrap().cache()
}

/// The loader of all tasks of a round: what it does is decided by the gate's opening.
#[derive(Default)]
struct Loader {
    runs: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
    waiting: AtomicUsize,
    arrived: Notify,
    gate: Notify,
}

#[derive(Debug, PartialEq)]
struct Refused(usize);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

struct Running<'a>(&'a Loader);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

/// How a load ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Value,
    Failure,
    Panic,
    Never,
}

impl Loader {
    async fn load(self: Arc<Self>, end: End) -> Result<String, Refused> {
        let run = self.runs.fetch_add(1, SeqCst);
        self.most.fetch_max(self.running.fetch_add(1, SeqCst) + 1, SeqCst);
        let _running = Running(&self);
        self.gate.notified().await;
        yield_now().await;
        match end {
            End::Value => Ok(format!("run {run}")),
            End::Failure => Err(Refused(run)),
            End::Panic => resume_unwind(Box::new("a loader that panics")),
            End::Never => std::future::pending().await,
        }
    }

    /// Tells that a caller waits for its load.
    fn arrive(&self) {
        if self.waiting.fetch_add(1, SeqCst) + 1 == TASKS {
            self.arrived.notify_one();
        }
    }
}

type Asked = Result<LoadOutcome<String>>;

/// A caller as a future that owns its cache, and tells when it was polled first.
fn ask(
    cache: &Cache<String>,
    loader: &Arc<Loader>,
    name: String,
    options: LoadOptions,
    end: End,
) -> impl Future<Output = Asked> + Send + 'static {
    let (cache, loader) = (cache.clone(), Arc::clone(loader));
    async move {
        let load = Arc::clone(&loader);
        let mut caller = Box::pin(cache.get_or_load_with(&name, &options, move || load.load(end)));
        let mut is_first = true;
        poll_fn(|context| {
            let polled = caller.as_mut().poll(context);
            if std::mem::take(&mut is_first) {
                loader.arrive();
            }
            polled
        })
        .await
    }
}

/// All tasks of a round, waiting for one load; the first of them apart, to be cancelled or not.
struct Round {
    loader: Arc<Loader>,
    first: Pin<Box<dyn Future<Output = Asked> + Send>>,
    others: JoinSet<Asked>,
}

impl Round {
    async fn gather(caches: &[Cache<String>], name: &str, options: &LoadOptions, end: End) -> Round {
        let loader = Arc::new(Loader::default());
        let mut first = Box::pin(ask(&caches[0], &loader, name.into(), options.clone(), end));
        assert!(poll_once(first.as_mut()).await.is_none());
        let mut others = JoinSet::new();
        for task in 1..TASKS {
            let cache = &caches[task % caches.len()];
            others.spawn(ask(cache, &loader, name.into(), options.clone(), end));
        }
        loader.arrived.notified().await;
        Round { loader, first, others }
    }

    /// The outcomes of all tasks but the first.
    async fn finish(self) -> (Arc<Loader>, Vec<Asked>) {
        drop(self.first);
        (self.loader, self.others.join_all().await)
    }
}

async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn is_quiet(handle: &ProviderHandle) -> bool {
    handle.blocking_stats().unwrap().loads.under_way == 0
}

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
    fails(End::Failure, LoadOptions::default(), ErrorKind::Load).await;
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
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::Timeout);
        }
        assert_eq!((loader.running.load(SeqCst), loader.most.load(SeqCst)), (0, 1), "one at a time");
        assert!(loader.runs.load(SeqCst) < 20, "{} loads", loader.runs.load(SeqCst));
        assert!(is_quiet(&handle));
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
            assert_eq!(outcome.value.as_deref(), Some("run 0"), "who waited has it");
        }
        loader.gate.notify_one();
        for answer in later.join_all().await {
            assert_eq!(answer.unwrap().value.as_deref(), Some("run 1"), "who came later has not");
        }
        assert_eq!((loader.runs.load(SeqCst), loader.most.load(SeqCst)), (2, 1), "two loads, not at once");
        assert_eq!(caches[0].get("k").await.unwrap().as_deref(), Some("run 1"));
        caches[0].delete("k").await.unwrap();
        assert!(is_quiet(&handle));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contracts_of_two_schema_numbers_take_turns() {
    let handle = handle();
    let old = cache(&handle);
    let new = Contract::<String>::new("texts", handle.clone()).unwrap().schema(1).unwrap().cache();
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
    assert_eq!(answers.expect("nobody hangs").len(), TASKS - 1);
    assert_eq!(first.await.unwrap().value.as_deref(), Some("run 0"));
}

#[tokio::test]
async fn a_cycle_over_two_tasks_ends_at_the_timeout() {
    let handle = handle();
    let texts = cache(&handle);
    let options = LoadOptions::builder().timeout(Duration::from_millis(50)).build().unwrap();
    let inner = texts.clone();
    let asked = texts.get_or_load_with("k", &options, || async move {
        let load = async move { inner.get_or_load("k", || async { Ok::<_, Error>("in".to_owned()) }).await };
        tokio::spawn(load).await.unwrap()
    });
    assert_eq!(asked.await.unwrap_err().kind(), ErrorKind::Timeout);
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

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_refresh_in_the_background_ends_with_the_last_handle() {
    let dropped = Arc::new(AtomicUsize::new(0));
    struct Counts(Arc<AtomicUsize>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let handle = handle();
    let options = LoadOptions::builder().ttl(Duration::from_secs(60)).fresh_for(Duration::from_millis(1));
    let contract = Contract::<String>::new("texts", handle.clone()).unwrap();
    let texts = contract.load_options(options.build().unwrap()).unwrap().cache();
    texts.set("k", &"old".to_owned(), Duration::from_secs(60)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let counts = Counts(Arc::clone(&dropped));
    let hang = || async move {
        let _counts = counts;
        std::future::pending::<Result<String>>().await
    };
    assert_eq!(texts.get_or_load("k", hang).await.unwrap().as_deref(), Some("old"));
    yield_now().await;
    assert_eq!(dropped.load(SeqCst), 0, "it hangs in the background");
    drop((texts, handle));
    tokio::time::timeout(Duration::from_secs(20), async {
        while dropped.load(SeqCst) == 0 {
            yield_now().await;
        }
    })
    .await
    .expect("it was dropped");
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn within_a_runtime_a_contract_has_its_spawner() {
    let options = LoadOptions::builder().ttl(Duration::from_secs(60)).fresh_for(Duration::from_millis(1));
    let options = options.build().unwrap();
    let contract = Contract::<String>::new("texts", handle()).unwrap().load_options(options.clone()).unwrap();
    let texts = contract.cache();
    let load = |text: &'static str| move || async move { Ok::<_, Error>(text.to_owned()) };
    texts.get_or_load("k", load("first")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let stale = texts.get_or_load_with("k", &LoadOptions::default(), load("second")).await.unwrap();
    assert_eq!((stale.value.as_deref(), stale.origin), (Some("first"), Origin::Stale));
    tokio::time::timeout(Duration::from_secs(20), async {
        while texts.get("k").await.unwrap().as_deref() != Some("second") {
            yield_now().await;
        }
    })
    .await
    .expect("it is refreshed");
    let outside = std::thread::spawn(move || {
        Contract::<String>::new("texts", handle()).unwrap().load_options(options).unwrap_err()
    });
    let error = outside.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("fresh_for is 1ms and there is no spawner"), "{error}");
}
