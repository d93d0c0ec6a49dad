//! [`Link`]: one connection to one server, and how it is made.
//!
//! All commands of a provider to one server go through one link, in the order in which they were
//! handed over (`line.rs`). That order is what judges a [`Token`]: it is looked at in the same step
//! as its write is queued.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::address::Address;
use super::command;
use super::failure::{self, Failure, Fate};
use super::line::{Broken, Carried, Driver, Duplex, Hear, Line, Values};
use super::settings::Settings;
use super::sizes::Sizes;
use crate::provider::Token;

/// When an idle link is first asked by the system whether it still stands, and how often then.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15));

/// A connection, while it lasts: dropped, it ends.
pub(super) struct Link {
    pub(super) address: Address,
    /// Drawn by lot, so that no other link anywhere has it.
    pub(super) id: u64,
    made: Instant,
    /// How long a part of a command its server takes.
    pub(super) sizes: Sizes,
    line: Arc<Line>,
    driver: AbortHandle,
    /// Says by its end that the driver is over.
    ended: watch::Receiver<()>,
}

impl Link {
    /// Connects and says who we are, in RESP3. With somebody who hears what the server says unasked.
    pub(super) async fn open(
        settings: &Settings,
        address: &Address,
        hear: Option<Hear>,
    ) -> Result<Link, Failure> {
        let stream = connect(settings, address).await?;
        let line = Arc::new(Line::new(address.clone()));
        let (server, (ending, ended)) = (address.clone(), watch::channel(()));
        let is_for_calls = hear.is_none();
        let driver = Driver::new(Arc::clone(&line), stream, hear);
        let driver = tokio::spawn(async move {
            if !driver.await && is_for_calls {
                tracing::warn!(%server, "the link broke; the next call makes a new one");
            }
            drop(ending);
        });
        let link = Link {
            address: address.clone(),
            id: RandomState::new().hash_one(address),
            made: Instant::now(),
            sizes: Sizes::new(),
            line,
            driver: driver.abort_handle(),
            ended,
        };
        link.introduce(settings).await?;
        tracing::debug!(server = %address, "linked");
        Ok(link)
    }

    async fn introduce(&self, settings: &Settings) -> Result<(), Failure> {
        let (asked, must) = introduction(settings);
        let deadline = Instant::now() + settings.connect_timeout;
        // What is merely shown to the server's owner may be unknown to it.
        let count = must + 2;
        let values = match self.carry(asked, count, deadline, None).await.answer {
            Ok(Values::Many(values)) => values,
            Ok(Values::One(_)) => Vec::new(),
            Err(Broken::Late | Broken::Revoked | Broken::Inside) => {
                return Err(failure::not_reached_in_time(&self.address));
            }
            Err(Broken::Lost(failure)) => return Err(failure.with_fate(Fate::Unsent)),
        };
        let refused = values.iter().take(must).find_map(|value| match value {
            Value::ServerError(error) => Some(failure::not_welcome(&self.address, error)),
            _ => None,
        });
        refused.map_or(Ok(()), Err)
    }

    /// How long ago it was made.
    pub(super) fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// Whether it can still carry anything.
    pub(super) fn is_up(&self) -> bool {
        self.line.is_open()
    }

    /// Ends it: what is on it is lost, and the next call makes a new one.
    pub(super) fn retire(&self) {
        self.line.end();
        self.driver.abort();
    }

    /// Takes nothing more, and waits until what is on it is answered.
    pub(super) async fn finish(&self) {
        self.line.finish();
        let mut ended = self.ended.clone();
        // Nothing is ever sent there.
        let _ = ended.changed().await;
    }

    /// Hands so many packed commands over, at once, and then waits for their answers.
    pub(super) fn carry(
        &self,
        asked: Vec<u8>,
        count: usize,
        deadline: Instant,
        gate: Option<&Token>,
    ) -> impl Future<Output = Carried> + Send + use<> {
        let handed = self.line.hand_over(asked, count, deadline, gate);
        async move {
            match handed {
                Ok(told) => {
                    // The driver tells everybody, also when it is dropped.
                    told.await.unwrap_or(Carried { asked: Vec::new(), answer: Err(Broken::Inside) })
                }
                Err(refused) => refused,
            }
        }
    }

    /// The answer of one packed command.
    pub(super) async fn ask(&self, asked: Vec<u8>, deadline: Instant) -> Result<Value, Broken> {
        match self.carry(asked, 1, deadline, None).await.answer? {
            Values::One(value) => Ok(value),
            Values::Many(_) => {
                self.retire();
                Err(Broken::Lost(failure::nonsense(&self.address, Fate::Unknown)))
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Who we are, and RESP3: the commands, and how many of them the server has to carry out. Two more
/// follow, which say whose client this is.
fn introduction(settings: &Settings) -> (Vec<u8>, usize) {
    let (mut asked, mut must) = (Vec::new(), 1);
    match (&settings.credentials.username, &settings.credentials.password) {
        (username, Some(password)) => {
            let username = username.as_deref().unwrap_or("default").as_bytes();
            command::append(&mut asked, &[b"HELLO", b"3", b"AUTH", username, password.as_bytes()]);
        }
        (_, None) => command::append(&mut asked, &[b"HELLO", b"3"]),
    }
    if settings.database != 0 {
        command::append(&mut asked, &[b"SELECT", settings.database.to_string().as_bytes()]);
        must += 1;
    }
    if let Some(name) = &settings.client_name {
        command::append(&mut asked, &[b"CLIENT", b"SETNAME", name.as_bytes()]);
        must += 1;
    }
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    for (what, value) in [(&b"LIB-NAME"[..], &b"zbz-cache"[..]), (b"LIB-VER", version)] {
        command::append(&mut asked, &[b"CLIENT", b"SETINFO", what, value]);
    }
    (asked, must)
}

/// A stream to a server, through TLS if the options say so.
async fn connect(settings: &Settings, address: &Address) -> Result<Box<dyn Duplex>, Failure> {
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
