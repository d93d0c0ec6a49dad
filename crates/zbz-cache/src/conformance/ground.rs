//! What every row stands on: its own names, providers, a way through time, and small helpers.
//!
//! Real time is only ever trusted in the safe direction: an entry must be there if it is surely
//! before its deadline still, and gone if that is surely past. A slow machine makes the suite
//! check less, never fail.

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

/// Why a row does not apply.
pub(super) type NotApplicable = &'static str;

/// How a row ends that does not panic.
pub(super) type Verdict = Result<(), NotApplicable>;

/// One behaviour and its check.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) run: fn(&Ground<'_>) -> Verdict,
}

pub(super) const fn row(name: &'static str, run: fn(&Ground<'_>) -> Verdict) -> Row {
    Row { name, run }
}

pub(super) type Bytes = BlockingCache<Vec<u8>>;

/// A time to live that a row waits for.
pub(super) const SHORT: Duration = Duration::from_millis(150);

/// A time to live that no row outlives.
pub(super) const LONG: Duration = Duration::from_secs(3600);

/// How far from a deadline real time has to be to say on which side it is.
const SLACK: Duration = Duration::from_millis(60);

/// The ground of one row.
pub(super) struct Ground<'a> {
    harness: &'a Harness,
    /// A namespace that nobody else uses, of `a-z`, `0-9` and `-`.
    pub(super) space: String,
}

impl<'a> Ground<'a> {
    pub(super) fn new(harness: &'a Harness, index: usize) -> Self {
        let nonce = RandomState::new().hash_one(index);
        Ground { harness, space: format!("row{index}-{nonce:016x}") }
    }

    /// A roomy provider.
    pub(super) fn provider(&self) -> ProviderHandle {
        (self.harness.factory)(Setup::Default).expect("every harness makes Setup::Default")
    }

    /// # Errors
    ///
    /// The harness has none of that kind.
    pub(super) fn provider_of(&self, setup: Setup) -> Result<ProviderHandle, NotApplicable> {
        (self.harness.factory)(setup).ok_or("the harness makes no provider with such a limit")
    }

    /// A raw contract of this row's namespace on a roomy provider of its own.
    pub(super) fn cache(&self) -> Bytes {
        bytes(&self.space, &self.provider())
    }

    /// A clock that starts at zero now.
    pub(super) fn time(&self) -> Time<'a> {
        let advance = self.harness.advance.as_deref();
        Time { advance, started: Instant::now(), waiting_since: Cell::new(None), passed: Cell::default() }
    }
}

/// The time since a row began to write.
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

    /// Checks what holds before `at`, unless real time has come too near to say.
    pub(super) fn before(&self, at: Duration, holds: bool, what: &str) {
        let surely = match self.advance {
            Some(_) => self.passed.get() < at,
            None => self.started.elapsed() + SLACK < at,
        };
        assert!(holds || !surely, "before its deadline: {what}");
    }

    /// Goes to the last moment before `at`, where time is exact.
    pub(super) fn go_just_before(&self, at: Duration) {
        if self.is_exact() {
            self.go(at.saturating_sub(Duration::from_nanos(1)));
        }
    }

    /// Goes to `at` exactly; real time safely past it, counted from the first such wait.
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

/// A raw contract about byte strings.
pub(super) fn bytes(namespace: &str, handle: &ProviderHandle) -> Bytes {
    let contract = Contract::<Vec<u8>>::raw(namespace, handle.clone());
    contract.expect("a raw contract opens").cache().blocking()
}

/// The stored key of a name in a namespace without signs that joining escapes.
pub(super) fn stored(namespace: &str, name: &str) -> Vec<u8> {
    format!("{namespace}:{name}").into_bytes()
}

/// The provider's own answer for a stored key.
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

/// The provider's own set, which must not fail.
pub(super) fn put(provider: &dyn Provider, key: &[u8], value: &[u8], options: SetOptions) -> SetOutcome {
    provider.set(key, value, options).wait().expect("a set answers")
}

pub(super) fn put_always(provider: &dyn Provider, key: &[u8], value: &[u8]) {
    let outcome = put(provider, key, value, SetOptions::new(Ttl::Never));
    assert_eq!(outcome, SetOutcome::Stored, "a set without a condition stores");
}

/// The kind of an error there has to be.
pub(super) fn kind_of<T: Debug>(answer: Result<T>) -> ErrorKind {
    answer.expect_err("an error was due").kind()
}

/// Every verb on one name, writes and all.
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

/// Checks that nothing is there under a name, by every verb that can tell.
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

/// The answers of a batch none of which failed.
pub(super) fn values_of<T>(each: Vec<Result<T>>, why: &str) -> Vec<T> {
    each.into_iter().map(|answer| answer.expect(why)).collect()
}

/// What was listed, in order.
pub(super) fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// Runs `work` on so many threads at once; a panic of one is the caller's.
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

/// Says that something is done when it is dropped, by a panic too, so that nobody waits for ever.
pub(super) struct Done<'a>(pub(super) &'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Bytes that only fit this name and number: `len` of them.
pub(super) fn made_for(name: &str, number: usize, len: usize) -> Vec<u8> {
    let mut state = number as u64;
    for byte in name.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut value = Vec::with_capacity(len + 8);
    while value.len() < len {
        // The upper bits of such a sequence are the random ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value.extend_from_slice(&(state >> 24).to_le_bytes()[..5]);
    }
    value.truncate(len);
    value
}
