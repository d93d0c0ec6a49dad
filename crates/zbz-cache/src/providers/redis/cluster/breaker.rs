//! [`Breaker`]: the circuit breaker of one server.
//!
//! ```text
//!            a connection could not be made, or was silent
//!   Closed --------------------------------------------------> Open
//!      ^                                                       |  ^
//!      | a probe was answered            no calls for a while  |  | the probe failed
//!      +------------------------------------------+            v  |
//!                                                 +---------- HalfOpen
//! ```
//!
//! - **Closed**: calls are sent.
//! - **Open**: calls are refused at once, while probes are made (`prober.rs`).
//! - **Half-open**: no probes are made, since no caller uses the server. The next call begins one and waits for it.

use std::time::Duration;

use tokio::time::Instant;

use crate::provider::{Outage, ServerState};
use crate::providers::redis::error::{Access, Failure};

/// How long probes continue after the last refused call.
const IN_USE: Duration = Duration::from_secs(60);

/// The state of the circuit breaker.
pub(super) enum Breaker {
    Closed,
    Open(Box<Down>),
    HalfOpen(Box<Down>),
}

/// A server that is down.
pub(super) struct Down {
    since: Instant,
    cause: Failure,
    /// The error of refused calls.
    refusal: Failure,
    last_call: Instant,
    next_probe: Option<Instant>,
}

/// A change of state that health sinks are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Opened,
    Closed,
}

impl Breaker {
    /// The error of a new call, if it is refused.
    pub(super) fn refuse(&mut self) -> Option<Failure> {
        let Breaker::Open(down) = self else { return None };
        down.last_call = Instant::now();
        Some(down.refusal.clone())
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Breaker::Open(_))
    }

    /// Why the server is down, if it is.
    pub(super) fn cause(&self) -> Option<&Failure> {
        match self {
            Breaker::Closed => None,
            Breaker::Open(down) | Breaker::HalfOpen(down) => Some(&down.cause),
        }
    }

    /// Records that the server does not answer.
    pub(super) fn fail(&mut self, cause: Failure) -> Change {
        let (refusal, now) = (cause.refusal(), Instant::now());
        match std::mem::replace(self, Breaker::Closed) {
            Breaker::Closed => {
                let down = Down { since: now, cause, refusal, last_call: now, next_probe: None };
                *self = Breaker::Open(Box::new(down));
                Change::Opened
            }
            Breaker::Open(down) => {
                *self = Breaker::Open(Box::new(Down { cause, refusal, ..*down }));
                Change::None
            }
            Breaker::HalfOpen(down) => {
                *self = Breaker::Open(Box::new(Down { cause, refusal, last_call: now, ..*down }));
                Change::None
            }
        }
    }

    /// Records that the server answered.
    pub(super) fn succeed(&mut self) -> Change {
        match std::mem::replace(self, Breaker::Closed) {
            Breaker::Closed => Change::None,
            Breaker::Open(_) | Breaker::HalfOpen(_) => Change::Closed,
        }
    }

    /// Whether a call was refused within [`IN_USE`].
    pub(super) fn is_in_use(&self) -> bool {
        matches!(self, Breaker::Open(down) if down.last_call.elapsed() < IN_USE)
    }

    /// Half-opens the breaker: no probe is made before the next call.
    pub(super) fn rest(&mut self) {
        if let Breaker::Open(down) = std::mem::replace(self, Breaker::Closed) {
            *self = Breaker::HalfOpen(Box::new(Down { next_probe: None, ..*down }));
        }
    }

    /// Sets the time of the next probe; `None` while one is under way.
    pub(super) fn next_probe(&mut self, at: Option<Instant>) {
        if let Breaker::Open(down) = self {
            down.next_probe = at;
        }
    }

    pub(super) fn state(&self) -> ServerState {
        let (Breaker::Open(down) | Breaker::HalfOpen(down)) = self else { return ServerState::Up };
        ServerState::Down(Outage {
            since: down.since.into_std(),
            cause: down.cause.clone().into_error(Access::Reads),
            next_probe: down.next_probe.map(Instant::into_std),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::providers::redis::error::WriteOutcome;

    fn failure(kind: ErrorKind, what: &str) -> Failure {
        Failure::new(kind, WriteOutcome::Unknown, what, "start it")
    }

    fn cause(breaker: &Breaker) -> String {
        match breaker.state() {
            ServerState::Up => String::new(),
            ServerState::Down(outage) => outage.cause.to_string(),
        }
    }

    #[test]
    fn it_opens_once_keeps_the_last_cause_and_closes_once() {
        let mut breaker = Breaker::Closed;
        assert!(breaker.refuse().is_none() && breaker.state().is_up());
        assert_eq!(breaker.fail(failure(ErrorKind::Timeout, "silent")), Change::Opened);
        assert_eq!(breaker.fail(failure(ErrorKind::Denied, "refused")), Change::None);
        assert!(cause(&breaker).contains("refused"), "{}", cause(&breaker));
        assert_eq!(breaker.succeed(), Change::Closed);
        assert_eq!(breaker.succeed(), Change::None);
        assert!(breaker.refuse().is_none());
    }

    #[test]
    fn a_refused_call_is_told_the_cause_and_that_nothing_was_sent() {
        let mut breaker = Breaker::Closed;
        for (kind, told) in
            [(ErrorKind::Timeout, ErrorKind::Unavailable), (ErrorKind::Denied, ErrorKind::Denied)]
        {
            breaker.fail(failure(kind, "host:1 is silent"));
            let refused = breaker.refuse().unwrap();
            assert!(!refused.may_retry(Access::Reads), "not to be tried again");
            let error = refused.into_error(Access::Writes);
            assert_eq!(error.kind(), told);
            for word in ["host:1 is silent", "refused at once", "nothing was sent", "start it"] {
                assert!(error.to_string().contains(word), "{error}");
            }
        }
    }

    #[test]
    fn one_that_nobody_uses_lets_the_next_call_through_and_is_down_until_that_is_answered() {
        let mut breaker = Breaker::Closed;
        breaker.rest();
        assert!(breaker.state().is_up(), "only an open one rests");
        breaker.fail(failure(ErrorKind::Unavailable, "gone"));
        breaker.rest();
        assert!(breaker.refuse().is_none() && !breaker.state().is_up());
        assert_eq!(breaker.fail(failure(ErrorKind::Unavailable, "still gone")), Change::None);
        assert!(breaker.refuse().is_some());
    }
}
