//! [`Listener`]: a separate connection to one primary, which reports the changes there.
//!
//! **In order**: the connection's driver handles everything a server sends in the order in which it came
//! (`connection/driver.rs`). It passes a push to the subscribers, and a reply to its caller. So when a
//! caller has a reply, all pushes ahead of it were passed on.
//!
//! **A reply is a proof**: one command at a time is on the connection. The server reads it in the turn of
//! its event loop that found the connection readable, or later, and writes the pushes of earlier turns
//! ahead of the reply. Pushes of the same turn may follow the reply; a server with several I/O threads may
//! count changes just before the command to that turn. So a reply proves that all changes before the
//! command was sent were reported, except those of one turn of the server.

use std::sync::Arc;
use std::time::Duration;

use redis::{PushKind, Value};
use tokio::time::Instant;

use crate::error::ErrorKind;
use crate::providers::redis::cluster::slots::{Range, read_ranges};
use crate::providers::redis::config::address::Address;
use crate::providers::redis::config::settings::Settings;
use crate::providers::redis::connection::command;
use crate::providers::redis::connection::send_queue::{Broken, Values};
use crate::providers::redis::connection::{Acquaintance, Connection, Purpose};
use crate::providers::redis::error::{self, Failure, WriteOutcome};
use crate::providers::redis::subscribers::{Push, Session, Subscribers};

/// A connection that receives pushes; dropping it ends it.
pub(in crate::providers::redis) struct Listener {
    pub(in crate::providers::redis) address: Address,
    connection: Connection,
    /// Whether to ask for the map too.
    is_cluster: bool,
}

/// When it is dropped, reports that the session lost a connection.
struct LostOnDrop(Arc<Subscribers>, Session);

impl Drop for LostOnDrop {
    fn drop(&mut self) {
        self.0.lost(self.1);
    }
}

impl Listener {
    pub(in crate::providers::redis) async fn open(
        settings: &Settings,
        address: Address,
        subscribers: &Arc<Subscribers>,
        session: Session,
    ) -> Result<Listener, Failure> {
        let (lost_on_drop, told) = (LostOnDrop(Arc::clone(subscribers), session), Arc::clone(subscribers));
        let hear = move |push| {
            let _lasts_as_long = &lost_on_drop;
            if let Some(push) = read_push(push) {
                told.hear(push);
            }
        };
        let connection =
            Connection::open(settings, &address, Purpose::Hearing(Box::new(hear)), Acquaintance::New).await?;
        Ok(Listener { address, connection, is_cluster: settings.cluster })
    }

    /// Has the server also report changes to keys with these prefixes. No prefix may begin another one, or one
    /// that is tracked already: the server refuses that.
    pub(in crate::providers::redis) async fn track(
        &self,
        prefixes: &[Vec<u8>],
        patience: Duration,
    ) -> Result<(), Failure> {
        let mut parts: Vec<&[u8]> = vec![b"CLIENT", b"TRACKING", b"ON", b"BCAST"];
        for prefix in prefixes.iter().filter(|prefix| !prefix.is_empty()) {
            parts.extend([b"PREFIX", prefix.as_slice()]);
        }
        match self
            .connection
            .send(command::pack(&parts), Instant::now() + patience)
            .await
            .map_err(|why| self.why(why))?
        {
            Value::Okay => Ok(()),
            Value::ServerError(error) if error.code() == "NOPERM" => Err(self.refuses(
                ErrorKind::Denied,
                "does not let this user track changes",
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

    /// Checks that the server answers and is a primary. In a cluster, returns its view of the map.
    pub(in crate::providers::redis) async fn prove(
        &self,
        until: Instant,
    ) -> Result<Option<Vec<Range>>, Failure> {
        let (mut asked, mut count) = (Vec::new(), 1);
        // Every user may send HELLO, and its reply has the role.
        command::append(&mut asked, &[b"HELLO"]);
        if self.is_cluster {
            command::append(&mut asked, &[b"CLUSTER", b"SLOTS"]);
            count += 1;
        }
        let answered = self.connection.carry(asked, count, until, None).await.answer;
        let answers = match answered.map_err(|why| self.why(why))? {
            Values::One(value) => vec![value],
            Values::Many(values) => values,
        };
        if !answers.first().is_some_and(is_of_a_primary) {
            return Err(self.refuses(
                ErrorKind::Unavailable,
                "is no primary, or does not say so",
                "point the option address at the primary; after a failover it is looked for by itself",
            ));
        }
        match answers.get(1) {
            None => Ok(None),
            Some(Value::ServerError(error)) => Err(error::of_server_error(&self.address, error)),
            Some(map) => match read_ranges(map, &self.address) {
                Some(mut ranges) => {
                    ranges.sort_by_key(|range| range.first);
                    Ok(Some(ranges))
                }
                None => Err(error::nonsense(&self.address, WriteOutcome::Unsent)),
            },
        }
    }

    fn why(&self, broken: Broken) -> Failure {
        match broken {
            Broken::Lost(failure) => failure,
            _ => self.overdue(),
        }
    }

    fn overdue(&self) -> Failure {
        self.refuses(
            ErrorKind::Timeout,
            "did not answer within tracking_timeout",
            "see whether the server is overloaded or unreachable, or raise tracking_timeout",
        )
    }

    fn refuses(&self, kind: ErrorKind, what: &str, advice: &'static str) -> Failure {
        Failure::new(kind, WriteOutcome::NotRun, format!("{} {what}", self.address), advice)
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

/// The keys that changed; all keys, if the server says so or sends a push that is not understood.
fn read_push(push: Value) -> Option<Push> {
    let Value::Push { kind: PushKind::Invalidate, data } = push else { return None };
    let Ok([Value::Array(keys)]) = <[Value; 1]>::try_from(data) else { return Some(Push::All) };
    let keys: Option<Vec<_>> = keys
        .into_iter()
        .map(|key| match key {
            Value::BulkString(key) => Some(key),
            _ => None,
        })
        .collect();
    Some(keys.map_or(Push::All, Push::Keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_read_and_what_is_not_understood_means_everything() {
        let read = |text: &str| read_push(redis::parse_redis_value(text.as_bytes()).unwrap());
        let keys = read(">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$2\r\nbc\r\n");
        assert!(matches!(keys, Some(Push::Keys(keys)) if keys == [b"a".to_vec(), b"bc".to_vec()]));
        for all in ["_\r\n", ":1\r\n", "*1\r\n:1\r\n"] {
            let all = read(&format!(">2\r\n$10\r\ninvalidate\r\n{all}"));
            assert!(matches!(all, Some(Push::All)));
        }
        assert!(read(">2\r\n$7\r\nmessage\r\n$1\r\na\r\n").is_none());
    }
}
