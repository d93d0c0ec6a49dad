//! [`Link`]: one connection to one server, and how it is made.
//!
//! All commands of a provider to one server go through one link, in the order in which they were
//! handed over: the client's own queue is given no bound, so handing over never waits. That order
//! is what judges a [`Token`]: it is looked at in the same step as its write is queued.
//!
//! **Surely not sent**: the link's driver is over, so nothing more goes out, and not a byte went
//! out since the command was queued.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Cmd, Pipeline, ProtocolVersion, RedisConnectionInfo, RedisError, RedisResult,
    Value,
};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, unconstrained};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::address::Address;
use super::failure::{self, Failure, Fate};
use super::settings::Settings;
use super::wire::{Duplex, Sent, Wire};
use crate::provider::Token;

/// When an idle link is first asked by the system whether it still stands, and how often then.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15));

/// Room for everything that calls may queue before their deadlines: handing over never waits.
const QUEUE: usize = usize::MAX >> 4;

/// A connection, while it lasts: dropped, it ends.
pub(super) struct Link {
    pub(super) address: Address,
    /// Drawn by lot, so that no other link anywhere has it.
    pub(super) id: u64,
    made: Instant,
    connection: MultiplexedConnection,
    sent: Arc<Sent>,
    /// How often an answer came.
    answered: AtomicU64,
    /// How many calls are on it, and who waits for there being none.
    calls: AtomicUsize,
    idle: Notify,
    /// The driver is over: nothing more goes out.
    over: Arc<AtomicBool>,
    /// It was ended because nothing was answered on it.
    silent: AtomicBool,
    driver: AbortHandle,
}

/// Why a link has no answer.
pub(super) enum Broken {
    /// The token was revoked before its write was queued.
    Revoked,
    /// It broke, or something came that is no answer.
    Lost(Failure),
}

impl Link {
    /// Connects and says who we are, in RESP3.
    pub(super) async fn open(settings: &Settings, address: &Address) -> Result<Link, Failure> {
        let (wire, sent) = Wire::new(connect(settings, address).await?);
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None)
            .set_pipeline_buffer_size(QUEUE);
        let made = MultiplexedConnection::new_with_config(&introduction(settings), wire, config).await;
        let (connection, driver) = made.map_err(|error| failure::not_welcome(address, &error))?;
        let over = Arc::new(AtomicBool::new(false));
        let (told, server) = (Over(Arc::clone(&over)), address.clone());
        let driver = tokio::spawn(async move {
            driver.await;
            drop(told);
            tracing::warn!(%server, "the link broke; the next call makes a new one");
        });
        let mut link = Link {
            address: address.clone(),
            id: RandomState::new().hash_one(address),
            made: Instant::now(),
            connection,
            sent,
            answered: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
            idle: Notify::new(),
            over,
            silent: AtomicBool::new(false),
            driver: driver.abort_handle(),
        };
        if let Some(name) = &settings.client_name {
            let mut named = redis::cmd("CLIENT");
            let named = link.connection.send_packed_command(named.arg("SETNAME").arg(name)).await;
            named.map_err(|error| failure::not_welcome(address, &error))?;
        }
        tracing::debug!(server = %address, "linked");
        Ok(link)
    }

    /// The client's own connection underneath.
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    /// How long ago it was made.
    pub(super) fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// Whether it can still carry anything.
    pub(super) fn is_up(&self) -> bool {
        !self.over.load(Ordering::Relaxed) && !self.driver.is_finished()
    }

    /// Ends it: what is on it is lost, and the next call makes a new one.
    pub(super) fn retire(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.driver.abort();
    }

    /// Waits until no call is on it.
    pub(super) async fn idle(&self) {
        while self.calls.load(Ordering::Relaxed) > 0 && self.is_up() {
            self.idle.notified().await;
        }
    }

    /// Sends commands and waits for as many answers; `None` if they do not come by the deadline.
    ///
    /// A link on which no call at all was answered meanwhile may be dead: it is ended.
    pub(super) async fn send_by(
        &self,
        deadline: Instant,
        commands: &Pipeline,
        gate: Option<&Token>,
    ) -> Option<Result<Vec<Value>, Broken>> {
        let (mut connection, count) = (self.connection.clone(), commands.len());
        let sent = self.carry(deadline, gate, connection.send_packed_commands(commands, 0, count)).await?;
        Some(sent.and_then(|values| match values.len() == count {
            true => Ok(values),
            false => {
                self.retire();
                Err(Broken::Lost(failure::nonsense(&self.address, Fate::Unknown)))
            }
        }))
    }

    /// As `send_by`, one command.
    pub(super) async fn send_one_by(
        &self,
        deadline: Instant,
        command: &Cmd,
        gate: Option<&Token>,
    ) -> Option<Result<Value, Broken>> {
        let mut connection = self.connection.clone();
        self.carry(deadline, gate, connection.send_packed_command(command)).await
    }

    async fn carry<T>(
        &self,
        deadline: Instant,
        gate: Option<&Token>,
        sending: impl Future<Output = RedisResult<T>>,
    ) -> Option<Result<T, Broken>> {
        if !self.is_up() {
            return Some(Err(Broken::Lost(failure::link_lost(&self.address, Fate::Unsent))));
        }
        if gate.is_some_and(|token| !token.is_valid()) {
            return Some(Err(Broken::Revoked));
        }
        let _call = Call::on(self);
        let (sent_before, answered_before) = (self.sent.bytes(), self.answered.load(Ordering::Relaxed));
        // Queued at its first poll: no await stands before that, and no budget may interrupt it.
        match timeout_at(deadline, unconstrained(sending)).await {
            Ok(Ok(answer)) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                Some(Ok(answer))
            }
            Ok(Err(error)) => Some(Err(Broken::Lost(self.lost(&error, sent_before)))),
            Err(_) => {
                if self.answered.load(Ordering::Relaxed) == answered_before {
                    self.silent.store(true, Ordering::Relaxed);
                    self.retire();
                    tracing::warn!(server = %self.address, "silent for call_timeout; its link was ended");
                }
                None
            }
        }
    }

    fn lost(&self, error: &RedisError, before: u64) -> Failure {
        let over = self.driver.is_finished() || self.over.load(Ordering::Relaxed);
        let unsent = over && self.sent.bytes() == before;
        self.retire();
        let fate = if unsent { Fate::Unsent } else { Fate::Unknown };
        match error.kind() {
            redis::ErrorKind::Parse => failure::nonsense(&self.address, fate),
            _ if self.silent.load(Ordering::Relaxed) => failure::silent(&self.address, fate),
            _ => failure::link_lost(&self.address, fate),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A call on a link, until it is dropped. All on one thread, so Relaxed suffices.
struct Call<'a>(&'a Link);

impl<'a> Call<'a> {
    fn on(link: &'a Link) -> Self {
        link.calls.fetch_add(1, Ordering::Relaxed);
        Call(link)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle.notify_one();
        }
    }
}

/// Says when it goes that the driver is over, however it ended.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Who we are, and RESP3.
pub(super) fn introduction(settings: &Settings) -> RedisConnectionInfo {
    let info = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_db(settings.database)
        .set_lib_name("zbz-cache", env!("CARGO_PKG_VERSION"));
    let info = match &settings.credentials.username {
        Some(username) => info.set_username(username),
        None => info,
    };
    match &settings.credentials.password {
        Some(password) => info.set_password(password),
        None => info,
    }
}

/// A stream to a server, through TLS if the options say so.
pub(super) async fn connect(settings: &Settings, address: &Address) -> Result<Box<dyn Duplex>, Failure> {
    let not_reached = |source| failure::not_reached(address, source);
    let connected = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = connected.map_err(not_reached)?;
    let (time, interval) = KEEPALIVE;
    let keepalive = TcpKeepalive::new().with_time(time).with_interval(interval);
    let set = stream.set_nodelay(true).and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&keepalive));
    set.map_err(not_reached)?;
    let Some(config) = &settings.tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(address.host.clone())
        .map_err(|source| failure::no_tls(address, io::Error::other(source)))?;
    match TlsConnector::from(Arc::clone(config)).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(source) if source.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
            Err(failure::no_tls(address, source))
        }
        Err(source) => Err(not_reached(source)),
    }
}
