//! [`Work`]: one flight, from its loader to its end.
//!
//! ```text
//!   Starting --> Idle <--> Polled --.                  a loader that is a future
//!                  |                 \
//!                  '-----------------> Ending --> Ended
//!                                    /
//!                  Blocking --------'                  a loader on its caller's thread
//! ```
//!
//! The waiter that is polled next polls the future. A wake goes to all waiters, so a waiter that is
//! kept but never polled delays no other. When the last caller that wants the outcome leaves an idle
//! flight, the flight ends without one. In every case the future is dropped first, then the keys
//! leave the table, and then all waiting callers are woken.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_timer::Delay;

use super::handed::Handed;
use super::inside::{Loading, panicked};
use super::sync::{AtomicBool, Condvar, Mutex, MutexGuard};
use super::{Flights, Plan, Requested, lock};
use crate::error::Result;
use crate::provider::Token;
use crate::ttl::Ttl;

/// A loaded value in the form that a flight shares between its callers.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    /// As it is stored.
    Bytes(Bytes),
}

/// The outcome of a load for one key.
#[derive(Debug, Clone)]
pub(crate) struct LoadedKey {
    /// `None`: the key is absent, and the contract has no encoding for an absence.
    pub(crate) payload: Option<Payload>,
    /// The time it was stored for; `None` if it was not.
    pub(crate) stored: Option<Ttl>,
}

/// How a flight ended, for each of its keys in their order.
pub(crate) type Published = Arc<[Result<LoadedKey>]>;

pub(super) type Job = Pin<Box<dyn Future<Output = Vec<Result<LoadedKey>>> + Send>>;

/// One key of a flight.
#[derive(Debug)]
pub(crate) struct FlightKey {
    pub(crate) key: Box<[u8]>,
    pub(crate) token: Token,
    /// Whether the provider did not answer the look that led to this load: its value is not stored.
    pub(crate) is_unread: bool,
    /// The remaining TTL of a stale entry when the flight began.
    stale: Option<Duration>,
    /// Its remaining TTL when the loader failed.
    left: OnceLock<Duration>,
}

impl FlightKey {
    pub(super) fn new(requested: &Requested<'_>) -> Self {
        let Requested { key, stale, is_unread } = *requested;
        FlightKey { key: key.into(), token: Token::new(), is_unread, stale, left: OnceLock::new() }
    }
}

pub(crate) struct Work {
    pub(crate) keys: Box<[FlightKey]>,
    pub(super) flights: Arc<Flights>,
    pub(crate) begun: Instant,
    cool_down: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    /// True from the end of the flight on; kept by threads that have polled it (`polled.rs`).
    pub(super) is_over: Arc<AtomicBool>,
    pub(super) ends_at: Option<Instant>,
    pub(super) state: Mutex<WorkState>,
    /// For callers that block.
    pub(super) changed: Condvar,
    /// Wakes the async waiters of a flight that has a timeout. Never locked inside the state.
    pub(super) timer: Mutex<Timer>,
}

pub(super) enum Timer {
    Unarmed,
    /// Armed by the first waiter that is polled. Holds the flight, so it is dropped when that ends.
    Armed(#[expect(dead_code, reason = "kept so that it fires")] Delay),
    Over,
}

pub(super) struct WorkState {
    pub(super) stage: Stage,
    /// How many async callers want the outcome.
    pub(super) wanting: usize,
    /// Whether the future was woken since it was last polled.
    woken: bool,
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
    /// The executor that has the first waiter, for a background refresh.
    pub(super) handed: Option<Handed>,
}

pub(super) enum Stage {
    Starting,
    Idle(Job),
    Polled,
    Blocking,
    /// The loader has ended; the keys are still in the table.
    Ending,
    /// `None`: ended without an outcome.
    Ended(Option<Published>),
}

impl WorkState {
    /// Keeps the waker of one waiter, in its slot.
    pub(super) fn register(&mut self, slot: &mut Option<usize>, waker: &Waker) {
        let slot = *slot.get_or_insert_with(|| {
            self.free.pop().unwrap_or_else(|| {
                self.wakers.push(None);
                self.wakers.len() - 1
            })
        });
        match &mut self.wakers[slot] {
            Some(kept) if kept.will_wake(waker) => {}
            kept => *kept = Some(waker.clone()),
        }
    }

    pub(super) fn forget(&mut self, slot: usize) -> Option<Waker> {
        self.free.push(slot);
        self.wakers[slot].take()
    }

    /// The future, if it is this caller's turn to poll it.
    pub(super) fn take_job(&mut self) -> Option<Job> {
        if !self.woken || !matches!(self.stage, Stage::Idle(_)) {
            return None;
        }
        self.woken = false;
        match std::mem::replace(&mut self.stage, Stage::Polled) {
            Stage::Idle(job) => Some(job),
            _ => None,
        }
    }

    /// Whether its only waiter is with an executor that has not begun it.
    pub(super) fn is_unbegun(&self) -> bool {
        let is_handed = self.handed.as_ref().is_some_and(|handed| !handed.is_begun);
        is_handed && self.wanting == 1 && matches!(self.stage, Stage::Idle(_))
    }

    pub(super) fn take_wakers(&mut self) -> Vec<Waker> {
        self.wakers.iter_mut().filter_map(Option::take).collect()
    }
}

pub(super) fn wake_all(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

impl Work {
    pub(super) fn new(flights: Arc<Flights>, keys: Vec<FlightKey>, plan: Plan) -> Self {
        let begun = Instant::now();
        let (stage, wanting) = if plan.blocking { (Stage::Blocking, 0) } else { (Stage::Starting, 1) };
        let (wakers, free) = (Vec::new(), Vec::new());
        Work {
            keys: keys.into(),
            flights,
            begun,
            cool_down: plan.cool_down,
            timeout: plan.timeout,
            is_over: Arc::default(),
            ends_at: plan.timeout.and_then(|span| begun.checked_add(span)),
            state: Mutex::new(WorkState { stage, wanting, woken: false, wakers, free, handed: None }),
            changed: Condvar::new(),
            timer: Mutex::new(Timer::Unarmed),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, WorkState> {
        lock(&self.state)
    }

    /// Begins the loader: `start` makes its future, and may panic like the future itself.
    pub(crate) fn launch<F>(self: &Arc<Self>, start: impl FnOnce() -> F)
    where
        F: Future<Output = Vec<Result<LoadedKey>>> + Send + 'static,
    {
        let job = {
            let _inside = Loading::enter(self);
            catch_unwind(AssertUnwindSafe(|| Box::pin(start())))
        };
        let job = match job {
            Ok(job) => job,
            Err(panic) => return self.fail(&panicked(&*panic)),
        };
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Starting) {
            drop(state);
            return self.drop_job(job);
        }
        state.stage = Stage::Idle(job);
        state.woken = true;
        let wakers = state.take_wakers();
        drop(state);
        wake_all(wakers);
    }

    /// Runs a loader on this thread, and returns its outcome even if the flight was ended meanwhile.
    pub(crate) fn run(self: &Arc<Self>, load: impl FnOnce() -> Vec<Result<LoadedKey>>) -> Published {
        let loaded = {
            let _inside = Loading::enter(self);
            catch_unwind(AssertUnwindSafe(load))
        };
        let published: Published = match loaded {
            Ok(loaded) => loaded.into(),
            Err(panic) => self.failure(&panicked(&*panic)),
        };
        self.end(Some(Arc::clone(&published)));
        published
    }

    /// Polls the future once. True if the flight has ended.
    pub(super) fn drive(self: &Arc<Self>, mut job: Job) -> bool {
        let waker = Waker::from(Arc::clone(self));
        let polled = {
            let _inside = Loading::enter(self);
            let poll = || job.as_mut().poll(&mut Context::from_waker(&waker));
            catch_unwind(AssertUnwindSafe(poll))
        };
        if let Ok(Poll::Pending) = polled {
            return self.put_back(job);
        }
        self.drop_job(job);
        match polled {
            Ok(Poll::Ready(loaded)) => self.end(Some(loaded.into())),
            Ok(Poll::Pending) => {}
            Err(panic) => self.fail(&panicked(&*panic)),
        }
        true
    }

    fn put_back(&self, job: Job) -> bool {
        let mut state = self.lock();
        if !matches!(state.stage, Stage::Polled) {
            drop(state);
            self.drop_job(job);
            return true;
        }
        state.stage = Stage::Idle(job);
        if state.wanting == 0 {
            drop(state);
            self.end_unwanted();
            return true;
        }
        // Waiters polled meanwhile found the future taken, so they have to be woken.
        let wakers = if state.woken { state.take_wakers() } else { Vec::new() };
        drop(state);
        wake_all(wakers);
        false
    }

    /// One async caller is gone.
    pub(super) fn leave(&self, state: MutexGuard<'_, WorkState>) {
        let (is_unbegun, wanting) = (state.is_unbegun(), state.wanting);
        let is_idle = matches!(state.stage, Stage::Idle(_) | Stage::Starting);
        drop(state);
        if wanting == 0 && is_idle {
            self.end_unwanted();
        } else if is_unbegun {
            // A blocked thread relied on the waiter that left.
            self.changed.notify_all();
        }
    }

    /// Ends the flight if it has timed out; otherwise arms the timer that wakes its waiters at the timeout.
    pub(super) fn watch_time(self: &Arc<Self>) {
        let Some(at) = self.ends_at else { return };
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return self.time_out();
        }
        let mut timer = lock(&self.timer);
        if matches!(*timer, Timer::Unarmed) {
            let mut delay = Delay::new(left);
            // Polled under this lock alone: it may wake at once, and waking takes the state's lock.
            let waker = Waker::from(Arc::clone(self));
            if Pin::new(&mut delay).poll(&mut Context::from_waker(&waker)).is_ready() {
                waker.wake();
            }
            *timer = Timer::Armed(delay);
        }
    }

    /// How long a failed refresh is not repeated: until the entry's remaining TTL falls to the duration,
    /// and at most until the instant.
    pub(super) fn cooling(&self, at: usize) -> Option<(Duration, Instant)> {
        let (own, span) = (&self.keys[at], self.cool_down?);
        let stale = own.stale?;
        // For a load that timed out or panicked the remaining TTL can only be estimated.
        let left = own.left.get().copied().unwrap_or_else(|| stale.saturating_sub(self.begun.elapsed()));
        Some((left.saturating_sub(span), Instant::now().checked_add(span)?))
    }

    /// Whether the remaining TTL of an entry whose refresh failed is needed.
    pub(crate) fn asks_what_is_left(&self, at: usize) -> bool {
        self.cool_down.is_some() && self.keys[at].stale.is_some()
    }

    pub(crate) fn tell_what_is_left(&self, at: usize, left: Duration) {
        // A second call would set the same value.
        let _ = self.keys[at].left.set(left);
    }
}

impl Wake for Work {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.lock();
        state.woken = true;
        let wakers = state.take_wakers();
        drop(state);
        wake_all(wakers);
    }
}
