//! [`Line`]: what is handed over to a link from any thread; its driver carries it (`driver.rs`).
//!
//! - **Handing over never waits**, and is one step: the lock is held for it and no longer. A
//!   [`Token`] is judged within that step.
//! - **Everybody is told**: with the answers, or by the deadline, or that the link is over; then
//!   also by a driver that is dropped. What was asked comes back with it.

mod driver;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use redis::{ServerError, Value};
use tokio::sync::oneshot;
use tokio::time::Instant;

pub(super) use driver::{Driver, Duplex, Hear};

use super::address::Address;
use super::failure::{self, Failure, Fate};
use crate::provider::Token;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// The token was revoked before its write was queued.
    Revoked,
    /// It did not come by the deadline.
    Late,
    /// The deadline had passed before any of it was sent, so nothing was.
    Overdue,
    /// The link broke, or something came that is no answer.
    Lost(Failure),
    /// The driver broke inside, while it told somebody else or this.
    Inside,
}

/// What a server said before the link was over, for the one who is making a link to it.
#[derive(Debug, Clone, Default)]
pub(super) enum LastWords {
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
pub(super) enum Values {
    One(Value),
    Many(Vec<Value>),
}

/// What was asked, and what became of it.
pub(super) struct Carried {
    pub(super) asked: Vec<u8>,
    pub(super) answer: Result<Values, Broken>,
}

/// Packed commands, handed over.
struct Request {
    asked: Vec<u8>,
    count: usize,
    deadline: Instant,
    tell: oneshot::Sender<Carried>,
}

/// How far a link is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// It ends when what is on it is answered, and takes no more.
    Finishing,
    Over,
}

struct State {
    stage: Stage,
    queue: Vec<Request>,
    /// The driver's, while it sleeps.
    waker: Option<Waker>,
    last_words: LastWords,
}

/// The callers' end.
pub(super) struct Line {
    address: Address,
    state: Mutex<State>,
}

impl Line {
    pub(super) fn new(address: Address) -> Line {
        let (stage, last_words) = (Stage::Open, LastWords::None);
        Line { address, state: Mutex::new(State { stage, queue: Vec::new(), waker: None, last_words }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_open(&self) -> bool {
        self.state().stage == Stage::Open
    }

    /// What the server said, once the link is over.
    pub(super) fn last_words(&self) -> LastWords {
        self.state().last_words.clone()
    }

    /// Takes no more from here on.
    pub(super) fn end(&self) {
        self.state().stage = Stage::Over;
    }

    /// Takes no more, and ends when what is on it is answered.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        if state.stage == Stage::Open {
            state.stage = Stage::Finishing;
        }
        wake(state);
    }

    /// Queues commands; the answer of one that was refused is there at once.
    pub(super) fn hand_over(
        &self,
        asked: Vec<u8>,
        count: usize,
        deadline: Instant,
        gate: Option<&Token>,
    ) -> Result<oneshot::Receiver<Carried>, Carried> {
        let (tell, told) = oneshot::channel();
        let mut state = self.state();
        let refused = match state.stage {
            Stage::Open if gate.is_none_or(Token::is_valid) => None,
            Stage::Open => Some(Broken::Revoked),
            _ => Some(Broken::Lost(failure::link_lost(&self.address, Fate::Unsent))),
        };
        if let Some(why) = refused {
            return Err(Carried { asked, answer: Err(why) });
        }
        state.queue.push(Request { asked, count, deadline, tell });
        wake(state);
        Ok(told)
    }
}

/// Wakes the driver, without the lock.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests;
