//! A thousand tasks on one cold key, whatever becomes of its load. 50 rounds each; `make loads`
//! runs the long form, 1,000.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

use tokio::sync::Notify;
use tokio::task::{JoinSet, yield_now};
use zbz_cache::{Cache, Contract, LoadOptions, LoadOutcome, ProviderHandle, Result, options};

#[cfg(feature = "tokio")]
mod background;
mod callers;
mod each;
mod errors;
#[cfg(feature = "tracing")]
mod executors;
mod failures;
mod faulty;
#[cfg(feature = "tracing")]
mod outage_warnings;
mod outages;
mod sleeping;
mod verbs;
#[cfg(feature = "tracing")]
mod warnings;

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
        let mut caller = Box::pin(cache.get_or_load_opts(&name, &options, move || load.load(end)));
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
