//! Why a connection could not be made: each cause with the advice that fits it.

use std::io;

use redis::ServerError;
use rustls::{AlertDescription, CertificateError, PeerIncompatible};

use super::{Failure, WriteOutcome, of_server_error};
use crate::error::ErrorKind::{self, Config, Denied, Unavailable};
use crate::providers::redis::config::address::Address;

/// A failure before anything was sent, for a cause that may pass.
fn not_connected(kind: ErrorKind, address: &Address, what: &str, advice: &'static str) -> Failure {
    Failure::new(kind, WriteOutcome::Unsent, format!("{address} {what}"), advice)
}

fn refused(kind: ErrorKind, address: &Address, what: &str, advice: &'static str) -> Failure {
    not_connected(kind, address, what, advice).lasting()
}

/// The host name does not resolve.
pub(in super::super) fn not_found(address: &Address, source: io::Error) -> Failure {
    let advice = "correct the host in the option address, or see whether this machine's DNS knows it";
    not_connected(Unavailable, address, "cannot be found by its name", advice).because(source)
}

/// No connection could be made.
pub(in super::super) fn not_reached(address: &Address, source: io::Error) -> Failure {
    // EMFILE and ENFILE, which have no `io::ErrorKind`.
    let has_no_files = matches!(source.raw_os_error(), Some(23 | 24)) && cfg!(unix);
    let advice = match source.kind() {
        _ if has_no_files => {
            "raise the limit of open files (ulimit -n), or close what the program leaves open"
        }
        io::ErrorKind::ConnectionRefused => "start the server, or correct the option address",
        io::ErrorKind::PermissionDenied => "this system forbids the program to connect; see its firewall",
        io::ErrorKind::AddrNotAvailable => "this machine has no free port for it; see what uses them up",
        _ => "see whether the option address is right and the network lets it through",
    };
    not_connected(Unavailable, address, "cannot be reached", advice).because(source)
}

/// The stage of a connection when its time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ConnectStage {
    Connecting,
    Handshake,
    Introduction,
}

/// No connection could be made in time.
pub(in super::super) fn not_in_time(address: &Address, stage: ConnectStage) -> Failure {
    let (why, advice) = match stage {
        ConnectStage::Connecting => (
            "the network did not answer",
            "see whether the server is up, the option address right and the network lets it through, or \
             raise connect_timeout",
        ),
        ConnectStage::Handshake => (
            "it was connected to, and did not answer the TLS handshake",
            "see whether that port speaks TLS (one that does not takes redis://) and the server is not \
             overloaded, or raise connect_timeout",
        ),
        ConnectStage::Introduction => (
            "it was connected to, and answered nothing",
            "see whether it is a Redis or Valkey server that is neither overloaded nor stopped, or raise \
             connect_timeout",
        ),
    };
    not_connected(Unavailable, address, &format!("gave no connection within connect_timeout: {why}"), advice)
}

/// The server answers a plain command, and TLS is configured.
pub(in super::super) fn speaks_plain(address: &Address) -> Failure {
    let advice = "take redis:// (or tls = false), or the port on which the server speaks TLS";
    refused(Config, address, "speaks Redis without TLS, and TLS was asked for", advice)
}

/// The server answers a TLS handshake, and TLS is not configured.
pub(in super::super) fn speaks_tls(address: &Address) -> Failure {
    let advice = "take rediss:// (or tls = true), or the port on which the server speaks plainly";
    refused(Config, address, "speaks TLS, and TLS was not asked for", advice)
}

/// The server speaks another protocol; `said` has the first bytes.
pub(in super::super) fn is_no_redis(address: &Address, said: &[u8]) -> Option<Failure> {
    let advice = "correct the option address: its host, or its port";
    match said {
        // An alert of TLS, of any version.
        [0x15, 0x03, ..] => Some(speaks_tls(address)),
        _ if said.starts_with(b"HTTP/") => Some(refused(Config, address, "is an HTTP server", advice)),
        _ if said.starts_with(b"SSH-") => Some(refused(Config, address, "is an SSH server", advice)),
        _ => None,
    }
}

/// The server hung up before it sent anything.
pub(in super::super) fn hung_up(address: &Address, source: io::Error) -> Failure {
    let advice = "see whether that port speaks TLS and Redis; its log says more";
    not_connected(Unavailable, address, "hung up in the TLS handshake", advice).because(source)
}

/// The TLS error inside a stream's error, if there is one.
pub(in super::super) fn tls_error(source: &io::Error) -> Option<&rustls::Error> {
    source.get_ref()?.downcast_ref()
}

/// The TLS handshake failed, or the server refused this client's certificate.
pub(in super::super) fn no_tls(address: &Address, error: &rustls::Error, shows_certificate: bool) -> Failure {
    use AlertDescription as Alert;
    use CertificateError as Bad;
    let (what, advice) = match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            // BadSignature: an untrusted authority with the name of a trusted one.
            Bad::UnknownIssuer | Bad::BadSignature => (
                "shows a certificate of an authority that is not trusted",
                "name the file of its CA by the option tls_ca",
            ),
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => (
                "shows a certificate for another name",
                "name the server in the option address as its certificate does",
            ),
            Bad::Expired | Bad::ExpiredContext { .. } => (
                "shows a certificate that has expired",
                "renew it on the server; see this machine's clock, too",
            ),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                ("shows a certificate that is not valid yet", "see this machine's clock, and the server's")
            }
            _ => ("shows a certificate that cannot be accepted", "give the server another one"),
        },
        rustls::Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::HandshakeFailure
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateUnknown
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError,
        ) => match shows_certificate {
            false => (
                "ended the TLS handshake, probably because it requires a client certificate",
                "give the options tls_cert and tls_key",
            ),
            true => (
                "does not accept the certificate of this program",
                "give the options tls_cert and tls_key of an authority that the server trusts",
            ),
        },
        rustls::Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13)
        | rustls::Error::AlertReceived(Alert::ProtocolVersion) => {
            ("speaks no TLS from 1.2", "enable TLS 1.2 or 1.3 on the server (tls-protocols)")
        }
        rustls::Error::InvalidMessage(_) => (
            "answered the TLS handshake with something else",
            "see whether that port speaks TLS; a Redis server without it takes redis://",
        ),
        _ => ("and this program do not agree on TLS", "see what TLS the server offers; its log says more"),
    };
    refused(Unavailable, address, what, advice).because(io::Error::other(error.clone()))
}

/// The host cannot stand in a certificate.
pub(in super::super) fn no_tls_name(address: &Address) -> Failure {
    refused(
        Config,
        address,
        "is not a name that a certificate can have",
        "correct the host in the option address",
    )
}

/// The server is a Sentinel.
pub(in super::super) fn is_sentinel(address: &Address) -> Failure {
    let advice = "name the primary in the option address: SENTINEL GET-MASTER-ADDR-BY-NAME tells which it is";
    refused(Config, address, "is a Sentinel, which holds no keys", advice)
}

/// A server's error to a command of the introduction.
pub(in super::super) fn not_welcome(address: &Address, command: &str, error: &ServerError) -> Failure {
    let detail = error.details().unwrap_or_default();
    match (error.code(), command) {
        ("WRONGPASS", _) => refused(
            Denied,
            address,
            "refused this user or password",
            "correct the options username and password, or the user on the server",
        ),
        ("NOAUTH", _) => refused(
            Denied,
            address,
            "asks for a password, and none is given",
            "give the option password, and username for another user than the default one",
        ),
        ("DENIED", _) => refused(
            Denied,
            address,
            "is in protected mode",
            "give the server a password and the option password, or bind it to an inside address",
        ),
        ("NOPROTO", _) => too_old(address),
        ("ERR", _) if detail.contains("max number of clients") => {
            let advice = "raise maxclients on the server, or close idle clients";
            not_connected(Unavailable, address, "takes no more clients", advice)
        }
        ("ERR", "SELECT") if detail.contains("cluster") => refused(
            Config,
            address,
            "belongs to a cluster, which has database 0 only",
            "take the option database away, and say cluster = true",
        ),
        ("ERR", "SELECT") if !detail.contains("unknown command") => refused(
            Config,
            address,
            "has no such database",
            "correct the option database, or raise databases on the server",
        ),
        ("ERR", "HELLO") if detail.contains("HELLO") || detail.contains("unknown command") => {
            too_old(address)
        }
        _ => of_server_error(address, error).with_outcome(WriteOutcome::Unsent),
    }
}

fn too_old(address: &Address) -> Failure {
    let advice = "take Redis from 7.0 or Valkey, and leave HELLO enabled";
    refused(Config, address, "does not speak RESP3", advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(failure: Failure) -> String {
        failure.into_error(super::super::Access::Reads).to_string()
    }

    #[test]
    fn what_the_system_lacks_is_not_looked_for_at_the_server() {
        let here = Address::parse("host:7000").unwrap();
        for (code, word) in [
            (24, "ulimit -n"),
            (23, "ulimit -n"),
            (13, "firewall"),
            (99, "no free port"),
            (111, "start the server"),
            (101, "network lets it through"),
        ] {
            let said = words(not_reached(&here, io::Error::from_raw_os_error(code)));
            assert!(said.contains(word) || !cfg!(target_os = "linux"), "{code}: {said}");
        }
    }
}
