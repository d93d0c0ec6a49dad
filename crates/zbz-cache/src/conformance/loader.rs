//! Helpers for the cases about loading: loaders that wait for a signal, callers that are polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use super::fixture::Fixture;
use crate::load::{LoadOptionsBuilder, LoadOutcome, Spawner};
use crate::{Cache, Contract, LoadOptions, Loaded, ProviderHandle, Result};

/// The error of these loaders.
#[derive(Debug, PartialEq)]
pub(super) struct NoSource(pub(super) u32);

impl std::fmt::Display for NoSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no source {}", self.0)
    }
}

impl std::error::Error for NoSource {}

pub(super) type Answer = Result<Loaded<String>, NoSource>;

/// A caller of `get_or_load_opts`, to be polled by hand.
pub(super) type Caller<'a> = Pin<Box<dyn Future<Output = Result<LoadOutcome<String>>> + Send + 'a>>;

pub(super) fn texts(fixture: &Fixture<'_>, handle: &ProviderHandle) -> Cache<String> {
    let contract = Contract::<String>::new(&fixture.namespace, handle.clone());
    contract.expect("the contract opens").cache()
}

pub(super) fn built(options: LoadOptionsBuilder) -> LoadOptions {
    options.build().expect("valid options")
}

pub(super) fn value(text: &str) -> Answer {
    Ok(Loaded::value(text.to_owned()))
}

/// A source of values: loaders wait here for their answers. Counts the loaders that began.
#[derive(Clone, Default)]
pub(super) struct Source {
    begun: Arc<AtomicUsize>,
    said: Arc<Mutex<Said>>,
}

#[derive(Default)]
struct Said {
    answers: Vec<Answer>,
    wakers: Vec<Waker>,
}

impl Source {
    /// How many loaders were begun.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// Gives this answer to the waiting load, or else to the next one.
    pub(super) fn say(&self, answer: Answer) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.answers.insert(0, answer);
        let wakers = std::mem::take(&mut said.wakers);
        drop(said);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A loader's future, ready with the next answer.
    pub(super) fn load(&self) -> impl Future<Output = Answer> + Send + use<> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let said = Arc::clone(&self.said);
        std::future::poll_fn(move |context| {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            match said.answers.pop() {
                Some(answer) => Poll::Ready(answer),
                None => {
                    said.wakers.push(context.waker().clone());
                    Poll::Pending
                }
            }
        })
    }

    /// A caller that loads from this source.
    pub(super) fn ask<'a>(
        &self,
        cache: &'a Cache<String>,
        name: &'a str,
        options: &LoadOptions,
    ) -> Caller<'a> {
        let source = self.clone();
        Box::pin(cache.get_or_load_opts(name, options, move || source.load()))
    }
}

/// Polls once; returns the answer if it is ready.
pub(super) fn poll_any<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

/// Polls a caller until it waits for a load, no longer for the provider: at once in memory, and soon
/// across a network.
pub(super) fn settle<T: 'static>(cache: &Cache<T>, mut waits: impl FnMut() -> bool) {
    let is_near = cache.handle().provider().ttl(b"any").is_ready();
    for _ in 0..if is_near { 1 } else { 100 } {
        assert!(waits(), "a load that waits has no answer");
        if !is_near {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Blocks until the caller has its answer.
pub(super) fn finish(caller: Caller<'_>) -> LoadOutcome<String> {
    pollster::block_on(caller).expect("a load answers")
}

/// Begins a load of a name and leaves it waiting for the source.
pub(super) fn begin<'a>(
    source: &Source,
    cache: &'a Cache<String>,
    name: &'a str,
    options: &LoadOptions,
) -> Caller<'a> {
    let begun = source.begun();
    let mut caller = source.ask(cache, name, options);
    // A provider across a network answers the first look later.
    while source.begun() == begun {
        assert!(poll_any(caller.as_mut()).is_none(), "a load that waits has no answer");
        thread::yield_now();
    }
    caller
}

/// Joins the load of a name, or waits for the end of a revoked one.
pub(super) fn join<'a>(
    source: &Source,
    cache: &'a Cache<String>,
    name: &'a str,
    options: &LoadOptions,
) -> Caller<'a> {
    let begun = source.begun();
    let mut caller = source.ask(cache, name, options);
    settle(cache, || poll_any(caller.as_mut()).is_none());
    assert_eq!(source.begun(), begun, "it began no load of its own");
    caller
}

/// Spawned tasks, run by hand.
#[derive(Clone, Default)]
pub(super) struct Tasks(Arc<Mutex<Vec<Task>>>);

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Tasks {
    pub(super) fn spawner(&self) -> Spawner {
        let tasks = Arc::clone(&self.0);
        Spawner::new(move |task| tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task))
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Runs all of them to their ends.
    pub(super) fn run(&self) {
        let tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.into_iter().for_each(pollster::block_on);
    }
}
