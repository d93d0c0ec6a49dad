//! [`Failure`]: why a command got no result, its outcome, and advice.
//!
//! **No echo**: a message never repeats a server's or peer's text, which may hold a password or a key: an
//! "unknown command" error repeats its arguments. There are two exceptions: error codes and command names
//! that are listed here, and what a certificate says about its server, which is public.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::providers::redis::config::address::Address;

mod connecting;
mod server;

pub(super) use connecting::{
    ConnectStage, hung_up, is_no_redis, is_sentinel, no_tls, no_tls_name, not_found, not_in_time,
    not_reached, not_welcome, speaks_plain, speaks_tls, tls_error,
};
pub(super) use server::of_server_error;

/// The outcome of a command without a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteOutcome {
    /// Certainly not sent.
    Unsent,
    /// The server refused to execute it.
    NotRun,
    /// It was, or may have been, sent.
    Unknown,
}

/// Whether a verb writes. A verb that only reads can always be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Reads,
    Writes,
}

/// The part of a multi-key command that a failure concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Concern {
    /// The whole command.
    Everything,
    /// Perhaps some of its keys only: asked one by one, the others may be answered.
    Keys,
    /// The length of the reply: that for fewer keys may be short enough. They are asked one by one in
    /// quarantine, since one of them ended connections.
    Reply,
    /// The command itself, whatever its keys: another command may be answered.
    Command,
}

/// Why a command got no result, and whether a retry may help.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: ErrorKind,
    what: String,
    advice: Cow<'static, str>,
    outcome: WriteOutcome,
    /// Whether the command was on a connection that broke: its reply may have been the reason.
    pub(super) broke_connection: bool,
    /// A retry cannot help: a person has to change something.
    pub(super) lasting: bool,
    pub(super) concern: Concern,
    source: Option<Arc<io::Error>>,
}

impl Failure {
    pub(super) fn new(
        kind: ErrorKind,
        outcome: WriteOutcome,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Failure {
            kind,
            what: what.into(),
            advice: advice.into(),
            outcome,
            broke_connection: false,
            lasting: false,
            concern: Concern::Everything,
            source: None,
        }
    }

    /// Marks it as one that a retry cannot help.
    pub(super) fn lasting(self) -> Self {
        Failure { lasting: true, ..self }
    }

    fn about(self, concern: Concern) -> Self {
        Failure { concern, ..self }
    }

    pub(super) fn kind(&self) -> ErrorKind {
        self.kind
    }

    fn because(self, source: io::Error) -> Self {
        Failure { what: format!("{} ({source})", self.what), source: Some(Arc::new(source)), ..self }
    }

    /// The error of a call that is refused because its server had this failure.
    pub(super) fn refusal(&self) -> Failure {
        let kind = if self.kind == ErrorKind::Timeout { ErrorKind::Unavailable } else { self.kind };
        let what = format!("{} (refused at once; the next probe is within 400 ms)", self.what);
        let outcome = WriteOutcome::Unsent;
        Failure { kind, what, outcome, broke_connection: false, ..self.clone() }.lasting()
    }

    /// Replaces the outcome.
    pub(super) fn with_outcome(self, outcome: WriteOutcome) -> Self {
        Failure { outcome, ..self }
    }

    /// Whether the time ran out before anything was sent: an earlier failure says more.
    pub(super) fn came_too_late(&self) -> bool {
        self.kind == ErrorKind::Timeout && self.outcome == WriteOutcome::Unsent
    }

    /// Whether the command may be retried.
    pub(super) fn may_retry(&self, access: Access) -> bool {
        !self.lasting && (access == Access::Reads || self.outcome != WriteOutcome::Unknown)
    }

    pub(super) fn into_error(self, access: Access) -> Error {
        let outcome = match (access, self.outcome) {
            (Access::Reads, _) => "",
            (Access::Writes, WriteOutcome::Unsent) => "; nothing was sent, so nothing was changed",
            (Access::Writes, WriteOutcome::NotRun) => "; nothing was changed",
            (Access::Writes, WriteOutcome::Unknown) => "; whether it took effect is unknown",
        };
        let error = Error::new(self.kind, format!("{}{outcome}; {}", self.what, self.advice));
        match self.source {
            // Only the kind can be cloned; the text is in the message already.
            Some(source) => error.with_source(io::Error::from(source.kind())),
            None => error,
        }
    }
}

/// No reply by the deadline.
pub(super) fn timed_out(outcome: WriteOutcome, waited_for: &str) -> Failure {
    Failure::new(
        ErrorKind::Timeout,
        outcome,
        format!("no answer within call_timeout ({waited_for})"),
        "see whether the server is overloaded or unreachable, or raise call_timeout",
    )
}

/// Too little time is left to send a large value after the trial whether the server accepts it.
pub(super) fn tried_for_too_long() -> Failure {
    Failure::new(
        ErrorKind::Timeout,
        WriteOutcome::Unsent,
        "call_timeout ended while the server was asked whether it accepts a value this large",
        "set it again, since a connection asks once, or raise call_timeout",
    )
    .lasting()
}

/// No byte came from the server for this long, while calls waited.
pub(super) fn silent(address: &Address, span: Duration) -> Failure {
    Failure::new(
        ErrorKind::Timeout,
        WriteOutcome::Unsent,
        format!("{address} sent nothing for silence_timeout ({span:?}) while calls waited"),
        "see whether the server is stopped, unreachable or busy with one long command, or raise silence_timeout",
    )
}

/// The connection was ended because it brought no reply during a whole call.
pub(super) fn overdue(address: &Address, outcome: WriteOutcome) -> Failure {
    Failure::new(
        ErrorKind::Timeout,
        outcome,
        format!("{address} answered no call within call_timeout, so its connection was ended"),
        "see whether the server is overloaded or unreachable, or raise call_timeout",
    )
}

/// The connection broke while commands were on it.
pub(super) fn connection_lost(address: &Address, outcome: WriteOutcome) -> Failure {
    let what = format!("the connection to {address} broke");
    let advice = "a new one is made; see the server's log if this happens again";
    Failure {
        broke_connection: outcome == WriteOutcome::Unknown,
        ..Failure::new(ErrorKind::Unavailable, outcome, what, advice)
    }
}

/// The server sent bytes that are not a valid reply.
pub(super) fn nonsense(address: &Address, outcome: WriteOutcome) -> Failure {
    Failure::new(
        ErrorKind::Unavailable,
        outcome,
        format!("{address} sent an invalid reply, so its connection was ended"),
        "see whether the option address names a Redis or Valkey server, and whether a proxy is in between",
    )
}

/// The server ends a connection if a part of a command is this long.
pub(super) fn too_large(address: &Address, bytes: usize) -> Failure {
    Failure::new(
        ErrorKind::TooLarge,
        WriteOutcome::NotRun,
        format!("{address} does not accept a value of {bytes} bytes"),
        TAKES_LESS,
    )
    .lasting()
}

/// The server ends every connection that carries this command.
pub(super) fn unanswerable(address: Option<&Address>) -> Failure {
    let server = address.map_or("the cluster".to_owned(), Address::to_string);
    let what = "ends every connection that asks for this, so the answer is probably too large for it";
    Failure::new(
        ErrorKind::TooLarge,
        WriteOutcome::Unknown,
        format!("{server} {what}"),
        "raise client-output-buffer-limit on the server, or store smaller values",
    )
    .lasting()
    .about(Concern::Reply)
}

/// Advice about a value that is too large for a server.
pub(super) const TAKES_LESS: &str = "split it, compress it, or raise proto-max-bulk-len and \
                                     client-query-buffer-limit on the server";

/// Servers redirected the command from one to another.
pub(super) fn sent_around(last: Option<&Address>) -> Failure {
    let server = last.map_or("the cluster".to_owned(), Address::to_string);
    Failure::new(
        ErrorKind::Unavailable,
        WriteOutcome::NotRun,
        format!("{server} redirected this key to another server"),
        "wait until its slot has moved; redis-cli --cluster check shows where it is",
    )
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::server::of_server_code;
    use super::*;

    fn here() -> Address {
        Address::parse("host:7000").unwrap()
    }

    #[test]
    fn a_write_that_was_or_may_have_been_sent_is_not_tried_again_and_says_so() {
        let lost = |outcome| connection_lost(&here(), outcome);
        assert!(lost(WriteOutcome::Unsent).may_retry(Access::Writes));
        assert!(!lost(WriteOutcome::Unknown).may_retry(Access::Writes));
        assert!(lost(WriteOutcome::Unknown).may_retry(Access::Reads));
        let words = |failure: Failure| failure.into_error(Access::Writes).to_string();
        assert!(words(lost(WriteOutcome::Unknown)).contains("whether it took effect is unknown"));
        assert!(words(lost(WriteOutcome::Unsent)).contains("nothing was sent"));
        assert!(words(of_server_code(&here(), "OOM")).contains("nothing was changed"));
        let read = lost(WriteOutcome::Unknown).into_error(Access::Reads).to_string();
        assert!(!read.contains("unknown") && read.contains("host:7000"), "{read}");
    }

    #[test]
    fn what_the_server_wrote_is_never_shown() {
        let echoed = "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'u' 'sentinel'";
        for text in [echoed, "sentinel sentinel", "WRONGPASS sentinel", "NOPERM sentinel", "-", "ERR"] {
            let value = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
            let Value::ServerError(error) = value else { panic!("{value:?}") };
            for failure in [not_welcome(&here(), "HELLO", &error), of_server_error(&here(), &error)] {
                let error = failure.into_error(Access::Writes);
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains("sentinel"), "{shown}");
            }
        }
    }

    #[test]
    fn the_kind_says_who_has_to_act() {
        let kind = |code| of_server_code(&here(), code).into_error(Access::Writes).kind();
        let value = redis::parse_redis_value(b"-NOPERM no\r\n").unwrap();
        let Value::ServerError(error) = value else { panic!("{value:?}") };
        assert_eq!(of_server_error(&here(), &error).into_error(Access::Writes).kind(), ErrorKind::Denied);
        assert_eq!(kind("OOM"), ErrorKind::Full);
        assert_eq!(kind("LOADING"), ErrorKind::Unavailable);
        assert_eq!(kind("MOVED"), ErrorKind::Config);
        assert!(of_server_code(&here(), "LOADING").may_retry(Access::Writes));
        assert!(!of_server_code(&here(), "OOM").may_retry(Access::Writes));
    }
}
