//! [`SendQueue`]: takes requests from any thread; the connection's driver sends them (`driver.rs`).
//!
//! - **Handing over never waits**, and is one step under the lock. A [`Token`] is checked in that step.
//! - **Every caller is answered**: with the replies, with a passed deadline, or with the connection's end,
//!   even if the driver is dropped. The commands come back with the outcome.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use redis::{ServerError, Value};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::provider::Token;
use crate::providers::redis::config::address::Address;
use crate::providers::redis::error::{self, Failure, WriteOutcome};

/// Why there is no reply.
#[derive(Debug)]
pub(in crate::providers::redis) enum Broken {
    /// The token was revoked before its write was queued.
    Revoked,
    /// The reply did not come by the deadline.
    Late,
    /// The deadline passed before anything was sent, so nothing was.
    Overdue,
    /// The connection broke, or malformed bytes came.
    Lost(Failure),
    /// The driver ended by an internal fault.
    Inside,
}

/// What a server sent before the connection ended; it explains why none could be made.
#[derive(Debug, Clone, Default)]
pub(in crate::providers::redis) enum LastWords {
    /// Nothing.
    #[default]
    None,
    /// Replies.
    Answers,
    /// An error before any reply; some servers send one before they get a command.
    Refused(ServerError),
    /// Bytes of another protocol; their beginning.
    Said(Vec<u8>),
    /// A TLS alert, or malformed TLS.
    Tls(rustls::Error),
}

/// The replies to a request.
#[derive(Debug)]
pub(in crate::providers::redis) enum Values {
    One(Value),
    Many(Vec<Value>),
}

/// A request's commands, and its outcome.
pub(in crate::providers::redis) struct Returned {
    pub(in crate::providers::redis) asked: Vec<u8>,
    pub(in crate::providers::redis) answer: Result<Values, Broken>,
}

/// Packed commands that were handed over.
pub(super) struct Request {
    pub(super) asked: Vec<u8>,
    pub(super) count: usize,
    pub(super) deadline: Instant,
    pub(super) tell: oneshot::Sender<Returned>,
}

/// The stages of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    /// Accepts no more requests, and ends when all are answered.
    Finishing,
    Over,
}

pub(super) struct Queued {
    pub(super) stage: Stage,
    pub(super) queue: Vec<Request>,
    /// The driver's waker, while it sleeps.
    pub(super) waker: Option<Waker>,
    pub(super) last_words: LastWords,
}

/// The sending end of a connection.
pub(in crate::providers::redis) struct SendQueue {
    pub(super) address: Address,
    state: Mutex<Queued>,
}

impl SendQueue {
    pub(in crate::providers::redis) fn new(address: Address) -> SendQueue {
        let (stage, last_words) = (Stage::Open, LastWords::None);
        SendQueue { address, state: Mutex::new(Queued { stage, queue: Vec::new(), waker: None, last_words }) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, Queued> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::providers::redis) fn is_open(&self) -> bool {
        self.state().stage == Stage::Open
    }

    /// What the server sent last; known once the connection has ended.
    pub(in crate::providers::redis) fn last_words(&self) -> LastWords {
        self.state().last_words.clone()
    }

    /// From here on no request is accepted.
    pub(in crate::providers::redis) fn end(&self) {
        self.state().stage = Stage::Over;
    }

    /// Accepts no more requests; the connection ends when all are answered.
    pub(in crate::providers::redis) fn finish(&self) {
        let mut state = self.state();
        if state.stage == Stage::Open {
            state.stage = Stage::Finishing;
        }
        wake(state);
    }

    /// Queues a request. If it is refused, the outcome is there at once.
    pub(in crate::providers::redis) fn hand_over(
        &self,
        asked: Vec<u8>,
        count: usize,
        deadline: Instant,
        gate: Option<&Token>,
    ) -> Result<oneshot::Receiver<Returned>, Returned> {
        let (tell, told) = oneshot::channel();
        let mut state = self.state();
        let refused = match state.stage {
            Stage::Open if gate.is_none_or(Token::is_valid) => None,
            Stage::Open => Some(Broken::Revoked),
            _ => Some(Broken::Lost(error::connection_lost(&self.address, WriteOutcome::Unsent))),
        };
        if let Some(why) = refused {
            return Err(Returned { asked, answer: Err(why) });
        }
        state.queue.push(Request { asked, count, deadline, tell });
        wake(state);
        Ok(told)
    }
}

/// Wakes the driver, outside the lock.
fn wake(mut state: MutexGuard<'_, Queued>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}
