//! [`Fixture`]: the namespace, the providers and the clock of one case; and helpers for cases.
//!
//! In real time only certain facts are checked: an entry must exist if its deadline is certainly ahead,
//! and must be gone if its deadline has certainly passed. On a slow machine the suite checks less, but
//! never fails for that.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::fmt::Debug;
use std::hash::BuildHasher;
use std::panic::resume_unwind;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Harness, Setup};
use crate::provider::{Found, Provider, SetOptions, SetOutcome};
use crate::{BlockingCache, Contract, ErrorKind, ProviderHandle, Result, Ttl, TtlState};

/// Why a case does not apply.
pub(super) type NotApplicable = &'static str;

/// The outcome of a case that does not panic.
pub(super) type Verdict = Result<(), NotApplicable>;

/// One behaviour, and the function that checks it.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) run: fn(&Fixture<'_>) -> Verdict,
}

pub(super) const fn case(name: &'static str, run: fn(&Fixture<'_>) -> Verdict) -> Case {
    Case { name, run }
}

pub(super) type Bytes = BlockingCache<Vec<u8>>;

/// A TTL whose end a case waits for.
pub(super) const SHORT: Duration = Duration::from_millis(150);

/// A TTL longer than any case.
pub(super) const LONG: Duration = Duration::from_secs(3600);

/// The distance from a deadline at which real time certainly lies on one side of it.
const SLACK: Duration = Duration::from_millis(60);

/// The fixture of one case.
pub(super) struct Fixture<'a> {
    harness: &'a Harness,
    /// A unique namespace of `a-z`, `0-9` and `-`.
    pub(super) namespace: String,
}

impl<'a> Fixture<'a> {
    pub(super) fn new(harness: &'a Harness, index: usize) -> Self {
        let nonce = RandomState::new().hash_one(index);
        Fixture { harness, namespace: format!("case{index}-{nonce:016x}") }
    }

    /// A provider of [`Setup::Default`].
    pub(super) fn provider(&self) -> ProviderHandle {
        (self.harness.factory)(Setup::Default).expect("every harness makes Setup::Default")
    }

    /// # Errors
    ///
    /// The harness does not make such a provider.
    pub(super) fn provider_of(&self, setup: Setup) -> Result<ProviderHandle, NotApplicable> {
        (self.harness.factory)(setup).ok_or("the harness makes no provider with such a limit")
    }

    /// A raw contract of this case's namespace, on a new provider of [`Setup::Default`].
    pub(super) fn cache(&self) -> Bytes {
        bytes(&self.namespace, &self.provider())
    }

    /// A clock that starts at zero now.
    pub(super) fn time(&self) -> Time<'a> {
        let advance = self.harness.advance.as_deref();
        Time { advance, started: Instant::now(), waiting_since: Cell::new(None), passed: Cell::default() }
    }
}

/// The time since a case began to write.
pub(super) struct Time<'a> {
    advance: Option<&'a dyn Fn(Duration)>,
    started: Instant,
    waiting_since: Cell<Option<Instant>>,
    passed: Cell<Duration>,
}

impl Time<'_> {
    /// Whether deadlines can be checked to the nanosecond.
    pub(super) fn is_exact(&self) -> bool {
        self.advance.is_some()
    }

    /// Checks that `holds` is true before `at`, unless real time is too near to `at` to tell.
    pub(super) fn before(&self, at: Duration, holds: bool, what: &str) {
        let surely = match self.advance {
            Some(_) => self.passed.get() < at,
            None => self.started.elapsed() + SLACK < at,
        };
        assert!(holds || !surely, "before its deadline: {what}");
    }

    /// With an exact clock, goes to the last nanosecond before `at`.
    pub(super) fn go_just_before(&self, at: Duration) {
        if self.is_exact() {
            self.go(at.saturating_sub(Duration::from_nanos(1)));
        }
    }

    /// Goes to `at` exactly; in real time safely past it, counted from the first call.
    pub(super) fn go(&self, at: Duration) {
        if let Some(advance) = self.advance {
            advance(at.saturating_sub(self.passed.get()));
            self.passed.set(at);
            return;
        }
        let since = self.waiting_since.get().unwrap_or_else(Instant::now);
        self.waiting_since.set(Some(since));
        thread::sleep((since + at + SLACK).saturating_duration_since(Instant::now()));
    }
}

/// A raw contract of byte strings.
pub(super) fn bytes(namespace: &str, handle: &ProviderHandle) -> Bytes {
    let contract = Contract::<Vec<u8>>::raw(namespace, handle.clone());
    contract.expect("a raw contract opens").cache().blocking()
}

/// The stored key of a name, for a namespace without characters that joining escapes.
pub(super) fn stored(namespace: &str, name: &str) -> Vec<u8> {
    format!("{namespace}:{name}").into_bytes()
}

/// Reads a stored key from the provider itself.
pub(super) fn look(provider: &dyn Provider, key: &[u8]) -> Option<(Vec<u8>, Found)> {
    let read = provider.get(key, b"old contents".to_vec()).wait().expect("a get answers");
    if read.found.is_none() {
        assert!(read.buffer.is_empty(), "a miss empties the buffer");
    }
    read.found.map(|found| (read.buffer, found))
}

pub(super) fn value_at(provider: &dyn Provider, key: &[u8]) -> Option<Vec<u8>> {
    look(provider, key).map(|(value, _)| value)
}

/// Sets through the provider itself; must not fail.
pub(super) fn put(provider: &dyn Provider, key: &[u8], value: &[u8], options: SetOptions) -> SetOutcome {
    provider.set(key, value, options).wait().expect("a set answers")
}

pub(super) fn put_always(provider: &dyn Provider, key: &[u8], value: &[u8]) {
    let outcome = put(provider, key, value, SetOptions::new(Ttl::Never));
    assert_eq!(outcome, SetOutcome::Stored, "a set without a condition stores");
}

/// The kind of the error that `answer` has to be.
pub(super) fn kind_of<T: Debug>(answer: Result<T>) -> ErrorKind {
    answer.expect_err("an error was expected").kind()
}

/// Calls every verb on one name, writes included.
pub(super) fn every_verb(cache: &Bytes, name: &str) -> Vec<(&'static str, Result<()>)> {
    let value = b"from every verb".to_vec();
    vec![
        ("get", cache.get(name).map(drop)),
        ("set", cache.set(name, &value, Ttl::Never)),
        ("exists", cache.exists(name).map(drop)),
        ("ttl", cache.ttl(name).map(drop)),
        ("expire", cache.expire(name, LONG).map(drop)),
        ("persist", cache.persist(name).map(drop)),
        ("get_multi", cache.get_multi([name]).map(drop)),
        ("get_each", cache.get_each([name]).into_iter().try_for_each(|answer| answer.map(drop))),
        ("set_multi", cache.set_multi([(name, &value)], Ttl::Never)),
        ("delete", cache.delete(name).map(drop)),
        ("delete_multi", cache.delete_multi([name]).map(drop)),
    ]
}

/// Checks by every verb that can tell that a name has no entry.
pub(super) fn assert_absent(cache: &Bytes, name: &str) {
    let why = "an absent key answers";
    assert_eq!(cache.get(name).expect(why), None);
    assert!(!cache.exists(name).expect(why), "exists");
    assert_eq!(cache.ttl(name).expect(why), TtlState::Missing);
    assert!(cache.get_multi([name]).expect(why).is_empty(), "get_multi");
    assert_eq!(values_of(cache.get_each([name]), why), [None]);
    assert!(!cache.expire(name, LONG).expect(why), "expire");
    assert!(!cache.persist(name).expect(why), "persist");
    assert!(!cache.delete(name).expect(why), "delete");
    assert_eq!(cache.delete_multi([name]).expect(why), 0);
}

/// The values of a batch in which no name failed.
pub(super) fn values_of<T>(each: Vec<Result<T>>, why: &str) -> Vec<T> {
    each.into_iter().map(|answer| answer.expect(why)).collect()
}

/// The names in order.
pub(super) fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// Runs `work` on `threads` threads at once; panics if one does.
pub(super) fn race<R: Send>(threads: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let (line, work) = (&Barrier::new(threads), &work);
    thread::scope(|scope| {
        let start = |index| {
            scope.spawn(move || {
                line.wait();
                work(index)
            })
        };
        let running: Vec<_> = (0..threads).map(start).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Sets its flag when it is dropped, even by a panic, so that no thread waits for ever.
pub(super) struct Done<'a>(pub(super) &'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// `len` bytes that depend on this name and number.
pub(super) fn made_for(name: &str, number: usize, len: usize) -> Vec<u8> {
    let mut state = number as u64;
    for byte in name.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut value = Vec::with_capacity(len + 8);
    while value.len() < len {
        // Only the upper bits of such a sequence are random.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value.extend_from_slice(&(state >> 24).to_le_bytes()[..5]);
    }
    value.truncate(len);
    value
}
