//! [`Ear`]: a link of its own to one primary, which tells what changes there.
//!
//! **In order**: the client's driver takes what a server sends in the order in which it came. It
//! hands a push to our function and an answer to who waits for it, each before it looks at what
//! follows. Our function tells the subscribers before it returns. So when an answer is seen,
//! all that the server sent ahead of it has been told.
//!
//! **What an answer proves**: one question at a time is on the link. The server reads one at the
//! earliest in the turn of its loop that found the link readable, and what changed in earlier turns
//! was written ahead of the answer. What changes in the same turn may follow the answer; a server
//! that reads on several threads may count changes of the last instant before the question to
//! that turn. So the answer proves that what changed before the question was sent has been told, up
//! to one turn of the server.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, PushInfo, PushKind, Value};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::audience::{Audience, News, Session};
use crate::error::ErrorKind;
use crate::providers::redis::address::Address;
use crate::providers::redis::failure::{self, Failure, Fate};
use crate::providers::redis::link;
use crate::providers::redis::settings::Settings;
use crate::providers::redis::slots::{Range, read_ranges};

/// A link that hears of changes; dropped, it ends.
pub(super) struct Ear {
    pub(super) address: Address,
    connection: MultiplexedConnection,
    /// Whether to ask for the map, too.
    is_cluster: bool,
    driver: AbortHandle,
}

/// Says when it goes that the session has lost a link.
struct Torn(Arc<Audience>, Session);

impl Drop for Torn {
    fn drop(&mut self) {
        self.0.lost(self.1);
    }
}

impl Ear {
    pub(super) async fn open(
        settings: &Settings,
        address: Address,
        audience: &Arc<Audience>,
        session: Session,
    ) -> Result<Ear, Failure> {
        let stream = link::connect(settings, &address).await?;
        let told = Arc::clone(audience);
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None)
            .set_push_sender(move |push: PushInfo| {
                if let Some(news) = read_push(push) {
                    told.hear(news);
                }
                Ok::<_, ()>(())
            });
        let introduction = link::introduction(settings);
        let made = MultiplexedConnection::new_with_config(&introduction, stream, config).await;
        let (connection, driver) = made.map_err(|error| failure::not_welcome(&address, &error))?;
        let torn = Torn(Arc::clone(audience), session);
        let driver = tokio::spawn(async move {
            driver.await;
            drop(torn);
        });
        let (driver, is_cluster) = (driver.abort_handle(), settings.cluster);
        let ear = Ear { address, connection, is_cluster, driver };
        if let Some(name) = &settings.client_name {
            let mut named = redis::cmd("CLIENT");
            let named = ear.connection.clone().send_packed_command(named.arg("SETNAME").arg(name)).await;
            named.map_err(|error| failure::not_welcome(&ear.address, &error))?;
        }
        Ok(ear)
    }

    /// Has the server tell of changes to keys that begin with these prefixes, too. None of them
    /// begins another one, or one of those that it tells of already: the server refuses that.
    pub(super) async fn track(&self, prefixes: &[Vec<u8>], patience: Duration) -> Result<(), Failure> {
        let mut track = redis::cmd("CLIENT");
        track.arg("TRACKING").arg("ON").arg("BCAST");
        for prefix in prefixes.iter().filter(|prefix| !prefix.is_empty()) {
            track.arg("PREFIX").arg(prefix);
        }
        let asked = timeout_at(Instant::now() + patience, self.ask(&track)).await;
        match asked.unwrap_or_else(|_| Err(self.overdue()))? {
            Value::Okay => Ok(()),
            Value::ServerError(error) if error.code() == "NOPERM" => Err(self.refuses(
                ErrorKind::Denied,
                "does not let this user hear of changes",
                "give the user +@connection, by ACL SETUSER",
            )),
            _ => Err(self.refuses(
                ErrorKind::Config,
                "does not tell of changes",
                "take Redis or Valkey itself, with CLIENT TRACKING, and nothing in between that changes \
                 commands",
            )),
        }
    }

    /// Has the server answer, as the primary that it has to be. In a cluster, with what it knows of
    /// the map.
    pub(super) async fn prove(&self, until: Instant) -> Result<Option<Vec<Range>>, Failure> {
        let mut asks = Pipeline::with_capacity(2);
        // Every user may, and the answer tells the role.
        asks.cmd("HELLO");
        if self.is_cluster {
            asks.cmd("CLUSTER").arg("SLOTS");
        }
        let (mut connection, count) = (self.connection.clone(), asks.len());
        let asked = timeout_at(until, connection.send_packed_commands(&asks, 0, count)).await;
        let answers = asked.map_err(|_| self.overdue())?;
        let answers = answers.map_err(|_| failure::link_lost(&self.address, Fate::Unsent))?;
        if !answers.first().is_some_and(is_of_a_primary) {
            return Err(self.refuses(
                ErrorKind::Unavailable,
                "is no primary, or does not say so",
                "point the option address at the primary; after a failover it is looked for by itself",
            ));
        }
        match answers.get(1) {
            None => Ok(None),
            Some(Value::ServerError(error)) => Err(failure::of_server_error(&self.address, error)),
            Some(map) => match read_ranges(map, &self.address) {
                Some(mut ranges) => {
                    ranges.sort_by_key(|range| range.first);
                    Ok(Some(ranges))
                }
                None => Err(failure::nonsense(&self.address, Fate::Unsent)),
            },
        }
    }

    async fn ask(&self, command: &Cmd) -> Result<Value, Failure> {
        let asked = self.connection.clone().send_packed_command(command).await;
        asked.map_err(|_| failure::link_lost(&self.address, Fate::Unsent))
    }

    fn overdue(&self) -> Failure {
        self.refuses(
            ErrorKind::Timeout,
            "did not answer within tracking_timeout",
            "see whether the server is overloaded or unreachable, or raise tracking_timeout",
        )
    }

    fn refuses(&self, kind: ErrorKind, what: &str, advice: &'static str) -> Failure {
        Failure::new(kind, Fate::NotRun, format!("{} {what}", self.address), advice)
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn is_of_a_primary(hello: &Value) -> bool {
    let Value::Map(said) = hello else { return false };
    let text = |value: &Value, text: &str| match value {
        Value::BulkString(bytes) => bytes == text.as_bytes(),
        Value::SimpleString(words) => words == text,
        _ => false,
    };
    said.iter().any(|(name, role)| text(name, "role") && text(role, "master"))
}

/// The keys that changed; everything, if the server says so or says something unheard of.
fn read_push(push: PushInfo) -> Option<News> {
    if push.kind != PushKind::Invalidate {
        return None;
    }
    let Ok([Value::Array(keys)]) = <[Value; 1]>::try_from(push.data) else { return Some(News::All) };
    let keys: Option<Vec<_>> = keys
        .into_iter()
        .map(|key| match key {
            Value::BulkString(key) => Some(key),
            _ => None,
        })
        .collect();
    Some(keys.map_or(News::All, News::Keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_read_and_what_is_not_understood_means_everything() {
        let read = |text: &str| match redis::parse_redis_value(text.as_bytes()).unwrap() {
            Value::Push { kind, data } => read_push(PushInfo { kind, data }),
            other => panic!("{other:?}"),
        };
        let keys = read(">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$2\r\nbc\r\n");
        assert!(matches!(keys, Some(News::Keys(keys)) if keys == [b"a".to_vec(), b"bc".to_vec()]));
        for all in ["_\r\n", ":1\r\n", "*1\r\n:1\r\n"] {
            let all = read(&format!(">2\r\n$10\r\ninvalidate\r\n{all}"));
            assert!(matches!(all, Some(News::All)));
        }
        assert!(read(">2\r\n$7\r\nmessage\r\n$1\r\na\r\n").is_none());
    }
}
