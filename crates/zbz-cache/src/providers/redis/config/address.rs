//! [`AddressParts`]: the servers, the user and the database in the option `address`.
//!
//! `user:password@host:port,host:port/database`; every part except one host may be left out. User and
//! password are percent-encoded, as in a URL. No error shows any part of it: each may be a secret in the
//! wrong place.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::error::{Error, Result};
use crate::options::url::{decode, has_blanks};

/// The default address of Redis.
const DEFAULT_PORT: u16 = 6379;

const ADDRESS_TAKES: &str = "option \"address\" takes host:port, several with commas for a cluster, \
     as in user:password@host:6379/0 (user and password percent-encoded)";

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::providers::redis) struct Address {
    pub(in crate::providers::redis) host: String,
    pub(in crate::providers::redis) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Address {
    /// `host`, `host:port` or `[v6]:port`.
    pub(in crate::providers::redis) fn parse(text: &str) -> Option<Address> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').filter(|(host, _)| is_ipv6(host))?;
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_digits = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
        let port = match port {
            None => DEFAULT_PORT,
            Some(digits) => Some(digits).filter(is_digits)?.parse().ok().filter(|port| *port > 0)?,
        };
        (text.starts_with('[') || is_name(host)).then(|| Address { host: host.to_owned(), port })
    }
}

/// Whether it is a DNS name or an IPv4 address. A text that ends in a number has to be an IPv4 address,
/// since the system would take even a plain number for one.
fn is_name(host: &str) -> bool {
    let valid = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
    let is_label = |label: &str| !label.is_empty() && label.chars().all(valid);
    let mut labels = host.strip_suffix('.').unwrap_or(host).split('.');
    let last = labels.clone().next_back().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    labels.all(is_label) && (!is_number || host.parse::<Ipv4Addr>().is_ok())
}

/// Accepts a zone: `fe80::1%eth0`.
fn is_ipv6(host: &str) -> bool {
    let (address, zone) = host.split_once('%').unwrap_or((host, "0"));
    let is_zone =
        !zone.is_empty() && zone.chars().all(|char| char.is_ascii_alphanumeric() || "-_.".contains(char));
    is_zone && address.parse::<Ipv6Addr>().is_ok()
}

/// The parts of the option `address`.
#[derive(Default, PartialEq, Eq)]
pub(in crate::providers::redis) struct AddressParts {
    pub(in crate::providers::redis) servers: Vec<Address>,
    pub(in crate::providers::redis) username: Option<String>,
    pub(in crate::providers::redis) password: Option<String>,
    pub(in crate::providers::redis) database: Option<String>,
}

impl AddressParts {
    /// # Errors
    ///
    /// `Config`: it is not such an address.
    pub(in crate::providers::redis) fn parse(text: &str) -> Result<AddressParts> {
        let refuse = |why: &str| Error::config(format!("{ADDRESS_TAKES}{why}"));
        if text.contains("://") {
            return Err(refuse("; a URL goes to new_provider_from_url"));
        }
        if has_blanks(text) {
            return Err(refuse("; take the space, line break or other control character out"));
        }
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, _)) if user.contains(['@', '?', '#']) => {
                return Err(refuse(
                    "; percent-encode the password, twice in a URL within a URL (@ is %2540), and give it \
                     once, ahead of all servers",
                ));
            }
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (servers, database) = match rest.split_once('/') {
            Some((servers, database)) => (servers, Some(database)),
            None => (rest, None),
        };
        let user = user.map(|user| user.split_once(':').unwrap_or((user, "")));
        let (username, password) = match user {
            Some(("", "")) => return Err(refuse("; there is neither a user nor a password ahead of the @")),
            Some((username, password)) => (decode(username), decode(password)),
            None => (Some("".into()), Some("".into())),
        };
        let (Some(username), Some(password)) = (username, password) else {
            return Err(refuse("; a percent sign in a password is %25"));
        };
        let servers: Option<Vec<Address>> = servers.split(',').map(Address::parse).collect();
        let given = |part: &str| (!part.is_empty()).then(|| part.to_owned());
        Ok(AddressParts {
            servers: servers.ok_or_else(|| refuse(""))?,
            username: given(&username),
            password: given(&password),
            database: database.and_then(given),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> AddressParts {
        AddressParts::parse(text).unwrap()
    }

    #[test]
    fn an_address_is_read_whole() {
        let read = place("ann:p%40ss%3Aword@one:7000,two:7001/3");
        let servers: Vec<_> = read.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["one:7000", "two:7001"]);
        assert_eq!(read.username.as_deref(), Some("ann"));
        assert_eq!(read.password.as_deref(), Some("p@ss:word"));
        assert_eq!(read.database.as_deref(), Some("3"));
    }

    #[test]
    fn what_is_left_out_is_none_or_the_default() {
        let read = place("cache.example.org");
        assert_eq!(read.servers[0].to_string(), "cache.example.org:6379");
        assert!(read.username.is_none() && read.password.is_none() && read.database.is_none());
        let read = place(":secret@[::1]:7000");
        assert_eq!((read.servers[0].to_string().as_str(), read.servers[0].port), ("[::1]:7000", 7000));
        assert_eq!((read.username, read.password.as_deref()), (None, Some("secret")));
        assert_eq!(place("[::1]").servers[0].port, DEFAULT_PORT);
    }

    #[test]
    fn a_wrong_address_is_refused_without_being_shown() {
        for text in [
            "",
            ",",
            "sentinel:x",
            "sentinel:0",
            "sentinel:65536",
            "a b",
            "[::1",
            "user:sentinel@",
            "sentinel%ff@host",
            "redis://:sentinel@host",
            "host:1:sentinel",
        ] {
            let error = AddressParts::parse(text).map(drop).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("sentinel"), "{error}");
        }
    }
}
