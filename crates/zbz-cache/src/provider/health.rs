//! [`Health`]: whether a provider's servers answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use crate::error::Error;

/// The state of a provider's servers at one moment. Empty for a provider that has none or does not watch
/// them: both count as up.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Health {
    /// Each server once, in no order.
    pub servers: Vec<ServerHealth>,
}

/// One server, and whether it answers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerHealth {
    /// Its address, or another name that an operator knows it by. Holds no secret.
    pub server: String,
    /// Whether it answers.
    pub state: ServerState,
}

/// Whether a server answers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ServerState {
    /// It answered last time, or has not been asked yet.
    Up,
    /// It does not answer: calls to it are refused at once.
    Down(Outage),
}

/// A server that does not answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outage {
    /// When it was found to be down.
    pub since: Instant,
    /// Why it counts as down.
    pub cause: Error,
    /// The earliest time of the next probe; `None` while one is under way.
    pub next_probe: Option<Instant>,
}

impl Health {
    /// The health of these servers.
    #[must_use]
    pub fn new(servers: Vec<ServerHealth>) -> Self {
        Health { servers }
    }

    /// Whether no server is known to be down.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.servers.iter().all(|server| server.state.is_up())
    }
}

impl ServerHealth {
    /// The state of the server of this name.
    #[must_use]
    pub fn new(server: impl Into<String>, state: ServerState) -> Self {
        ServerHealth { server: server.into(), state }
    }
}

impl ServerState {
    /// Whether it answers.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self, ServerState::Up)
    }
}

impl Outage {
    /// An outage that was found now, for this cause.
    #[must_use]
    pub fn new(cause: Error) -> Self {
        Outage { since: Instant::now(), cause, next_probe: None }
    }

    /// The same, with the moment of the next probe.
    #[must_use]
    pub fn next_probe(self, at: Instant) -> Self {
        Outage { next_probe: Some(at), ..self }
    }
}

impl fmt::Display for ServerHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            ServerState::Up => write!(f, "{} is up", self.server),
            ServerState::Down(outage) => {
                write!(f, "{} is down for {:.1?}: {}", self.server, outage.since.elapsed(), outage.cause)
            }
        }
    }
}

/// Receives each change of a server's state, on the provider's own thread: it must be quick and never block.
/// Never called from within a verb.
pub type HealthSink = Arc<dyn Fn(&ServerHealth) + Send + Sync>;

/// Work that no caller waits for; see [`Provider::spawn`](super::Provider::spawn).
pub type BackgroundWork = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;
