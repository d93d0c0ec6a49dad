//! A provider over memory that fails, holds its answers back, or serves copies that may be out of date, as its
//! test says.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use zbz_cache::memory::MemoryProvider;
use zbz_cache::provider::{
    BackgroundWork, Capabilities, Found, Health, LoadedAround, Lookups, Outage, Page, Read, ReadBatch,
    ReadParts, ServerHealth, ServerState, SetOptions, SetOutcome,
};
use zbz_cache::{
    Clock, Cursor, Error, ErrorKind, ManualClock, MemoryCache, Provider, ProviderHandle, Reply, Result,
    Stats, Ttl, TtlState,
};

/// The faults that the provider is to show, and the calls it got.
#[derive(Default)]
pub(crate) struct Script {
    /// The kind of error of every verb, or of those alone whose key ends so.
    fails: Mutex<Option<(ErrorKind, &'static str)>>,
    /// Whether only stores fail.
    spares_reads: AtomicBool,
    pub(crate) is_degraded: AtomicBool,
    /// Its reported health.
    pub(crate) is_down: AtomicBool,
    pub(crate) reads: Gate,
    pub(crate) stores: Gate,
    pub(crate) looks: AtomicU64,
    pub(crate) sets: AtomicU64,
    pub(crate) kept: Mutex<Vec<(Vec<u8>, LoadedAround)>>,
    /// Work of the provider's own thread: `None` without such a thread.
    pub(crate) spawned: Mutex<Option<Vec<BackgroundWork>>>,
}

/// Holds answers back while it is shut.
#[derive(Default)]
pub(crate) struct Gate(Mutex<(bool, Vec<Waker>)>);

impl Gate {
    pub(crate) fn shut(&self) {
        self.0.lock().unwrap().0 = true;
    }

    pub(crate) fn open(&self) {
        let mut gate = self.0.lock().unwrap();
        gate.0 = false;
        let wakers = std::mem::take(&mut gate.1);
        drop(gate);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn is_shut(&self) -> bool {
        self.0.lock().unwrap().0
    }

    pub(crate) async fn pass(&self) {
        poll_fn(|context| {
            let mut gate = self.0.lock().unwrap();
            if !gate.0 {
                return Poll::Ready(());
            }
            gate.1.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Script {
    pub(crate) fn fail(&self, kind: ErrorKind) {
        self.fail_keys(kind, "");
    }

    pub(crate) fn fail_keys(&self, kind: ErrorKind, end: &'static str) {
        self.spares_reads.store(false, SeqCst);
        *self.fails.lock().unwrap() = Some((kind, end));
    }

    pub(crate) fn fail_stores(&self, kind: ErrorKind) {
        self.fail(kind);
        self.spares_reads.store(true, SeqCst);
    }

    pub(crate) fn recover(&self) {
        *self.fails.lock().unwrap() = None;
    }

    fn judge(&self, key: &[u8]) -> Result<()> {
        match *self.fails.lock().unwrap() {
            Some((kind, end)) if key.ends_with(end.as_bytes()) => Err(Error::new(kind, "the script says so")),
            _ => Ok(()),
        }
    }

    fn judge_read(&self, key: &[u8]) -> Result<()> {
        if self.spares_reads.load(SeqCst) { Ok(()) } else { self.judge(key) }
    }
}

pub(crate) struct Faulty {
    inner: MemoryProvider,
    script: Arc<Script>,
}

/// A handle of such a provider, on a clock that is moved by hand.
pub(crate) fn faulty() -> (ProviderHandle, Arc<Script>, ManualClock) {
    let (clock, hand) = Clock::manual();
    let inner = MemoryProvider::new(MemoryCache::builder().clock(clock).build().unwrap());
    let script = Arc::new(Script::default());
    let provider = Faulty { inner, script: Arc::clone(&script) };
    (ProviderHandle::new(provider), script, hand)
}

impl Faulty {
    fn read<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        if !self.script.reads.is_shut() {
            return Reply::ready(
                self.script.judge_read(key).and_then(|()| self.inner.get(key, buffer).wait()),
            );
        }
        let key = key.to_vec();
        Reply::pending(async move {
            self.script.reads.pass().await;
            self.script.judge_read(&key)?;
            self.inner.get(&key, buffer).await
        })
    }

    fn write<'a, R: Send>(
        &'a self,
        key: &[u8],
        write: impl FnOnce(&'a MemoryProvider, &[u8]) -> Reply<'a, R> + Send + 'a,
    ) -> Reply<'a, R> {
        if !self.script.stores.is_shut() {
            return Reply::ready(self.script.judge(key).and_then(|()| write(&self.inner, key).wait()));
        }
        let key = key.to_vec();
        Reply::pending(async move {
            self.script.stores.pass().await;
            self.script.judge(&key)?;
            write(&self.inner, &key).await
        })
    }
}

impl Provider for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        capabilities.always_available = false;
        capabilities
    }

    fn get<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        self.read(key, buffer)
    }

    fn get_for_load<'a>(&'a self, key: &[u8], buffer: Vec<u8>, _: ReadParts) -> Reply<'a, Read> {
        self.script.looks.fetch_add(1, SeqCst);
        if !self.script.is_degraded.load(SeqCst) {
            return self.read(key, buffer);
        }
        self.inner.get(key, buffer).map(|mut read| {
            read.found = read.found.map(Found::degraded);
            read
        })
    }

    fn get_multi_for_load<'a>(
        &'a self,
        keys: &[&[u8]],
        mut batch: ReadBatch,
        parts: ReadParts,
    ) -> Reply<'a, ReadBatch> {
        batch.reset(keys.len());
        let replies: Vec<_> = keys.iter().map(|key| self.get_for_load(key, Vec::new(), parts)).collect();
        let fill = |batch: &mut ReadBatch, index, answer: Result<Read>| match answer {
            Ok(Read { buffer, found: Some(found), .. }) => batch.hit(index, &buffer, found),
            Ok(_) => {}
            Err(error) => batch.fail(index, error),
        };
        if replies.iter().all(Reply::is_ready) {
            replies.into_iter().enumerate().for_each(|(index, reply)| fill(&mut batch, index, reply.wait()));
            return Reply::ready(Ok(batch));
        }
        Reply::pending(async move {
            for (index, reply) in replies.into_iter().enumerate() {
                fill(&mut batch, index, reply.await);
            }
            Ok(batch)
        })
    }

    fn set<'a>(&'a self, key: &[u8], value: &[u8], options: SetOptions) -> Reply<'a, SetOutcome> {
        self.script.sets.fetch_add(1, SeqCst);
        let value = value.to_vec();
        self.write(key, move |inner, key| inner.set(key, &value, options))
    }

    fn delete<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        self.write(key, |inner, key| inner.delete(key))
    }

    fn ttl<'a>(&'a self, key: &[u8]) -> Reply<'a, TtlState> {
        Reply::ready(self.script.judge_read(key).and_then(|()| self.inner.ttl(key).wait()))
    }

    fn expire<'a>(&'a self, key: &[u8], ttl: Ttl) -> Reply<'a, bool> {
        self.write(key, move |inner, key| inner.expire(key, ttl))
    }

    fn take<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        self.write(key, move |inner, key| inner.take(key, buffer))
    }

    fn add<'a>(&'a self, key: &[u8], delta: i64, ttl: Ttl) -> Reply<'a, i64> {
        self.write(key, move |inner, key| inner.add(key, delta, ttl))
    }

    fn scan<'a>(&'a self, prefix: &[u8], cursor: Option<&Cursor>) -> Reply<'a, Page> {
        Reply::ready(self.script.judge(prefix).and_then(|()| self.inner.scan(prefix, cursor).wait()))
    }

    fn clear<'a>(&'a self, prefix: &[u8]) -> Reply<'a, ()> {
        self.write(prefix, |inner, prefix| inner.clear(prefix))
    }

    fn stats(&self) -> Reply<'_, Stats> {
        self.inner.stats()
    }

    fn record_lookups(&self, lookups: Lookups) {
        self.inner.record_lookups(lookups);
    }

    fn close(&self) -> Reply<'_, ()> {
        self.inner.close()
    }

    fn health(&self) -> Health {
        let state = match self.script.is_down.load(SeqCst) {
            true => ServerState::Down(Outage::new(Error::new(ErrorKind::Unavailable, "the script says so"))),
            false => ServerState::Up,
        };
        Health::new(vec![ServerHealth::new("one of two", state)])
    }

    fn keep_loaded(&self, key: &[u8], _value: &[u8], loaded: &LoadedAround) -> bool {
        self.script.kept.lock().unwrap().push((key.to_vec(), loaded.clone()));
        true
    }

    fn spawn(&self, work: BackgroundWork) -> Result<(), BackgroundWork> {
        match &mut *self.script.spawned.lock().unwrap() {
            Some(spawned) => {
                spawned.push(work);
                Ok(())
            }
            None => Err(work),
        }
    }
}

/// Polls once; the answer, if it is there.
pub(crate) fn poll_now<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// The answer of a future that waits for nothing.
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
    poll_now(pin!(future)).expect("it waits")
}
