//! The memory provider with an answer that always comes later, as across a network: what the
//! suite finds there, it would find on a server.

use std::future::{Future, poll_fn};
use std::task::Poll;

use zbz_cache::memory::MemoryProvider;
use zbz_cache::provider::{Capabilities, Limits, Lookups, Page, Read, SetOptions, SetOutcome};
use zbz_cache::{Cursor, Provider, Reply, Stats, Ttl, TtlState};

pub struct LateProvider(pub MemoryProvider);

/// Is pending at the first poll.
fn later() -> impl Future<Output = ()> + Send {
    let mut was_polled = false;
    poll_fn(move |context| {
        if std::mem::replace(&mut was_polled, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

impl LateProvider {
    fn late<'a, T: Send>(
        &'a self,
        verb: impl FnOnce(&'a MemoryProvider) -> Reply<'a, T> + Send + 'a,
    ) -> Reply<'a, T> {
        Reply::pending(async move {
            later().await;
            let answer = verb(&self.0).wait();
            later().await;
            answer
        })
    }
}

impl Provider for LateProvider {
    fn name(&self) -> &str {
        "late"
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }

    fn get<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        let key = key.to_vec();
        self.late(move |inner| inner.get(&key, buffer))
    }

    fn set<'a>(&'a self, key: &[u8], value: &[u8], options: SetOptions) -> Reply<'a, SetOutcome> {
        let (key, value) = (key.to_vec(), value.to_vec());
        self.late(move |inner| inner.set(&key, &value, options))
    }

    fn delete<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        let key = key.to_vec();
        self.late(move |inner| inner.delete(&key))
    }

    fn ttl<'a>(&'a self, key: &[u8]) -> Reply<'a, TtlState> {
        let key = key.to_vec();
        self.late(move |inner| inner.ttl(&key))
    }

    fn expire<'a>(&'a self, key: &[u8], ttl: Ttl) -> Reply<'a, bool> {
        let key = key.to_vec();
        self.late(move |inner| inner.expire(&key, ttl))
    }

    fn take<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        let key = key.to_vec();
        self.late(move |inner| inner.take(&key, buffer))
    }

    fn add<'a>(&'a self, key: &[u8], delta: i64, ttl: Ttl) -> Reply<'a, i64> {
        let key = key.to_vec();
        self.late(move |inner| inner.add(&key, delta, ttl))
    }

    fn scan<'a>(&'a self, prefix: &[u8], cursor: Option<&Cursor>) -> Reply<'a, Page> {
        let (prefix, cursor) = (prefix.to_vec(), cursor.cloned());
        self.late(move |inner| inner.scan(&prefix, cursor.as_ref()))
    }

    fn clear<'a>(&'a self, prefix: &[u8]) -> Reply<'a, ()> {
        let prefix = prefix.to_vec();
        self.late(move |inner| inner.clear(&prefix))
    }

    fn stats(&self) -> Reply<'_, Stats> {
        self.late(|inner| inner.stats())
    }

    fn record_lookups(&self, lookups: Lookups) {
        self.0.record_lookups(lookups);
    }

    fn close(&self) -> Reply<'_, ()> {
        self.0.close()
    }
}
