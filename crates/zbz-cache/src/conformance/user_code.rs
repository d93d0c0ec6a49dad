//! Cases about user code that runs inside a call, and about the futures of the typed handle.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::thread;

use super::fixture::{Case, Fixture, Verdict, case, values_of};
use crate::{Cache, Codec, Contract, Result, Ttl};

pub(super) const CASES: &[Case] = &[
    case("a panicking codec affects only the call it runs in", panicking_codec),
    case("a codec may use the same cache", reentrant_codec),
    case("caches and futures are Send for every value type", futures_are_send),
    case("a future that was never polled does nothing", dropped_unpolled),
    case("a call whose future is dropped half-way took effect or did not", dropped_half_way),
];

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// Panics on the values that say so.
struct Panicking(Arc<AtomicU8>);

const NOWHERE: u8 = 0;
const ENCODING: u8 = 1;
const DECODING: u8 = 2;

impl Panicking {
    fn reach(&self, place: u8) {
        if self.0.load(Ordering::SeqCst) == place {
            // A panic without a report, since it is expected.
            resume_unwind(Box::new("a codec that panics"));
        }
    }
}

impl Codec<String> for Panicking {
    fn id(&self) -> u8 {
        201
    }

    fn encode(&self, value: &String, bytes: &mut Vec<u8>) -> Result<()> {
        bytes.extend_from_slice(value.as_bytes());
        self.reach(ENCODING);
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Option<String> {
        self.reach(DECODING);
        text(bytes)
    }
}

fn panicking_codec(fixture: &Fixture<'_>) -> Verdict {
    let place = Arc::new(AtomicU8::new(NOWHERE));
    let codec = Panicking(Arc::clone(&place));
    let contract = Contract::<String>::with_codec(&fixture.namespace, fixture.provider(), codec);
    let cache = contract.expect("the contract opens").cache().blocking();
    let (old, new) = ("old".to_owned(), "new".to_owned());
    for round in 0..3 {
        place.store(NOWHERE, Ordering::SeqCst);
        cache.set("k", &old, Ttl::Never).expect("set");
        place.store(ENCODING, Ordering::SeqCst);
        let set = catch_unwind(AssertUnwindSafe(|| cache.set("k", &new, Ttl::Never)));
        assert!(set.is_err(), "the panic reaches the caller");
        let set = catch_unwind(AssertUnwindSafe(|| cache.set_multi([("k", &new)], Ttl::Never)));
        assert!(set.is_err(), "the panic reaches the caller");
        place.store(DECODING, Ordering::SeqCst);
        assert!(catch_unwind(AssertUnwindSafe(|| cache.get("k"))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| cache.get_multi(["k"]))).is_err());
        place.store(NOWHERE, Ordering::SeqCst);
        // The same key, from this thread and another one.
        assert_eq!(cache.get("k").expect("get").as_ref(), Some(&old), "round {round}");
        let other = cache.clone();
        thread::spawn(move || {
            other.set("k", &"other".to_owned(), Ttl::Never).expect("set");
            assert_eq!(other.get("k").expect("get").as_deref(), Some("other"));
        })
        .join()
        .expect("the other thread is unharmed");
        assert_eq!(cache.keys("*").expect("keys"), ["k"]);
        assert!(cache.delete("k").expect("delete"));
    }
    Ok(())
}

/// Uses a cache while it works on the value "outer".
#[derive(Clone, Default)]
struct Reentrant(Arc<Mutex<Option<Cache<String>>>>);

impl Reentrant {
    fn visit(&self, value: &str) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(cache) = held.as_ref().filter(|_| value == "outer").map(Cache::blocking) else { return };
        drop(held);
        cache.set("inner", &"inside".to_owned(), Ttl::Never).expect("set from inside");
        assert_eq!(cache.get("inner").expect("get from inside").as_deref(), Some("inside"));
        // The key of the call itself.
        cache.exists("k").expect("exists from inside");
        cache.delete("k").expect("delete from inside");
        assert!(!cache.keys("*").expect("keys from inside").is_empty());
        cache.set("k", &"from inside".to_owned(), Ttl::Never).expect("set from inside");
    }
}

impl Codec<String> for Reentrant {
    fn id(&self) -> u8 {
        202
    }

    fn encode(&self, value: &String, bytes: &mut Vec<u8>) -> Result<()> {
        self.visit(value);
        bytes.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Option<String> {
        let value = text(bytes)?;
        self.visit(&value);
        Some(value)
    }
}

fn reentrant_codec(fixture: &Fixture<'_>) -> Verdict {
    let codec = Reentrant::default();
    let contract = Contract::<String>::with_codec(&fixture.namespace, fixture.provider(), codec.clone());
    let cache = contract.expect("the contract opens").cache();
    let inside = |cache: Option<Cache<String>>| {
        *codec.0.lock().unwrap_or_else(PoisonError::into_inner) = cache;
    };
    let (verbs, outer) = (cache.blocking(), "outer".to_owned());
    for _ in 0..3 {
        inside(Some(cache.clone()));
        verbs.set("k", &outer, Ttl::Never).expect("set");
        // The read returns the value from before, although the codec wrote another one meanwhile.
        assert_eq!(verbs.get("k").expect("get"), Some(outer.clone()));
        assert_eq!(verbs.get("k").expect("get").as_deref(), Some("from inside"));
        verbs.set_multi([("k", &outer), ("other", &outer)], Ttl::Never).expect("set_multi");
        let each = values_of(verbs.get_each(["k", "other"]), "get_each");
        assert_eq!(each, [Some(outer.clone()), Some(outer.clone())]);
        // The codec holds the cache that holds the codec.
        inside(None);
        verbs.clear().expect("clear");
    }
    Ok(())
}

/// Values that are not Send.
struct Counted;

impl Codec<Rc<String>> for Counted {
    fn id(&self) -> u8 {
        203
    }

    fn encode(&self, value: &Rc<String>, bytes: &mut Vec<u8>) -> Result<()> {
        bytes.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Option<Rc<String>> {
        text(bytes).map(Rc::new)
    }
}

fn send<F: Future + Send>(future: F) -> F {
    future
}

fn futures_are_send(fixture: &Fixture<'_>) -> Verdict {
    fn shared<T: Send + Sync + Clone>(value: T) -> T {
        value
    }
    let contract = Contract::<Rc<String>>::with_codec(&fixture.namespace, fixture.provider(), Counted);
    let cache = shared(contract.expect("the contract opens").cache());
    let value = Rc::new("v".to_owned());
    let writes = async {
        send(cache.set("k", &value, Ttl::Never)).await?;
        send(cache.set_multi([("a", value.clone())], Ttl::Never)).await
    };
    pollster::block_on(writes).expect("writes");
    let work = async {
        assert!(send(cache.get("k")).await?.is_some());
        assert_eq!(send(cache.get_multi(["k", "a"])).await?.len(), 2);
        assert!(send(cache.get_each(["k"])).await.remove(0)?.is_some());
        assert!(send(cache.exists("k")).await?);
        assert!(send(cache.expire("k", Ttl::Never)).await?);
        assert!(send(cache.persist("k")).await?);
        send(cache.ttl("k")).await?;
        assert_eq!(send(cache.keys("*")).await?.len(), 2);
        send(cache.keys_page("*", None)).await?;
        send(cache.stats()).await?;
        assert!(send(cache.delete("k")).await?);
        assert_eq!(send(cache.delete_multi(["a"])).await?, 1);
        send(cache.clear()).await
    };
    thread::scope(|scope| scope.spawn(|| pollster::block_on(work)).join())
        .expect("no panic")
        .expect("every verb works on another thread");
    Ok(())
}

fn dropped_unpolled(fixture: &Fixture<'_>) -> Verdict {
    let verbs = fixture.cache();
    let (cache, old, new) = (verbs.cache(), b"old".to_vec(), b"new".to_vec());
    verbs.set("k", &old, Ttl::Never).expect("set");
    let before = verbs.stats().expect("stats");
    drop(cache.set("k", &new, Ttl::Never));
    drop(cache.set("fresh", &new, Ttl::Never));
    drop(cache.set_multi([("k", &new), ("fresh", &new)], Ttl::Never));
    drop(cache.delete("k"));
    drop(cache.delete_multi(["k"]));
    drop(cache.expire("k", std::time::Duration::ZERO));
    drop(cache.clear());
    drop(cache.get("k"));
    drop(cache.get_multi(["k"]));
    let after = verbs.stats().expect("stats");
    assert_eq!((after.sets, after.deletes), (before.sets, before.deletes));
    assert_eq!((after.hits, after.misses), (before.hits, before.misses));
    assert_eq!(verbs.get("k").expect("get"), Some(old));
    assert_eq!(verbs.keys("*").expect("keys"), ["k"]);
    Ok(())
}

fn poll_once(future: impl Future) {
    let mut future = pin!(future);
    let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

fn dropped_half_way(fixture: &Fixture<'_>) -> Verdict {
    let verbs = fixture.cache();
    let (cache, old, new) = (verbs.cache(), vec![b'o'; 3000], vec![b'n'; 5000]);
    for round in 0..50 {
        verbs.set("k", &old, Ttl::Never).expect("set");
        verbs.set("d", &old, Ttl::Never).expect("set");
        poll_once(cache.set("k", &new, Ttl::Never));
        poll_once(cache.delete("d"));
        poll_once(cache.get("k"));
        poll_once(cache.get_multi(["k", "d"]));
        let value = verbs.get("k").expect("get").expect("the entry always exists");
        assert!(value == old || value == new, "round {round}: neither the old value nor the new one");
        let deleted = verbs.get("d").expect("get");
        assert!(deleted.is_none() || deleted == Some(old.clone()), "round {round}");
    }
    // A write whose future was dropped may still take effect, so other keys are read.
    verbs.set("later", &new, Ttl::Never).expect("set");
    assert_eq!(verbs.get("later").expect("get"), Some(new));
    Ok(())
}
