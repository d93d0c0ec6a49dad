//! [`Node`]: one server, and the connection to it, made when it is asked for.
//!
//! However many calls want a connection at once, one attempt is made and all have its outcome. The
//! attempt is a task of its own, ended by connect_timeout: a caller who cannot wait for it leaves,
//! and the connection is there for the next one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{MappedMutexGuard, watch};
use tokio::time::Instant;

use crate::providers::redis::cluster::quarantine::{Quarantine, Ticket};
use crate::providers::redis::config::address::Address;
use crate::providers::redis::config::settings::Settings;
use crate::providers::redis::connection::Connection;
use crate::providers::redis::failure::{self, Failure, WriteOutcome};

/// A connection younger than this led to where the address leads already.
const RENEWED_AFTER: Duration = Duration::from_secs(1);

type Outcome = Result<Arc<Connection>, Failure>;

enum ConnectionState {
    Down,
    Connecting(watch::Receiver<Option<Outcome>>),
    Up(Arc<Connection>),
}

/// One server.
pub(in crate::providers::redis) struct Node {
    pub(in crate::providers::redis) address: Address,
    settings: Arc<Settings>,
    state: Mutex<ConnectionState>,
    pub(in crate::providers::redis) quarantine: Quarantine,
    /// Whether there ever was a connection. Guards nothing, so Relaxed suffices.
    met: AtomicBool,
}

impl Node {
    pub(in crate::providers::redis) fn new(settings: Arc<Settings>, address: Address) -> Node {
        Node {
            address,
            settings,
            state: Mutex::new(ConnectionState::Down),
            quarantine: Quarantine::default(),
            met: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that is up, if one is.
    pub(in crate::providers::redis) fn live(&self) -> Option<Arc<Connection>> {
        match &*self.state() {
            ConnectionState::Up(connection) if connection.is_up() => Some(Arc::clone(connection)),
            _ => None,
        }
    }

    /// The connection, if there is one; it may have broken since.
    pub(in crate::providers::redis) fn last(&self) -> Option<Arc<Connection>> {
        match &*self.state() {
            ConnectionState::Up(connection) => Some(Arc::clone(connection)),
            _ => None,
        }
    }

    /// Whether there ever was a connection.
    pub(in crate::providers::redis) fn was_met(&self) -> bool {
        self.met.load(Ordering::Relaxed)
    }

    /// The connection, made if there is none.
    pub(in crate::providers::redis) async fn connection(self: &Arc<Self>) -> Outcome {
        let mut outcome = {
            let mut state = self.state();
            match &*state {
                ConnectionState::Up(connection) if connection.is_up() => return Ok(Arc::clone(connection)),
                // An attempt whose task is gone will not end; it is made again.
                ConnectionState::Connecting(outcome) if outcome.has_changed().is_ok() => outcome.clone(),
                _ => self.begin(&mut state, None),
            }
        };
        let lost = || failure::connection_lost(&self.address, WriteOutcome::Unsent);
        let told = outcome.wait_for(Option::is_some).await.map_err(|_| lost())?;
        told.clone().unwrap_or_else(|| Err(lost()))
    }

    /// Finds out whether the server takes these packed commands on this connection.
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
        connection.sizes.prove(&self.settings, &self.address, commands, deadline).await
    }

    /// The connection on which one read goes at a time, when it is free.
    pub(in crate::providers::redis) async fn quarantined_connection<'a>(
        &self,
        ticket: &'a Ticket<'_>,
    ) -> Result<MappedMutexGuard<'a, Connection>, Failure> {
        ticket.connection(&self.settings, &self.address).await
    }

    /// Has a new connection made, to wherever the address leads by now. What is on the old one is
    /// answered first: two connections would not keep the order of writes.
    pub(in crate::providers::redis) fn renew(self: &Arc<Self>) {
        let mut state = self.state();
        if let ConnectionState::Up(connection) = &*state
            && connection.age() > RENEWED_AFTER
        {
            let old = Arc::clone(connection);
            self.begin(&mut state, Some(old));
        }
    }

    fn begin(
        self: &Arc<Self>,
        state: &mut ConnectionState,
        old: Option<Arc<Connection>>,
    ) -> watch::Receiver<Option<Outcome>> {
        let (tell, outcome) = watch::channel(None);
        *state = ConnectionState::Connecting(outcome.clone());
        tokio::spawn(Arc::clone(self).attempt(old, tell));
        outcome
    }

    async fn attempt(self: Arc<Self>, old: Option<Arc<Connection>>, tell: watch::Sender<Option<Outcome>>) {
        if let Some(old) = old {
            // Each call on it ends by its own deadline.
            old.finish().await;
        }
        let opened = Connection::open(&self.settings, &self.address, None).await.map(Arc::new);
        if opened.is_ok() {
            self.met.store(true, Ordering::Relaxed);
        }
        *self.state() = match &opened {
            Ok(connection) => ConnectionState::Up(Arc::clone(connection)),
            Err(_) => ConnectionState::Down,
        };
        tell.send_replace(Some(opened));
    }
}
