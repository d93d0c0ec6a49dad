//! A far side whose pushes, link and answers go as a test says: memory, and a wire to its subscribers.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Duration;

use zbz_cache::memory::MemoryProvider;
use zbz_cache::provider::{
    Capabilities, Invalidation, InvalidationSink, Lookups, Page, Read, ReadBatch, SetOptions, SetOutcome,
    Subscription,
};
use zbz_cache::{Cursor, Error, ErrorKind, Provider, Reply, Stats, Ttl, TtlState};

/// What a subscriber is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Key(Vec<u8>),
    All,
    Alive(Duration),
    Lost,
}

struct Subscriber {
    number: u64,
    prefix: Vec<u8>,
    sink: InvalidationSink,
}

#[derive(Default)]
struct State {
    subscribers: Vec<Subscriber>,
    numbered: u64,
    /// Told by the test alone, else at once.
    by_hand: bool,
    /// Changes are not told, as by a link that is dead.
    dead: bool,
    /// Verbs are done at their first poll, and answered when they are let go.
    held: bool,
    waiting: Vec<Waker>,
    /// The next verb is done, and answers this.
    fails: Option<ErrorKind>,
}

/// The test's end of the wire.
#[derive(Default)]
pub struct Wire {
    state: Mutex<State>,
    /// How many keys were read.
    reads: AtomicU64,
}

impl Wire {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn by_hand(&self) {
        self.state().by_hand = true;
    }

    pub fn die(&self, dead: bool) {
        self.state().dead = dead;
    }

    pub fn hold(&self) {
        self.state().held = true;
    }

    pub fn let_go(&self) {
        let mut state = self.state();
        state.held = false;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    pub fn fail_next(&self, kind: ErrorKind) {
        self.state().fails = Some(kind);
    }

    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }

    pub fn subscribers(&self) -> usize {
        self.state().subscribers.len()
    }

    /// Tells all subscribers at once.
    pub fn tell(&self, told: &Told) {
        let sinks: Vec<_> = self.state().subscribers.iter().map(|one| Arc::clone(&one.sink)).collect();
        sinks.iter().for_each(|sink| say(sink, told));
    }

    fn changed(&self, key: &[u8]) {
        let state = self.state();
        if state.dead || state.by_hand {
            return;
        }
        let under = state.subscribers.iter().filter(|one| key.starts_with(&one.prefix));
        let sinks: Vec<_> = under.map(|one| Arc::clone(&one.sink)).collect();
        drop(state);
        sinks.iter().for_each(|sink| sink(Invalidation::Key(key)));
    }

    async fn until_let_go(&self) {
        poll_fn(|context| {
            let mut state = self.state();
            if state.held {
                state.waiting.push(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }
}

fn say(sink: &InvalidationSink, told: &Told) {
    sink(match told {
        Told::Key(key) => Invalidation::Key(key),
        Told::All => Invalidation::All,
        Told::Alive(span) => Invalidation::Alive(*span),
        Told::Lost => Invalidation::Lost,
    });
}

/// Ends a subscription.
struct Unsubscribe(Arc<Wire>, u64);

impl Drop for Unsubscribe {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let at = state.subscribers.iter().position(|one| one.number == self.1);
        let gone = at.map(|at| state.subscribers.remove(at));
        drop(state);
        drop(gone);
    }
}

/// The provider.
pub struct Far {
    pub memory: MemoryProvider,
    pub wire: Arc<Wire>,
}

impl Far {
    /// A verb: done at the first poll, answered when it is let go.
    fn read<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce(&'a MemoryProvider) -> Reply<'a, T> + Send + 'a,
    ) -> Reply<'a, T> {
        Reply::pending(self.work(work, |_| {}))
    }

    /// The same of one that changes a key, if it did.
    fn write<'a, T: Send + 'a>(
        &'a self,
        key: &[u8],
        work: impl FnOnce(&'a MemoryProvider, &[u8]) -> Reply<'a, T> + Send + 'a,
        did: fn(&T) -> bool,
    ) -> Reply<'a, T> {
        let (key, written) = (key.to_vec(), key.to_vec());
        let tell = move |answer: &T| {
            if did(answer) {
                self.wire.changed(&written);
            }
        };
        Reply::pending(self.work(move |memory| work(memory, &key), tell))
    }

    async fn work<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce(&'a MemoryProvider) -> Reply<'a, T> + Send + 'a,
        tell: impl FnOnce(&T) + Send + 'a,
    ) -> Result<T, Error> {
        let answer = work(&self.memory).wait();
        if let Ok(answer) = &answer {
            tell(answer);
        }
        self.wire.until_let_go().await;
        match self.wire.state().fails.take() {
            Some(kind) => Err(Error::new(kind, "told to fail")),
            None => answer,
        }
    }
}

impl Provider for Far {
    fn name(&self) -> &str {
        "far"
    }

    fn capabilities(&self) -> Capabilities {
        let mut able = Capabilities::in_process();
        able.invalidations = true;
        able
    }

    fn get<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        let key = key.to_vec();
        self.read(move |memory| {
            self.wire.reads.fetch_add(1, Ordering::SeqCst);
            memory.get(&key, buffer)
        })
    }

    fn get_multi<'a>(&'a self, keys: &[&[u8]], batch: ReadBatch) -> Reply<'a, ReadBatch> {
        let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
        self.read(move |memory| {
            self.wire.reads.fetch_add(keys.len() as u64, Ordering::SeqCst);
            let slices: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let mut answer = memory.get_multi(&slices, batch).wait();
            for (index, key) in keys.iter().enumerate().filter(|(_, key)| key.ends_with(b":broken")) {
                let error = Error::new(ErrorKind::Unavailable, format!("{} bytes", key.len()));
                answer.as_mut().unwrap().fail(index, error);
            }
            Reply::ready(answer)
        })
    }

    fn set<'a>(&'a self, key: &[u8], value: &[u8], options: SetOptions) -> Reply<'a, SetOutcome> {
        let value = value.to_vec();
        let set = move |memory: &'a MemoryProvider, key: &[u8]| memory.set(key, &value, options);
        self.write(key, set, |outcome| *outcome == SetOutcome::Stored)
    }

    fn delete<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        self.write(key, |memory, key| memory.delete(key), |was_there| *was_there)
    }

    fn ttl<'a>(&'a self, key: &[u8]) -> Reply<'a, TtlState> {
        let key = key.to_vec();
        self.read(move |memory| memory.ttl(&key))
    }

    fn expire<'a>(&'a self, key: &[u8], ttl: Ttl) -> Reply<'a, bool> {
        self.write(key, move |memory, key| memory.expire(key, ttl), |was_there| *was_there)
    }

    fn take<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        self.write(key, move |memory, key| memory.take(key, buffer), |read| read.found.is_some())
    }

    fn add<'a>(&'a self, key: &[u8], delta: i64, ttl: Ttl) -> Reply<'a, i64> {
        self.write(key, move |memory, key| memory.add(key, delta, ttl), |_| true)
    }

    fn scan<'a>(&'a self, prefix: &[u8], cursor: Option<&Cursor>) -> Reply<'a, Page> {
        let (prefix, cursor) = (prefix.to_vec(), cursor.cloned());
        self.read(move |memory| memory.scan(&prefix, cursor.as_ref()))
    }

    /// Of what it removes nothing is told: the tier must do without.
    fn clear<'a>(&'a self, prefix: &[u8]) -> Reply<'a, ()> {
        let prefix = prefix.to_vec();
        self.read(move |memory| memory.clear(&prefix))
    }

    fn stats(&self) -> Reply<'_, Stats> {
        self.read(|memory| memory.stats())
    }

    fn record_lookups(&self, lookups: Lookups) {
        self.memory.record_lookups(lookups);
    }

    fn close(&self) -> Reply<'_, ()> {
        self.memory.close()
    }

    fn invalidations(&self, prefix: &[u8], sink: InvalidationSink) -> Option<Subscription> {
        let mut state = self.wire.state();
        state.numbered += 1;
        let number = state.numbered;
        let prefix = prefix.to_vec();
        state.subscribers.push(Subscriber { number, prefix, sink: Arc::clone(&sink) });
        let by_hand = state.by_hand;
        drop(state);
        if !by_hand {
            sink(Invalidation::Alive(Duration::from_secs(3600)));
        }
        Some(Subscription::new(Unsubscribe(Arc::clone(&self.wire), number)))
    }
}
