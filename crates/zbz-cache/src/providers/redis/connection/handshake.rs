//! The handshake: a stream to a server, through TLS if it is configured, and the introduction.
//!
//! If a server does not answer soon, [`probe`] finds out whether it speaks TLS and the client does not,
//! or the reverse. So a mix-up of `redis://` and `rediss://` is reported as such, and at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::{Connect, TlsConnector};

use crate::providers::redis::config::address::Address;
use crate::providers::redis::config::settings::Settings;
use crate::providers::redis::connection::Acquaintance;
use crate::providers::redis::connection::command;
use crate::providers::redis::connection::driver::Duplex;
use crate::providers::redis::connection::probe;
use crate::providers::redis::error::{self, ConnectStage, Failure};

/// TCP keepalive: the idle time before the first probe, and the interval between probes.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15));

/// How long to wait for a server before it is probed, and how long the probe may take.
pub(in crate::providers::redis) fn patience(settings: &Settings, deadline: Instant) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    left.min(settings.connect_timeout / 4)
}

/// A stream to a server, through TLS if it is configured.
pub(in crate::providers::redis) async fn connect(
    settings: &Settings,
    address: &Address,
    acquaintance: Acquaintance,
    deadline: Instant,
) -> Result<Box<dyn Duplex>, Failure> {
    let late = |_| error::not_in_time(address, ConnectStage::Connecting);
    let looked_up = timeout_at(deadline, lookup_host((address.host.as_str(), address.port))).await;
    let looked_up = looked_up.map_err(late)?.map_err(|source| error::not_found(address, source))?;
    let places: Vec<SocketAddr> = looked_up.collect();
    let not_reached = |source| error::not_reached(address, source);
    let connected = timeout_at(deadline, TcpStream::connect(places.as_slice())).await.map_err(late)?;
    let stream = connected.map_err(not_reached)?;
    let (time, interval) = KEEPALIVE;
    let keepalive = TcpKeepalive::new().with_time(time).with_interval(interval);
    let set = stream.set_nodelay(true).and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&keepalive));
    set.map_err(not_reached)?;
    match &settings.tls {
        None => Ok(Box::new(stream)),
        Some(config) => {
            let name = ServerName::try_from(address.host.clone());
            let name = name.map_err(|_| error::no_tls_name(address))?;
            let shaking = TlsConnector::from(Arc::clone(config)).connect(name, stream);
            shake_hands(settings, address, shaking, acquaintance, deadline).await
        }
    }
}

async fn shake_hands(
    settings: &Settings,
    address: &Address,
    shaking: Connect<TcpStream>,
    acquaintance: Acquaintance,
    deadline: Instant,
) -> Result<Box<dyn Duplex>, Failure> {
    let speaks_plain = || async {
        let may_be = acquaintance != Acquaintance::Known;
        may_be && probe::speaks_plain(address, patience(settings, deadline)).await
    };
    let suspicion = async {
        sleep(patience(settings, deadline)).await;
        speaks_plain().await
    };
    let shaken = timeout_at(deadline, async {
        match acquaintance {
            Acquaintance::New => probe::unless(suspicion, shaking).await,
            Acquaintance::Down | Acquaintance::Known => Some(shaking.await),
        }
    })
    .await;
    let shaken = shaken.map_err(|_| error::not_in_time(address, ConnectStage::Handshake))?;
    let Some(shaken) = shaken else { return Err(error::speaks_plain(address)) };
    match shaken {
        Ok(stream) => Ok(Box::new(stream)),
        Err(source) => Err(match error::tls_error(&source) {
            Some(error) => error::no_tls(address, error, settings.shows_certificate),
            None if speaks_plain().await => error::speaks_plain(address),
            None => error::hung_up(address, source),
        }),
    }
}

/// The introduction: RESP3, credentials, database and name. Returns the packed commands, and the names
/// of those that must succeed. The two after them, which name this library, may fail.
pub(in crate::providers::redis) fn introduction(settings: &Settings) -> (Vec<u8>, Vec<&'static str>) {
    let (mut asked, mut must) = (Vec::new(), vec!["HELLO"]);
    match (&settings.credentials.username, &settings.credentials.password) {
        (username, Some(password)) => {
            let username = username.as_deref().unwrap_or("default").as_bytes();
            command::append(&mut asked, &[b"HELLO", b"3", b"AUTH", username, password.as_bytes()]);
        }
        (_, None) => command::append(&mut asked, &[b"HELLO", b"3"]),
    }
    if settings.database != 0 {
        command::append(&mut asked, &[b"SELECT", settings.database.to_string().as_bytes()]);
        must.push("SELECT");
    }
    if let Some(name) = &settings.client_name {
        command::append(&mut asked, &[b"CLIENT", b"SETNAME", name.as_bytes()]);
        must.push("CLIENT SETNAME");
    }
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    for (what, value) in [(&b"LIB-NAME"[..], &b"zbz-cache"[..]), (b"LIB-VER", version)] {
        command::append(&mut asked, &[b"CLIENT", b"SETINFO", what, value]);
    }
    (asked, must)
}

/// Whether this reply to `HELLO` is a Sentinel's.
pub(in crate::providers::redis) fn is_sentinel(hello: &Value) -> bool {
    let Value::Map(fields) = hello else { return false };
    let is = |value: &Value, text: &str| match value {
        Value::BulkString(bytes) => bytes == text.as_bytes(),
        Value::SimpleString(said) => said == text,
        _ => false,
    };
    fields.iter().any(|(name, value)| is(name, "mode") && is(value, "sentinel"))
}
