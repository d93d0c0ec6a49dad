//! [`Node`]: one server, the connection to it, and its [`Breaker`].
//!
//! - **A connection is made on demand**, and again at once if it was in use when it broke. However many calls
//!   want it, one task makes it (`prober.rs`), and all get the outcome of its next attempt. A call whose
//!   deadline is earlier leaves.
//! - **The breaker opens** when an attempt fails, when an attempt on a known server gets no answer for
//!   silence_timeout, and when a connection ends because it was silent. A broken connection alone does not open
//!   it: the attempt that follows is the probe, and calls wait for that.
//! - **The breaker changes on the provider's thread only**, so changes are reported in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{MappedMutexGuard, watch};
use tokio::time::Instant;

use crate::provider::{ServerHealth, ServerState};
use crate::providers::redis::cluster::breaker::{Breaker, Change};
use crate::providers::redis::cluster::health_sinks::HealthSinks;
use crate::providers::redis::cluster::prober::keep_trying;
use crate::providers::redis::cluster::quarantine::{Quarantine, Ticket};
use crate::providers::redis::config::address::Address;
use crate::providers::redis::config::settings::Settings;
use crate::providers::redis::connection::ending::{End, Ended};
use crate::providers::redis::connection::{Acquaintance, Connection, Purpose};
use crate::providers::redis::error::{self, Failure, WriteOutcome};
use crate::providers::redis::subscribers::Subscribers;

/// A connection younger than this is taken to lead where the address leads.
const RENEWED_AFTER: Duration = Duration::from_secs(1);

/// A connection that was unused for this long is made again on demand only.
const KEPT_UP: Duration = Duration::from_secs(60);

const REFUSED: &str = "calls to it are refused until a probe is answered";

type Outcome = Result<Arc<Connection>, Failure>;

/// The parts that the nodes of a provider share.
pub(in crate::providers::redis) struct Surroundings {
    pub(in crate::providers::redis) settings: Arc<Settings>,
    pub(in crate::providers::redis) sinks: Arc<HealthSinks>,
    /// Told of every change of the map before anything is read from the new owner.
    pub(in crate::providers::redis) subscribers: Arc<Subscribers>,
    /// Called when a probe failed: another server may have taken over.
    pub(super) look_elsewhere: Box<dyn Fn() + Send + Sync>,
}

enum Link {
    None,
    /// A task is making the connection.
    Trying,
    Up(Arc<Connection>),
}

struct State {
    link: Link,
    breaker: Breaker,
}

/// The way of a new call.
pub(in crate::providers::redis) enum Admission {
    /// It may use this connection, which may have broken meanwhile.
    Connection(Arc<Connection>),
    /// It has to wait for a connection.
    Wait,
    /// It is refused, with this error.
    Refused(Failure),
}

/// One server.
pub(in crate::providers::redis) struct Node {
    pub(in crate::providers::redis) address: Address,
    around: Arc<Surroundings>,
    state: Mutex<State>,
    /// Changes when an attempt ends or the breaker opens.
    turns: watch::Sender<()>,
    pub(in crate::providers::redis) quarantine: Quarantine,
    /// Whether there was ever a connection. Orders nothing, so Relaxed suffices.
    met: AtomicBool,
}

impl Node {
    pub(in crate::providers::redis) fn new(around: Arc<Surroundings>, address: Address) -> Node {
        Node {
            address,
            around,
            state: Mutex::new(State { link: Link::None, breaker: Breaker::Closed }),
            turns: watch::Sender::new(()),
            quarantine: Quarantine::default(),
            met: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, if it works.
    pub(in crate::providers::redis) fn live(&self) -> Option<Arc<Connection>> {
        match &self.state().link {
            Link::Up(connection) if connection.is_up() => Some(Arc::clone(connection)),
            _ => None,
        }
    }

    /// Admits a new call, or refuses it.
    pub(in crate::providers::redis) fn admit(&self) -> Admission {
        let mut state = self.state();
        match &state.link {
            Link::Up(connection) => Admission::Connection(Arc::clone(connection)),
            _ => state.breaker.refuse().map_or(Admission::Wait, Admission::Refused),
        }
    }

    /// The error of a new call, if it is refused.
    pub(in crate::providers::redis) fn refusal(&self) -> Option<Failure> {
        self.state().breaker.refuse()
    }

    /// The cause for which new calls are refused, if they are. Asking for it does not count as a call.
    pub(in crate::providers::redis) fn cause(&self) -> Option<Failure> {
        let state = self.state();
        state.breaker.cause().filter(|_| state.breaker.is_open()).cloned()
    }

    /// Whether new calls are refused.
    pub(in crate::providers::redis) fn is_refusing(&self) -> bool {
        self.state().breaker.is_open()
    }

    pub(in crate::providers::redis) fn health(&self) -> ServerHealth {
        ServerHealth::new(self.address.to_string(), self.state().breaker.state())
    }

    /// Whether there was ever a connection.
    pub(in crate::providers::redis) fn was_met(&self) -> bool {
        self.met.load(Ordering::Relaxed)
    }

    /// The connection, made if there is none. While the breaker is open this waits for the next attempt.
    pub(in crate::providers::redis) async fn connection(self: &Arc<Self>) -> Outcome {
        let mut turns = {
            let mut state = self.state();
            match &state.link {
                Link::Up(connection) if connection.is_up() => return Ok(Arc::clone(connection)),
                Link::Trying => {}
                Link::Up(_) | Link::None => self.begin(&mut state, None),
            }
            self.turns.subscribe()
        };
        let lost = || error::connection_lost(&self.address, WriteOutcome::Unsent);
        turns.changed().await.map_err(|_| lost())?;
        let state = self.state();
        match &state.link {
            Link::Up(connection) => Ok(Arc::clone(connection)),
            Link::None | Link::Trying => Err(state.breaker.cause().cloned().unwrap_or_else(lost)),
        }
    }

    /// Finds out whether the server accepts these packed commands on this connection.
    ///
    /// # Errors
    ///
    /// Those of [`Sizes::prove`](crate::providers::redis::connection::sizes::Sizes::prove).
    pub(in crate::providers::redis) async fn prove(
        &self,
        connection: &Connection,
        commands: &[u8],
        deadline: Instant,
    ) -> Result<(), Failure> {
        connection.sizes.prove(&self.around.settings, &self.address, commands, deadline).await
    }

    /// The connection for quarantine, once it is free.
    pub(in crate::providers::redis) async fn quarantined_connection<'a>(
        &self,
        ticket: &'a Ticket<'_>,
    ) -> Result<MappedMutexGuard<'a, Connection>, Failure> {
        ticket.connection(&self.around.settings, &self.address).await
    }

    /// Replaces the connection by a new one, to wherever the address leads by now. Commands on the old
    /// one are answered first: two connections would not keep the order of writes.
    pub(in crate::providers::redis) fn renew(self: &Arc<Self>) {
        let mut state = self.state();
        if let Link::Up(connection) = &state.link
            && connection.age() > RENEWED_AFTER
        {
            let old = Arc::clone(connection);
            self.begin(&mut state, Some(old));
        }
    }

    fn begin(self: &Arc<Self>, state: &mut State, old: Option<Arc<Connection>>) {
        state.link = Link::Trying;
        tokio::spawn(keep_trying(Arc::downgrade(self), old));
    }

    /// Makes one attempt to connect.
    pub(super) async fn open(self: Arc<Self>) -> Result<Connection, Failure> {
        let node = Arc::downgrade(&self);
        let on_end = move |ended| Weak::upgrade(&node).into_iter().for_each(|node| node.lost(ended));
        let acquaintance = match self.was_met() {
            true => Acquaintance::Known,
            false if self.is_refusing() => Acquaintance::Down,
            false => Acquaintance::New,
        };
        let purpose = Purpose::Calls(Box::new(on_end));
        Connection::open(&self.around.settings, &self.address, purpose, acquaintance).await
    }

    /// Handles a connection that ended by itself.
    fn lost(self: &Arc<Self>, ended: Ended) {
        let mut state = self.state();
        // A connection that ended before it was in use is handled by the attempt that made it.
        if !matches!(&state.link, Link::Up(connection) if !connection.is_up()) {
            return;
        }
        match ended.end {
            End::Silent(after) => {
                self.begin(&mut state, None);
                self.fail(state, error::silent(&self.address, after));
            }
            _ if ended.last_used.is_some_and(|used| used.elapsed() < KEPT_UP) => {
                self.begin(&mut state, None);
            }
            _ => state.link = Link::None,
        }
    }

    /// How long callers wait for an attempt, if that is shorter than connect_timeout.
    pub(super) fn patience(&self) -> Option<Duration> {
        let is_known = self.was_met() || self.state().breaker.cause().is_some();
        is_known.then_some(self.around.settings.silence_timeout)
    }

    pub(super) fn came_up(&self, connection: Connection) {
        self.met.store(true, Ordering::Relaxed);
        let mut state = self.state();
        state.link = Link::Up(Arc::new(connection));
        let change = state.breaker.succeed();
        self.turned(state, change);
    }

    pub(super) fn failed(&self, failure: Failure) {
        self.fail(self.state(), failure);
    }

    /// Records that an attempt got no answer for as long as callers wait.
    pub(super) fn is_silent(&self) {
        let state = self.state();
        // The server is already known to be down.
        if state.breaker.is_open() {
            drop(state);
            (self.around.look_elsewhere)();
        } else {
            self.fail(state, error::silent(&self.address, self.around.settings.silence_timeout));
        }
    }

    fn fail(&self, mut state: MutexGuard<'_, State>, failure: Failure) {
        let change = state.breaker.fail(failure);
        self.turned(state, change);
        (self.around.look_elsewhere)();
    }

    /// Wakes the waiting callers, and reports a change to the log and the health sinks.
    fn turned(&self, state: MutexGuard<'_, State>, change: Change) {
        let health = (change != Change::None)
            .then(|| ServerHealth::new(self.address.to_string(), state.breaker.state()));
        drop(state);
        self.turns.send_replace(());
        let Some(health) = health else { return };
        match &health.state {
            ServerState::Down(outage) => {
                tracing::warn!(server = %self.address, cause = %outage.cause, "the server is down; {REFUSED}");
            }
            ServerState::Up => tracing::info!(server = %self.address, "the server is back"),
        }
        self.around.sinks.tell(&health);
    }

    /// Whether another attempt is to be made at `next`. If no caller uses the server, the next call makes one.
    pub(super) fn is_still_used(&self, next: Instant) -> bool {
        let mut state = self.state();
        let is_used = state.breaker.is_in_use()
            || self.turns.receiver_count() > 0
            || self.around.subscribers.are_there()
            || !self.around.sinks.is_empty();
        if is_used {
            state.breaker.next_probe(Some(next));
        } else {
            state.breaker.rest();
            state.link = Link::None;
        }
        is_used
    }

    /// Records that the task that makes a connection has ended.
    pub(super) fn is_not_tried(&self) {
        let mut state = self.state();
        if matches!(state.link, Link::Trying) {
            state.link = Link::None;
            state.breaker.rest();
            drop(state);
            self.turns.send_replace(());
        }
    }
}
