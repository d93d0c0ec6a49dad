//! [`RedisConnection`]: direct access to the provider's servers.

use std::fmt;
use std::sync::{Arc, Weak};

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, Value};

use crate::error::ErrorKind as Kind;
use crate::providers::redis::cluster::slots::slot_of;
use crate::providers::redis::connection::send_queue::{Broken, Values};
use crate::providers::redis::shared::Shared;

/// The provider's own connection, as a connection of the crate `redis`, for commands without a verb of the
/// cache. Cheap to clone; it works on any executor, and as long as the provider lives.
///
/// It follows the provider to every new connection. Its commands are sent unchanged, once, and end by
/// `call_timeout`. They share the connection with those of the cache, so do not use blocking commands
/// (`BLPOP`), subscriptions, or `MULTI` without a pipeline. Keys are stored keys: `key_prefix`, namespace,
/// `:`, name. In a cluster it sends to one primary; [`at`](RedisConnection::at) chooses the primary of a
/// key.
///
/// ```no_run
/// # async fn an_example(users: zbz_cache::Cache<String>) -> Result<(), Box<dyn std::error::Error>> {
/// use zbz_cache::redis::RedisConnection;
///
/// let connection = users.native::<RedisConnection>().expect("there was a first call");
/// let servers: String = redis::cmd("INFO").arg("server").query_async(&mut connection.clone()).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisConnection {
    shared: Weak<Shared>,
    slot: Option<u16>,
    database: i64,
}

impl RedisConnection {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let database = shared.client.settings.database;
        RedisConnection { shared: Arc::downgrade(shared), slot: None, database }
    }

    /// A connection to the server that has this stored key.
    #[must_use]
    pub fn at(&self, stored_key: &[u8]) -> Self {
        RedisConnection { slot: Some(slot_of(stored_key)), ..self.clone() }
    }

    /// Sends packed commands over the existing connection, or a new one, by the deadline.
    async fn run(&self, asked: Vec<u8>, count: usize) -> RedisResult<Values> {
        let gone = || failed("the cache's provider was closed");
        let work = {
            let shared = self.shared.upgrade().ok_or_else(gone)?;
            let (client, slot) = (Arc::clone(&shared.client), self.slot);
            shared.runtime.begin(async move {
                let (topology, deadline) = (&client.topology, client.deadline());
                let known = || match slot {
                    Some(slot) => topology.owner(slot),
                    None => topology.primaries().into_iter().next().map(|primary| primary.node),
                };
                let connection = async {
                    if known().is_none() {
                        topology.refresh().await.map_err(|_| failed("the cluster cannot be reached"))?;
                    }
                    let node = known().ok_or_else(|| failed("no server has this key"))?;
                    if node.refusal().is_some() {
                        return Err(failed("the server is down; nothing was sent"));
                    }
                    let connection =
                        node.connection().await.map_err(|_| failed("the server cannot be reached"))?;
                    Ok::<_, RedisError>((node, connection))
                };
                let late = || RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
                let (node, connection) =
                    tokio::time::timeout_at(deadline, connection).await.map_err(|_| late())??;
                let proven = node.prove(&connection, &asked, deadline).await;
                proven.map_err(|why| match why.kind() {
                    Kind::TooLarge => {
                        failed("a part of the command is more than the server takes; nothing was sent")
                    }
                    Kind::Timeout => late(),
                    _ => failed("it could not be tried whether the server takes it; nothing was sent"),
                })?;
                connection.carry(asked, count, deadline, None).await.answer.map_err(|broken| match broken {
                    Broken::Late | Broken::Overdue => late(),
                    _ => failed("the connection broke; whether a write took effect is unknown"),
                })
            })
        };
        match work {
            Ok(work) => work.await.unwrap_or_else(|_| Err(gone())),
            Err(_) => Err(gone()),
        }
    }
}

fn failed(words: &'static str) -> RedisError {
    RedisError::from((ErrorKind::Io, words))
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let asked = command.get_packed_command();
        Box::pin(async move {
            match self.run(asked, 1).await? {
                Values::One(value) => Ok(value),
                Values::Many(_) => Err(failed("there are several answers")),
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let asked = commands.get_packed_pipeline();
        Box::pin(async move {
            let mut values = match self.run(asked, offset + count).await? {
                Values::One(value) => vec![value],
                Values::Many(values) => values,
            };
            let wanted = values.split_off(offset.min(values.len()));
            // The reason for an aborted transaction is in the replies to its queued commands.
            match values.into_iter().find_map(|value| value.extract_error().err()) {
                Some(error) => Err(error),
                None => Ok(wanted),
            }
        })
    }

    fn get_db(&self) -> i64 {
        self.database
    }
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection").field("slot", &self.slot).finish_non_exhaustive()
    }
}
