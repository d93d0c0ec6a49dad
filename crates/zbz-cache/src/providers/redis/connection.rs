//! [`Connection`]: one connection to one server, and how it is made.
//!
//! All commands of a provider to one server go through one connection, in the order in which they were
//! handed over (`send_queue.rs`). [`Token`]s rely on that order: a token is checked in the same step
//! that queues its write.

pub(super) mod command;
pub(super) mod driver;
pub(super) mod ending;
pub(super) mod handshake;
pub(super) mod parser;
pub(super) mod probe;
pub(super) mod send_queue;
pub(super) mod sizes;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::provider::Token;
use crate::providers::redis::config::address::Address;
use crate::providers::redis::config::settings::Settings;
use crate::providers::redis::connection::driver::{Driver, Hear};
use crate::providers::redis::connection::ending::{End, Ended, Silence};
use crate::providers::redis::connection::send_queue::{Broken, LastWords, Returned, SendQueue, Values};
use crate::providers::redis::connection::sizes::Sizes;
use crate::providers::redis::error::{self, ConnectStage, Failure, WriteOutcome};

/// The use of a connection.
pub(super) enum Purpose {
    /// Carries all calls. The closure is called when the connection ended by itself.
    Calls(Box<dyn FnOnce(Ended) + Send>),
    /// Receives pushes, or carries one command at a time, answered by its deadline.
    Hearing(Hear),
}

/// The experience with a server. It decides when the server is probed for TLS, on a connection of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acquaintance {
    /// None yet. It is probed when it hangs up, and when it is silent.
    New,
    /// It is down, and there was no connection so far. It is probed when it hangs up.
    Down,
    /// There was a connection. It is not probed.
    Known,
}

/// A connection; dropping it ends it.
pub(super) struct Connection {
    pub(super) address: Address,
    /// Random, and so unique.
    pub(super) id: u64,
    made: Instant,
    /// The sizes of commands that its server accepts.
    pub(super) sizes: Arc<Sizes>,
    acquaintance: Acquaintance,
    queue: Arc<SendQueue>,
    driver: AbortHandle,
    /// Closed when the driver has ended.
    ended: watch::Receiver<()>,
}

impl Connection {
    /// Connects and sends the introduction, in RESP3, within connect_timeout.
    pub(super) async fn open(
        settings: &Settings,
        address: &Address,
        purpose: Purpose,
        acquaintance: Acquaintance,
    ) -> Result<Connection, Failure> {
        let deadline = Instant::now() + settings.connect_timeout;
        let stream = handshake::connect(settings, address, acquaintance, deadline).await?;
        let queue = Arc::new(SendQueue::new(address.clone()));
        let (server, (ending, ended)) = (address.clone(), watch::channel(()));
        let (hear, on_end) = match purpose {
            Purpose::Calls(on_end) => (None, Some(on_end)),
            Purpose::Hearing(hear) => (Some(hear), None),
        };
        let silence = match on_end {
            Some(_) => {
                Silence { least_time: settings.call_timeout / 2, after: Some(settings.silence_timeout) }
            }
            None => Silence { least_time: Duration::ZERO, after: None },
        };
        let driver = Driver::new(Arc::clone(&queue), stream, hear, silence);
        let driver = tokio::spawn(async move {
            let ended = driver.await;
            if let Some(on_end) = on_end {
                if ended.end != End::Finished {
                    tracing::warn!(%server, "the connection broke; a new one is made when it is needed");
                }
                on_end(ended);
            }
            drop(ending);
        });
        let connection = Connection {
            address: address.clone(),
            id: RandomState::new().hash_one(address),
            made: Instant::now(),
            sizes: Arc::new(Sizes::new()),
            acquaintance,
            queue,
            driver: driver.abort_handle(),
            ended,
        };
        connection.introduce(settings, deadline).await?;
        tracing::debug!(server = %address, "connected");
        Ok(connection)
    }

    async fn introduce(&self, settings: &Settings, deadline: Instant) -> Result<(), Failure> {
        let (asked, must) = handshake::introduction(settings);
        // The last two commands only name this client to the server's operator: a server may not know them.
        let count = must.len() + 2;
        let suspicion = async {
            sleep(handshake::patience(settings, deadline)).await;
            self.speaks_tls(settings, deadline).await
        };
        let carried = self.carry(asked, count, deadline, None);
        let told = match self.acquaintance {
            Acquaintance::New => probe::unless(suspicion, carried).await,
            Acquaintance::Down | Acquaintance::Known => Some(carried.await),
        };
        let Some(told) = told else { return Err(error::speaks_tls(&self.address)) };
        let values = match told.answer {
            Ok(Values::Many(values)) => values,
            Ok(Values::One(_)) => Vec::new(),
            Err(Broken::Late | Broken::Overdue | Broken::Revoked | Broken::Inside) => {
                return Err(error::not_in_time(&self.address, ConnectStage::Introduction));
            }
            Err(Broken::Lost(failure)) => return Err(self.not_introduced(settings, deadline, failure).await),
        };
        let refused = must.iter().zip(&values).find_map(|(command, value)| match value {
            Value::ServerError(error) => Some(error::not_welcome(&self.address, command, error)),
            _ => None,
        });
        match refused {
            Some(refused) => Err(refused),
            None if values.first().is_some_and(handshake::is_sentinel) => {
                Err(error::is_sentinel(&self.address))
            }
            None => Ok(()),
        }
    }

    /// Whether the server speaks TLS although this client does not.
    async fn speaks_tls(&self, settings: &Settings, deadline: Instant) -> bool {
        let patience = handshake::patience(settings, deadline);
        let may_be = settings.tls.is_none() && self.acquaintance != Acquaintance::Known;
        may_be && probe::speaks_tls(&self.address, patience).await
    }

    /// Why the connection could not be made.
    async fn not_introduced(&self, settings: &Settings, deadline: Instant, failure: Failure) -> Failure {
        match self.queue.last_words() {
            LastWords::None if self.speaks_tls(settings, deadline).await => error::speaks_tls(&self.address),
            LastWords::Said(said) => error::is_no_redis(&self.address, &said)
                .unwrap_or_else(|| failure.with_outcome(WriteOutcome::Unsent)),
            LastWords::Refused(error) => error::not_welcome(&self.address, "HELLO", &error),
            LastWords::Tls(error) => error::no_tls(&self.address, &error, settings.shows_certificate),
            LastWords::None | LastWords::Answers => failure.with_outcome(WriteOutcome::Unsent),
        }
    }

    /// The time since it was made.
    pub(super) fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// Whether it still accepts commands.
    pub(super) fn is_up(&self) -> bool {
        self.queue.is_open()
    }

    /// Ends it: commands on it get no reply, and the next call makes a new connection.
    pub(super) fn retire(&self) {
        self.queue.end();
        self.driver.abort();
    }

    /// Closes it for new commands, and waits until those on it are answered.
    pub(super) async fn finish(&self) {
        self.queue.finish();
        let mut ended = self.ended.clone();
        // This channel never carries a value; it only closes.
        let _ = ended.changed().await;
    }

    /// Hands over `count` packed commands in one step, and waits for their replies.
    pub(super) fn carry(
        &self,
        asked: Vec<u8>,
        count: usize,
        deadline: Instant,
        gate: Option<&Token>,
    ) -> impl Future<Output = Returned> + Send + use<> {
        let handed = self.queue.hand_over(asked, count, deadline, gate);
        async move {
            match handed {
                Ok(told) => {
                    // The driver answers every caller, even when it is dropped.
                    told.await.unwrap_or(Returned { asked: Vec::new(), answer: Err(Broken::Inside) })
                }
                Err(refused) => refused,
            }
        }
    }

    /// Sends one packed command, and waits for its reply.
    pub(super) async fn send(&self, asked: Vec<u8>, deadline: Instant) -> Result<Value, Broken> {
        match self.carry(asked, 1, deadline, None).await.answer? {
            Values::One(value) => Ok(value),
            Values::Many(_) => {
                self.retire();
                Err(Broken::Lost(error::nonsense(&self.address, WriteOutcome::Unknown)))
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
