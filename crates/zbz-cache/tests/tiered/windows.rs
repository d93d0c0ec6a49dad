//! Orders of calls and pushes, placed by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use zbz_cache::memory::MemoryProvider;
use zbz_cache::provider::{
    Capabilities, Invalidation, InvalidationSink, Lookups, Page, Read, SetOptions, SetOutcome, Subscription,
};
use zbz_cache::tiered::TieredProvider;
use zbz_cache::{Clock, Cursor, MemoryCache, Provider, ProviderHandle, Reply, Stats, Ttl, TtlState};

use crate::far::{Far, Told, Wire};

const KEY: &[u8] = b"t:k";

fn poll<T>(reply: &mut Reply<'_, T>) -> Option<zbz_cache::Result<T>> {
    match Pin::new(reply).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

fn far() -> (ProviderHandle, Arc<Wire>) {
    let wire = Arc::<Wire>::default();
    let memory = MemoryProvider::new(MemoryCache::builder().build().unwrap());
    (ProviderHandle::new(Far { memory, wire: Arc::clone(&wire) }), wire)
}

fn near() -> MemoryCache {
    MemoryCache::builder().build().unwrap()
}

fn get(provider: &dyn Provider) -> Option<Vec<u8>> {
    let read = provider.get_value(KEY, Vec::new()).wait().unwrap();
    read.found.map(|_| read.buffer)
}

fn set(provider: &dyn Provider, value: &[u8]) {
    let _ = provider.set(KEY, value, SetOptions::new(Ttl::Never)).wait().unwrap();
}

/// Whoever is told by a tier that a key changed, and reads it there, gets what it changed to.
#[test]
fn who_is_told_by_a_tier_of_a_change_reads_it_there() {
    let (far, _wire) = far();
    let tier = ProviderHandle::new(TieredProvider::builder(near(), far.clone()).build().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (reads, sees) = (Arc::clone(tier.provider()), Arc::clone(&seen));
    // Subscribed before the tier has read anything, as whatever stands on a tier is.
    let sink: InvalidationSink = Arc::new(move |told| {
        if let Invalidation::Key(_) = told {
            sees.lock().unwrap().push(get(&*reads));
        }
    });
    let _subscription = tier.provider().invalidations(b"t:", sink).unwrap();
    set(&**far.provider(), b"old");
    assert_eq!(get(&**tier.provider()).as_deref(), Some(&b"old"[..]));
    assert_eq!(get(&**tier.provider()).as_deref(), Some(&b"old"[..]));
    seen.lock().unwrap().clear();
    set(&**far.provider(), b"new");
    assert_eq!(seen.lock().unwrap().as_slice(), [Some(b"new".to_vec())]);
}

/// The same by a flush.
#[test]
fn who_is_told_by_a_tier_of_a_flush_finds_no_copy_there() {
    let (far, wire) = far();
    let tier = ProviderHandle::new(TieredProvider::builder(near(), far.clone()).build().unwrap());
    let was_near = Arc::new(AtomicBool::new(false));
    let (reads, sees) = (Arc::clone(tier.provider()), Arc::clone(&was_near));
    let sink: InvalidationSink = Arc::new(move |told| {
        if let Invalidation::All = told {
            sees.store(reads.get_value(KEY, Vec::new()).is_ready(), Ordering::SeqCst);
        }
    });
    let _subscription = tier.provider().invalidations(b"t:", sink).unwrap();
    set(&**far.provider(), b"old");
    get(&**tier.provider());
    wire.tell(&Told::All);
    assert!(!was_near.load(Ordering::SeqCst));
}

/// A tier on a tier: two levels of copies. The outer one is told first.
#[test]
fn a_tier_on_a_tier_keeps_nothing_old() {
    for round in 0..200 {
        let (far, _wire) = far();
        let inner = ProviderHandle::new(TieredProvider::builder(near(), far.clone()).build().unwrap());
        let outer = ProviderHandle::new(TieredProvider::builder(near(), inner.clone()).build().unwrap());
        set(&**far.provider(), b"old");
        for _ in 0..3 {
            get(&**outer.provider());
            get(&**inner.provider());
        }
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        get(&**outer.provider());
                    }
                });
            }
            std::thread::sleep(Duration::from_micros(200));
            for n in 0..200u32 {
                set(&**far.provider(), &n.to_le_bytes());
            }
            set(&**far.provider(), b"new");
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(get(&**outer.provider()).as_deref(), Some(&b"new"[..]), "round {round}");
    }
}

/// A tier that goes by time serves what is old: who stands on it must not be told that it pushes.
#[test]
fn a_tier_that_goes_by_time_does_not_claim_to_push() {
    let (far, _wire) = far();
    let tier = ProviderHandle::new(TieredProvider::builder(near(), far).ttl_only().build().unwrap());
    assert!(!tier.provider().capabilities().invalidations);
}

/// What nobody is told of ends within the longest near time, also for who joins a slow read.
#[test]
fn nobody_joins_a_read_that_was_sent_longer_ago_than_the_longest_near_time() {
    let (clock, hand) = Clock::manual();
    let wire = Arc::<Wire>::default();
    let memory = MemoryProvider::new(MemoryCache::builder().clock(clock.clone()).build().unwrap());
    let far = ProviderHandle::new(Far { memory, wire: Arc::clone(&wire) });
    let builder =
        TieredProvider::builder(MemoryCache::builder().clock(clock.clone()).build().unwrap(), far.clone());
    let tier = builder.max_near_ttl(Duration::from_millis(10)).ttl_only().clock(clock).build().unwrap();
    let tier = ProviderHandle::new(tier);
    wire.die(true);
    set(&**far.provider(), b"old");
    wire.hold();
    let mut first = tier.provider().get_value(KEY, Vec::new());
    assert!(poll(&mut first).is_none(), "the far side is slow");
    let mut write = far.provider().set(KEY, b"new", SetOptions::new(Ttl::Never));
    assert!(poll(&mut write).is_none());
    hand.advance(Duration::from_secs(1));
    // A second after the write, with a bound of 10 ms.
    let mut late = tier.provider().get_value(KEY, Vec::new());
    assert!(poll(&mut late).is_none());
    wire.let_go();
    assert_eq!(poll(&mut first).unwrap().unwrap().buffer, b"old");
    assert_eq!(poll(&mut late).unwrap().unwrap().buffer, b"new");
}

/// A far side that panics in a read, when it is let go.
struct Own {
    memory: MemoryProvider,
    panics: AtomicBool,
    polls: AtomicU64,
    go: Arc<AtomicBool>,
}

impl Own {
    fn new() -> Own {
        Own {
            memory: MemoryProvider::new(near()),
            panics: AtomicBool::new(false),
            polls: AtomicU64::new(0),
            go: Arc::default(),
        }
    }
}

impl Provider for Own {
    fn name(&self) -> &str {
        "own"
    }
    fn capabilities(&self) -> Capabilities {
        let mut able = Capabilities::in_process();
        able.invalidations = true;
        able.tokens = false;
        able
    }
    fn get<'a>(&'a self, key: &[u8], buffer: Vec<u8>) -> Reply<'a, Read> {
        if self.panics.load(Ordering::SeqCst) {
            return Reply::pending(std::future::poll_fn(move |_| {
                self.polls.fetch_add(1, Ordering::SeqCst);
                assert!(!self.go.load(Ordering::SeqCst), "the far side broke");
                Poll::Pending
            }));
        }
        self.memory.get(key, buffer)
    }
    fn set<'a>(&'a self, key: &[u8], value: &[u8], options: SetOptions) -> Reply<'a, SetOutcome> {
        self.memory.set(key, value, options)
    }
    fn delete<'a>(&'a self, key: &[u8]) -> Reply<'a, bool> {
        self.memory.delete(key)
    }
    fn ttl<'a>(&'a self, key: &[u8]) -> Reply<'a, TtlState> {
        self.memory.ttl(key)
    }
    fn expire<'a>(&'a self, key: &[u8], ttl: Ttl) -> Reply<'a, bool> {
        self.memory.expire(key, ttl)
    }
    fn scan<'a>(&'a self, prefix: &[u8], cursor: Option<&Cursor>) -> Reply<'a, Page> {
        self.memory.scan(prefix, cursor)
    }
    fn clear<'a>(&'a self, prefix: &[u8]) -> Reply<'a, ()> {
        self.memory.clear(prefix)
    }
    fn stats(&self) -> Reply<'_, Stats> {
        self.memory.stats()
    }
    fn record_lookups(&self, lookups: Lookups) {
        self.memory.record_lookups(lookups);
    }
    fn close(&self) -> Reply<'_, ()> {
        self.memory.close()
    }
    fn invalidations(&self, _prefix: &[u8], sink: InvalidationSink) -> Option<Subscription> {
        sink(Invalidation::Alive(Duration::from_secs(3600)));
        Some(Subscription::new(sink))
    }
}

struct Woken(AtomicBool);
impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A far side that panics while one caller polls the read: the others are not left waiting.
#[test]
fn a_panic_of_the_far_side_leaves_nobody_waiting() {
    let own = Own::new();
    let go = Arc::clone(&own.go);
    own.panics.store(true, Ordering::SeqCst);
    let tier = TieredProvider::builder(near(), ProviderHandle::new(own)).build().unwrap();
    let tier = ProviderHandle::new(tier);
    let (noop, woken) = (Waker::noop(), Arc::new(Woken(AtomicBool::new(false))));
    let mut first = tier.provider().get_value(KEY, Vec::new());
    assert!(Pin::new(&mut first).poll(&mut Context::from_waker(noop)).is_pending());
    let waker = Waker::from(Arc::clone(&woken));
    let mut joined = tier.provider().get_value(KEY, Vec::new());
    assert!(Pin::new(&mut joined).poll(&mut Context::from_waker(&waker)).is_pending());
    go.store(true, Ordering::SeqCst);
    let first = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || poll(&mut first).is_some()));
    println!("the first: {first:?}, the joined was woken: {}", woken.0.load(Ordering::SeqCst));
    let joined = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        poll(&mut joined).map(|answer| answer.map(|_| ()))
    }));
    println!("the joined, when polled: {joined:?}");
    assert!(first.is_ok() || woken.0.load(Ordering::SeqCst), "it waits for ever");
    assert!(joined.is_ok(), "the panic is another call's");
}

/// Who was told that a key is gone does not read it afterwards.
#[test]
fn what_is_said_to_be_gone_is_not_read_afterwards() {
    type Look = fn(&dyn Provider) -> bool;
    let looks: [Look; 2] =
        [|tier| tier.exists(KEY).wait().unwrap(), |tier| tier.ttl(KEY).wait().unwrap() != TtlState::Missing];
    for is_there in looks {
        let (far, wire) = far();
        let tier = ProviderHandle::new(TieredProvider::builder(near(), far.clone()).build().unwrap());
        let tier = &**tier.provider();
        get(tier);
        set(&**far.provider(), b"old");
        assert!(is_there(tier) && get(tier).is_some() && tier.get_value(KEY, Vec::new()).is_ready());
        // The push is on its way.
        wire.by_hand();
        far.provider().delete(KEY).wait().unwrap();
        assert!(!is_there(tier));
        assert_eq!(get(tier), None);
    }
}

#[test]
fn an_address_with_a_typing_error_shows_no_secret() {
    for far in [
        "redis//:sentinel-5f3a@host",
        "redis:/ann:sentinel-5f3a@host",
        "redis://ann:sentinel-5f3a@host:x",
        "postgres://ann:sentinel-5f3a@host",
    ] {
        let error = zbz_cache::new_provider("tiered", zbz_cache::options! { "far" => far }).unwrap_err();
        println!("{far}: {error}");
        assert!(!format!("{error} {error:?}").contains("sentinel-5f3a"), "{error}");
    }
}

/// One key does not wait for another caller's batch, and what that brings is not kept over it.
#[test]
fn a_get_reads_for_itself_beside_a_batch_and_is_what_is_kept() {
    let (far, wire) = far();
    let tier = ProviderHandle::new(TieredProvider::builder(near(), far.clone()).build().unwrap());
    let tier = &**tier.provider();
    get(tier);
    set(&**far.provider(), b"1");
    wire.hold();
    let before = wire.reads();
    let mut batch = tier.get_values(&[KEY, b"t:other"], Default::default());
    assert!(poll(&mut batch).is_none());
    // The change is not told yet.
    wire.by_hand();
    let mut write = far.provider().set(KEY, b"2", SetOptions::new(Ttl::Never));
    assert!(poll(&mut write).is_none());
    let mut alone: Vec<_> = (0..3).map(|_| tier.get_value(KEY, Vec::new())).collect();
    assert!(alone.iter_mut().all(|alone| poll(alone).is_none()));
    assert_eq!(wire.reads(), before + 3, "two in the batch, and one for all who are alone");
    wire.let_go();
    for alone in &mut alone {
        assert_eq!(poll(alone).unwrap().unwrap().buffer, b"2");
    }
    assert_eq!(poll(&mut batch).unwrap().unwrap().get(0).unwrap().0, b"1");
    assert_eq!(get(tier).as_deref(), Some(&b"2"[..]), "nobody goes back");
    assert!(tier.get_value(KEY, Vec::new()).is_ready() && !tier.get_value(b"t:other", Vec::new()).is_ready());
}
