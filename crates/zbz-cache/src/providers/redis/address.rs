//! [`Place`]: where the servers are and who asks, as the option `address` says it.
//!
//! `user:password@host:port,host:port/database`, each part but one host may be left out. User and
//! password are percent-encoded, as in a URL. No error shows any of it: a part may be a secret in
//! the wrong place.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

/// Where Redis listens unless told otherwise.
const DEFAULT_PORT: u16 = 6379;

const ADDRESS_TAKES: &str = "option \"address\" takes host:port, several with commas for a cluster, \
     as in user:password@host:6379/0 (user and password percent-encoded)";

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
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
    pub(super) fn parse(text: &str) -> Option<Address> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (host, rest.strip_prefix(':').or(rest.is_empty().then_some("")))
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, Some("")),
            },
        };
        let port = match port? {
            "" => DEFAULT_PORT,
            digits => digits.parse().ok().filter(|port| *port > 0)?,
        };
        let valid = |char: char| !char.is_whitespace() && !matches!(char, '/' | '@' | '[' | ']' | ',');
        let fine = !host.is_empty() && host.chars().all(valid);
        fine.then(|| Address { host: host.to_owned(), port })
    }
}

/// What the option `address` says.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) servers: Vec<Address>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: Option<String>,
}

impl Place {
    /// # Errors
    ///
    /// `Config`: it is no such address.
    pub(super) fn parse(text: &str) -> Result<Place> {
        if text.contains("://") {
            return Err(Error::config(format!("{ADDRESS_TAKES}; a URL goes to new_provider_from_url")));
        }
        let refuse = || Error::config(ADDRESS_TAKES);
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (servers, database) = match rest.split_once('/') {
            Some((servers, database)) => (servers, Some(database)),
            None => (rest, None),
        };
        let decode = |part: &str| percent_decode_str(part).decode_utf8().map(String::from);
        let (username, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
            Some((user, password)) => (decode(user), decode(password)),
            None => (Ok(String::new()), Ok(String::new())),
        };
        let given = |part: String| (!part.is_empty()).then_some(part);
        Ok(Place {
            servers: servers
                .split(',')
                .map(|server| Address::parse(server.trim()))
                .collect::<Option<_>>()
                .ok_or_else(refuse)?,
            username: given(username.map_err(|_| refuse())?),
            password: given(password.map_err(|_| refuse())?),
            database: database.filter(|database| !database.is_empty()).map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        Place::parse(text).unwrap()
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
            let error = Place::parse(text).map(drop).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("sentinel"), "{error}");
        }
    }
}
