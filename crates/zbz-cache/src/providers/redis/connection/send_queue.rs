//! [`SendQueue`]: the commands that any thread hands over to a connection; its driver sends them (`driver.rs`).
//!
//! - **Handing over never waits**, and is one step: the lock is held for it and no longer. A
//!   [`Token`] is judged within that step.
//! - **Every caller is told**: the answers, or that the deadline passed, or that the connection is over, also by a
//!   driver that is dropped. The commands come back with the outcome.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use redis::{ServerError, Value};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::provider::Token;
use crate::providers::redis::config::address::Address;
use crate::providers::redis::failure::{self, Failure, WriteOutcome};

/// Why there is no answer.
#[derive(Debug)]
pub(in crate::providers::redis) enum Broken {
    /// The token was revoked before its write was queued.
    Revoked,
    /// It did not come by the deadline.
    Late,
    /// The deadline had passed before any of it was sent, so nothing was.
    Overdue,
    /// The connection broke, or something came that is no answer.
    Lost(Failure),
    /// The driver ended by a fault of its own.
    Inside,
}

/// What a server said before the connection was over, for the one who is making a connection to it.
#[derive(Debug, Clone, Default)]
pub(in crate::providers::redis) enum LastWords {
    /// It said nothing at all.
    #[default]
    None,
    /// Answers, as they should be.
    Answers,
    /// An error, ahead of everything else; some servers say one before they are asked anything.
    Refused(ServerError),
    /// What no Redis says there: how that begins.
    Said(Vec<u8>),
    /// That it ends TLS, or that TLS is wrong.
    Tls(rustls::Error),
}

/// The answers of what was asked.
#[derive(Debug)]
pub(in crate::providers::redis) enum Values {
    One(Value),
    Many(Vec<Value>),
}

/// What was asked, and what became of it.
pub(in crate::providers::redis) struct Returned {
    pub(in crate::providers::redis) asked: Vec<u8>,
    pub(in crate::providers::redis) answer: Result<Values, Broken>,
}

/// Packed commands, handed over.
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
    /// It ends when what is on it is answered, and takes no more.
    Finishing,
    Over,
}

pub(super) struct Queued {
    pub(super) stage: Stage,
    pub(super) queue: Vec<Request>,
    /// The driver's, while it sleeps.
    pub(super) waker: Option<Waker>,
    pub(super) last_words: LastWords,
}

/// The callers' end of a connection.
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

    /// What the server said, once the connection is over.
    pub(in crate::providers::redis) fn last_words(&self) -> LastWords {
        self.state().last_words.clone()
    }

    /// Takes no more from here on.
    pub(in crate::providers::redis) fn end(&self) {
        self.state().stage = Stage::Over;
    }

    /// Takes no more, and ends when what is on it is answered.
    pub(in crate::providers::redis) fn finish(&self) {
        let mut state = self.state();
        if state.stage == Stage::Open {
            state.stage = Stage::Finishing;
        }
        wake(state);
    }

    /// Queues commands; the answer of one that was refused is there at once.
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
            _ => Some(Broken::Lost(failure::connection_lost(&self.address, WriteOutcome::Unsent))),
        };
        if let Some(why) = refused {
            return Err(Returned { asked, answer: Err(why) });
        }
        state.queue.push(Request { asked, count, deadline, tell });
        wake(state);
        Ok(told)
    }
}

/// Wakes the driver, without the lock.
fn wake(mut state: MutexGuard<'_, Queued>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}
