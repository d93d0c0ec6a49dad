//! [`Subscribers`]: all subscribers of a provider, and the order in which they are called.
//!
//! - **One thread calls the sinks at a time**: messages are queued, and a thread that finds no other thread
//!   calling empties the queue. So sinks are called in the order of the queue, under no lock.
//! - **A session** is one set of connections to all primaries. Its `Lost` is sent once, and no `Alive` of it
//!   after that, whichever thread notices the loss first.
//! - **`Alive`** goes only to subscribers that joined before the proof was requested.

use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::provider::{Invalidation, InvalidationSink, Subscription};
use crate::providers::redis::config::address::Address;

/// How much longer than its proof allows a subscriber may believe an `Alive`; the promise about silent
/// connections includes this.
const MOST_LATE: Duration = Duration::from_millis(50);

/// The number of a session; later sessions have higher numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Session(u64);

/// A subscriber's number, in the order of joining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct JoinNumber(u64);

/// The subscribers that a proof covers, and the prefixes that they subscribed to.
pub(super) struct Coverage {
    upto: JoinNumber,
    /// Stored prefixes.
    pub(super) prefixes: Vec<Vec<u8>>,
}

/// One message to the subscribers: a push of a server, or a session that was proven or lost.
pub(super) enum Push {
    /// Stored keys.
    Keys(Vec<Vec<u8>>),
    All,
    Alive {
        upto: Coverage,
        until: Instant,
    },
    Lost,
}

struct Subscriber {
    place: JoinNumber,
    prefix: Vec<u8>,
    sink: InvalidationSink,
    /// It left. Never reset, and a call that began before may go on, so Relaxed suffices.
    gone: AtomicBool,
    /// Its last message was `Alive`, not `Lost`. Only the calling thread reads it, so Relaxed suffices.
    alive: AtomicBool,
}

struct Membership {
    /// Replaced as a whole, so that the calling thread can keep the old one.
    subscribers: Arc<[Arc<Subscriber>]>,
    joined: u64,
    pushes: VecDeque<Push>,
    is_told: bool,
    sessions: u64,
    /// The current session, if it is not lost.
    whole: Option<Session>,
    /// The servers that it has, or needs, connections to.
    reached: HashSet<Address>,
    /// Servers outside of the map at which keys were read or written.
    aside: Vec<Address>,
    watchdogs: u64,
    watchdog: Option<u64>,
    closed: bool,
}

/// All subscribers of a provider.
pub(in crate::providers::redis) struct Subscribers {
    /// The length of the provider's own prefix in each stored key.
    own: usize,
    state: Mutex<Membership>,
    /// Notified when the session is lost, or a subscriber joins.
    pub(super) changed: Notify,
    /// Notified when a subscriber leaves, or the provider is closed.
    left: Notify,
}

impl Subscribers {
    pub(in crate::providers::redis) fn new(key_prefix: &[u8]) -> Subscribers {
        let state = Membership {
            subscribers: Arc::new([]),
            joined: 0,
            pushes: VecDeque::new(),
            is_told: false,
            sessions: 0,
            whole: None,
            reached: HashSet::new(),
            aside: Vec::new(),
            watchdogs: 0,
            watchdog: None,
            closed: false,
        };
        let (changed, left) = (Notify::new(), Notify::new());
        Subscribers { own: key_prefix.len(), state: Mutex::new(state), changed, left }
    }

    fn state(&self) -> MutexGuard<'_, Membership> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are subscribers.
    pub(in crate::providers::redis) fn are_there(&self) -> bool {
        !self.state().subscribers.is_empty()
    }

    /// Adds a subscriber of a stored prefix. Also returns the watchdog to begin, if none runs.
    pub(super) fn join(
        self: &Arc<Self>,
        prefix: Vec<u8>,
        sink: InvalidationSink,
    ) -> (Subscription, Option<Watchdog>) {
        let mut state = self.state();
        state.joined += 1;
        let (gone, alive) = (AtomicBool::new(false), AtomicBool::new(false));
        let subscriber = Arc::new(Subscriber { place: JoinNumber(state.joined), prefix, sink, gone, alive });
        state.subscribers = state.subscribers.iter().chain([&subscriber]).cloned().collect();
        let watchdog = (state.watchdog.is_none() && !state.closed).then(|| {
            state.watchdogs += 1;
            state.watchdog = Some(state.watchdogs);
            Watchdog { subscribers: Arc::clone(self), number: state.watchdogs }
        });
        drop(state);
        self.changed.notify_one();
        (Subscription::new(Listening { subscribers: Arc::clone(self), subscriber }), watchdog)
    }

    fn leave(&self, subscriber: &Arc<Subscriber>) {
        subscriber.gone.store(true, Ordering::Relaxed);
        let mut state = self.state();
        let others = state.subscribers.iter().filter(|other| !Arc::ptr_eq(other, subscriber));
        let others = others.cloned().collect();
        let before = std::mem::replace(&mut state.subscribers, others);
        drop(state);
        // A sink is user code: no lock is held while it is dropped.
        drop(before);
        self.left.notify_one();
    }

    /// From here on subscribers receive only `Lost`.
    pub(in crate::providers::redis) fn close(&self) {
        self.state().closed = true;
        self.left.notify_one();
    }

    /// Begins a session: losses from here on concern it. Also returns the servers outside of the map that it
    /// needs.
    pub(super) fn begin(&self) -> (Session, Vec<Address>) {
        let mut state = self.state();
        state.sessions += 1;
        let session = Session(state.sessions);
        state.whole = Some(session);
        state.reached.clear();
        (session, std::mem::take(&mut state.aside))
    }

    /// Records a server that a session will connect to before any subscriber receives `Alive`.
    pub(super) fn reaches(&self, session: Session, address: &Address) {
        let mut state = self.state();
        if state.whole == Some(session) {
            state.reached.insert(address.clone());
        }
    }

    pub(super) fn is_whole(&self, session: Session) -> bool {
        self.state().whole == Some(session)
    }

    /// The subscribers covered by a proof that is requested after this.
    pub(super) fn heard(&self) -> Coverage {
        let state = self.state();
        let prefixes = state.subscribers.iter().map(|subscriber| subscriber.prefix.clone()).collect();
        Coverage { upto: JoinNumber(state.joined), prefixes }
    }

    /// Records that every connection of a session was proven; false if the session is lost already.
    pub(super) fn alive(&self, session: Session, upto: Coverage, until: Instant) -> bool {
        let state = self.state();
        let whole = state.whole == Some(session);
        if whole {
            self.tell(state, Push::Alive { upto, until });
        }
        whole
    }

    /// Records that a connection of a session broke, or may have missed a change.
    pub(super) fn lost(&self, session: Session) {
        let state = self.state();
        if state.whole == Some(session) {
            self.lose(state);
        }
    }

    /// Records that the owners of slots changed.
    pub(in crate::providers::redis) fn map_changed(&self) {
        let state = self.state();
        if state.whole.is_some() {
            self.lose(state);
        }
    }

    /// Records that a key is asked for at this server, once, because another server said so.
    pub(in crate::providers::redis) fn asked_aside(&self, address: &Address) {
        let mut state = self.state();
        if state.whole.is_some() && !state.reached.contains(address) {
            state.aside.push(address.clone());
            self.lose(state);
        }
    }

    fn lose(&self, mut state: MutexGuard<'_, Membership>) {
        state.whole = None;
        self.tell(state, Push::Lost);
        self.changed.notify_one();
    }

    /// Queues a push of a server.
    pub(super) fn hear(&self, push: Push) {
        self.tell(self.state(), push);
    }

    fn tell<'a>(&'a self, mut state: MutexGuard<'a, Membership>, push: Push) {
        state.pushes.push_back(push);
        if std::mem::replace(&mut state.is_told, true) {
            return;
        }
        while let Some(push) = state.pushes.pop_front() {
            let subscribers = Arc::clone(&state.subscribers);
            drop(state);
            for subscriber in subscribers.iter() {
                subscriber.told(&push, self.own);
            }
            drop(subscribers);
            state = self.state();
        }
        state.is_told = false;
    }

    /// Waits until no subscriber is left or the provider is closed, and dismisses the watchdog.
    pub(super) async fn ended(&self, watchdog: &Watchdog) {
        loop {
            {
                let state = self.state();
                if state.closed || state.subscribers.is_empty() {
                    return self.dismiss(state, watchdog);
                }
            }
            self.left.notified().await;
        }
    }

    fn dismiss(&self, mut state: MutexGuard<'_, Membership>, watchdog: &Watchdog) {
        if state.watchdog != Some(watchdog.number) {
            return;
        }
        state.watchdog = None;
        if state.whole.is_some() {
            self.lose(state);
        }
    }
}

impl Subscriber {
    fn told(&self, push: &Push, own: usize) {
        match push {
            Push::Keys(keys) => {
                for key in keys.iter().filter(|key| key.starts_with(&self.prefix)) {
                    self.call(Invalidation::Key(&key[own..]));
                }
            }
            Push::All => self.call(Invalidation::All),
            Push::Alive { upto, until } => {
                let begun = Instant::now();
                let span = until.saturating_duration_since(begun);
                if self.place <= upto.upto && !span.is_zero() {
                    self.alive.store(true, Ordering::Relaxed);
                    self.call(Invalidation::Alive(span));
                    // The sink counts the span from its own reading of the clock: if it, or the whole
                    // process, was delayed before that, it believes the message for too long.
                    if begun.elapsed() > MOST_LATE && self.alive.swap(false, Ordering::Relaxed) {
                        self.call(Invalidation::Lost);
                    }
                }
            }
            Push::Lost => {
                if self.alive.swap(false, Ordering::Relaxed) {
                    self.call(Invalidation::Lost);
                }
            }
        }
    }

    fn call(&self, invalidation: Invalidation<'_>) {
        if self.gone.load(Ordering::Relaxed) {
            return;
        }
        if catch_unwind(AssertUnwindSafe(|| (self.sink)(invalidation))).is_err() {
            // It is not known what it missed, so it gets no more messages: its last Alive runs out.
            self.gone.store(true, Ordering::Relaxed);
            tracing::error!("an invalidation sink panicked; it was removed and is called no more");
        }
    }
}

/// A subscription, until it is dropped.
struct Listening {
    subscribers: Arc<Subscribers>,
    subscriber: Arc<Subscriber>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.subscribers.leave(&self.subscriber);
    }
}

/// Owned by the task that makes sessions, one at a time. When it is dropped, for any reason, the session is
/// lost.
pub(super) struct Watchdog {
    pub(super) subscribers: Arc<Subscribers>,
    number: u64,
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.subscribers.dismiss(self.subscribers.state(), self);
    }
}

#[cfg(test)]
mod tests;
