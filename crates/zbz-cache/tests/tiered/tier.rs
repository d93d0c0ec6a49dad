//! [`Tier`]: a tier on a clock moved by hand, and reads of it that are polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use zbz_cache::memory::MemoryProvider;
use zbz_cache::provider::{Read, SetOptions, SetOutcome};
use zbz_cache::tiered::{TieredProvider, Tiers};
use zbz_cache::{Clock, ManualClock, MemoryCache, Provider, ProviderHandle, Reply, Ttl};

use crate::far::{Far, Wire};

pub const KEY: &[u8] = b"t:k";
pub const MINUTE: Duration = Duration::from_secs(60);
pub const SECOND: Duration = Duration::from_secs(1);

/// A tier on a clock moved by hand.
pub struct Tier {
    pub handle: ProviderHandle,
    pub wire: Arc<Wire>,
    pub hand: ManualClock,
}

impl Tier {
    /// One whose space is live for an hour.
    pub fn live() -> Tier {
        let tier = Tier::new();
        tier.enter("t");
        tier
    }

    pub fn new() -> Tier {
        let (clock, hand) = Clock::manual();
        let cache = |clock: &Clock| MemoryCache::builder().clock(clock.clone()).build().unwrap();
        let wire = Arc::<Wire>::default();
        let far = Far { memory: MemoryProvider::new(cache(&clock)), wire: Arc::clone(&wire) };
        let builder = TieredProvider::builder(cache(&clock), ProviderHandle::new(far));
        let tier = builder.max_near_ttl(MINUTE).clock(clock).build().unwrap();
        Tier { handle: ProviderHandle::new(tier), wire, hand }
    }

    /// The first read of a namespace, which subscribes to it.
    pub fn enter(&self, namespace: &str) {
        let key = format!("{namespace}:nothing");
        assert!(self.provider().get(key.as_bytes(), Vec::new()).wait().unwrap().found.is_none());
    }

    pub fn provider(&self) -> &dyn Provider {
        &**self.handle.provider()
    }

    /// The far side, past the tier: another process.
    pub fn elsewhere(&self) -> &dyn Provider {
        &**self.handle.native::<Tiers>().unwrap().far.provider()
    }

    pub fn write_elsewhere(&self, value: &str) {
        let set = self.elsewhere().set(KEY, value.as_bytes(), SetOptions::new(Ttl::Never)).wait();
        assert_eq!(set.unwrap(), SetOutcome::Stored);
    }

    pub fn read(&self) -> Option<String> {
        let read = self.provider().get_value(KEY, Vec::new()).wait().unwrap();
        read.found.map(|_| String::from_utf8(read.buffer).unwrap())
    }

    /// Whether a copy answers.
    pub fn is_near(&self) -> bool {
        let before = self.wire.reads();
        let reply = self.provider().get_value(KEY, Vec::new());
        let is_ready = reply.is_ready();
        drop(reply);
        assert_eq!(self.wire.reads(), before, "what is not polled reads nothing");
        is_ready
    }
}

/// A reply that is polled by hand.
pub fn poll<T>(reply: &mut Reply<'_, T>) -> Option<zbz_cache::Result<T>> {
    match Pin::new(reply).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// A read that the far side has answered, while the answer is on its way.
pub fn begin_read(tier: &Tier) -> Reply<'_, Read> {
    tier.wire.hold();
    let mut read = tier.provider().get_value(KEY, Vec::new());
    assert!(poll(&mut read).is_none());
    read
}

pub fn end_read(tier: &Tier, mut read: Reply<'_, Read>) -> Option<String> {
    tier.wire.let_go();
    let read = poll(&mut read).expect("it was let go").unwrap();
    read.found.map(|_| String::from_utf8(read.buffer).unwrap())
}
