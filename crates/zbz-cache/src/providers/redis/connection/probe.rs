//! Probes which protocol a port speaks, on a connection of its own. The failed connection cannot tell:
//! a Redis server without TLS takes a TLS handshake for an unfinished line and waits in silence; one
//! with TLS hangs up on a plain command without an error.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::providers::redis::config::address::Address;
use crate::providers::redis::connection::command;

/// Whether the port answers a plain command as Redis does. No secret is sent.
pub(in crate::providers::redis) async fn speaks_plain(address: &Address, patience: Duration) -> bool {
    let answer = first_byte(address, command::pack(&[b"PING"]), patience).await;
    matches!(answer, Some(b'+' | b'-'))
}

/// Whether the port answers a TLS handshake, with its part of it or with an alert.
pub(in crate::providers::redis) async fn speaks_tls(address: &Address, patience: Duration) -> bool {
    let Some(hello) = hello(address) else { return false };
    matches!(first_byte(address, hello, patience).await, Some(0x15 | 0x16))
}

/// The outcome of the work; `None` if the suspicion proves true before that.
pub(in crate::providers::redis) async fn unless<T>(
    suspicion: impl Future<Output = bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let (mut suspicion, mut work) = (pin!(suspicion), pin!(work));
    let mut is_cleared = false;
    poll_fn(|context| {
        if let Poll::Ready(outcome) = work.as_mut().poll(context) {
            return Poll::Ready(Some(outcome));
        }
        if !is_cleared && let Poll::Ready(is_true) = suspicion.as_mut().poll(context) {
            is_cleared = !is_true;
            if is_true {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    })
    .await
}

async fn first_byte(address: &Address, asked: Vec<u8>, patience: Duration) -> Option<u8> {
    let answer = async {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await.ok()?;
        stream.writable().await.ok()?;
        // It is short, so it is written at once or not at all.
        stream.try_write(&asked).ok().filter(|written| *written == asked.len())?;
        let mut first = [0];
        loop {
            stream.readable().await.ok()?;
            match stream.try_read(&mut first) {
                Ok(count) => return first.get(..count)?.first().copied(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    };
    timeout(patience, answer).await.ok()?
}

/// The first message of a handshake. It goes no further, so no certificate has to be trusted.
fn hello(address: &Address) -> Option<Vec<u8>> {
    let name = ServerName::try_from(address.host.clone()).ok()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let mut hello = Vec::new();
    ClientConnection::new(Arc::new(config), name).ok()?.write_tls(&mut hello).ok()?;
    Some(hello)
}
