//! [`Failure`]: why something was not answered, what became of it, and what to do.
//!
//! Nothing that a server or a peer wrote gets into the words, but for error codes that are known
//! here and what a certificate says of its server (`linking.rs`), which is public: an "unknown command"
//! error repeats its arguments, a password or a key among them.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::ServerError;

use crate::error::{Error, ErrorKind};
use crate::providers::redis::config::address::Address;

mod connecting;

pub(super) use connecting::{
    ConnectStage, hung_up, is_no_redis, is_sentinel, no_tls, no_tls_name, not_found, not_in_time,
    not_reached, not_welcome, speaks_plain, speaks_tls, tls_error,
};

/// What became of a command that has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteOutcome {
    /// Surely not sent.
    Unsent,
    /// The server said that it did not carry it out.
    NotRun,
    /// Sent, or perhaps sent, and not answered.
    Unknown,
}

/// Whether a verb writes. A verb that only reads can be tried again whatever happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Reads,
    Writes,
}

/// What of a command about many keys a failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Concern {
    /// All of it.
    Everything,
    /// Perhaps not each of its keys: one by one they are answered.
    Keys,
    /// The length of the reply: one about fewer keys may come. They go one by one in quarantine, since
    /// one of them ended connections.
    Reply,
    /// The command itself, whatever its keys: another one may be answered.
    Command,
}

/// Why, and whether trying again may help.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: ErrorKind,
    what: String,
    advice: Cow<'static, str>,
    outcome: WriteOutcome,
    /// Whether it was on a connection when that broke: its answer may have been the reason.
    pub(super) broke_connection: bool,
    /// Trying again cannot help: somebody has to change something.
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

    /// One that trying again does not mend.
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

    /// What a call is told that is refused because of this failure of its server.
    pub(super) fn refusal(&self) -> Failure {
        let kind = if self.kind == ErrorKind::Timeout { ErrorKind::Unavailable } else { self.kind };
        let what = format!("{} (refused at once; the next probe is within 400 ms)", self.what);
        let outcome = WriteOutcome::Unsent;
        Failure { kind, what, outcome, broke_connection: false, ..self.clone() }.lasting()
    }

    /// The same failure for a verb that may have been sent.
    pub(super) fn with_outcome(self, outcome: WriteOutcome) -> Self {
        Failure { outcome, ..self }
    }

    /// Whether time ran out before anything was sent: an earlier failure says more.
    pub(super) fn came_too_late(&self) -> bool {
        self.kind == ErrorKind::Timeout && self.outcome == WriteOutcome::Unsent
    }

    /// Whether the same thing may be asked again.
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
            // Cloned by kind: its words are in the message already.
            Some(source) => error.with_source(io::Error::from(source.kind())),
            None => error,
        }
    }
}

/// No answer within the deadline.
pub(super) fn timed_out(outcome: WriteOutcome, waited_for: &str) -> Failure {
    Failure::new(
        ErrorKind::Timeout,
        outcome,
        format!("no answer within call_timeout ({waited_for})"),
        "see whether the server is overloaded or unreachable, or raise call_timeout",
    )
}

/// There is no time left to send a value so large, after it was tried whether the server takes it.
pub(super) fn tried_for_too_long() -> Failure {
    Failure::new(
        ErrorKind::Timeout,
        WriteOutcome::Unsent,
        "call_timeout leaves no time to send a value so large, after it was tried whether the server \
         takes it",
        "set it again, since that is tried once for each connection, or raise call_timeout",
    )
    .lasting()
}

/// Nothing came from the server for so long, while commands waited.
pub(super) fn silent(address: &Address, span: Duration) -> Failure {
    Failure::new(
        ErrorKind::Timeout,
        WriteOutcome::Unsent,
        format!("{address} answered nothing for silence_timeout ({span:?}) while calls waited"),
        "see whether the server is stopped, unreachable or busy with one long command, or raise silence_timeout",
    )
}

/// The connection was ended because nothing at all was answered on it for as long as a call may take.
pub(super) fn overdue(address: &Address, outcome: WriteOutcome) -> Failure {
    Failure::new(
        ErrorKind::Timeout,
        outcome,
        format!("{address} answered nobody within call_timeout, so its connection was ended"),
        "see whether the server is overloaded or unreachable, or raise call_timeout",
    )
}

/// The connection broke while something was on it.
pub(super) fn connection_lost(address: &Address, outcome: WriteOutcome) -> Failure {
    let what = format!("the connection to {address} broke");
    let advice = "a new one is made; see the server's log if it goes on";
    Failure {
        broke_connection: outcome == WriteOutcome::Unknown,
        ..Failure::new(ErrorKind::Unavailable, outcome, what, advice)
    }
}

/// The server sent something that no Redis sends there.
pub(super) fn nonsense(address: &Address, outcome: WriteOutcome) -> Failure {
    Failure::new(
        ErrorKind::Unavailable,
        outcome,
        format!("what {address} answered makes no sense, so the connection was dropped"),
        "see whether the option address names a Redis or Valkey server, and what stands between",
    )
}

/// The server ends a connection on which a part of a command is so long.
pub(super) fn too_large(address: &Address, bytes: usize) -> Failure {
    Failure::new(
        ErrorKind::TooLarge,
        WriteOutcome::NotRun,
        format!("{address} takes no value of {bytes} bytes"),
        TAKES_LESS,
    )
    .lasting()
}

/// The server ends each connection on which it is asked this.
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

/// What to do about a value that is more than a server takes.
pub(super) const TAKES_LESS: &str = "split it, compress it, or raise proto-max-bulk-len and \
                                     client-query-buffer-limit on the server";

/// Servers sent it from one to another.
pub(super) fn sent_around(last: Option<&Address>) -> Failure {
    let who = last.map_or("the cluster".to_owned(), Address::to_string);
    Failure::new(
        ErrorKind::Unavailable,
        WriteOutcome::NotRun,
        format!("{who} sends this key to another server"),
        "wait until its slot is at rest; redis-cli --cluster check shows where it is",
    )
}

/// What a server answered instead of doing it: it never did.
pub(super) fn of_server_error(address: &Address, error: &ServerError) -> Failure {
    let details = error.details().unwrap_or_default();
    let denied = |advice| {
        let what = format!("{address} does not let this user do that");
        Failure::new(ErrorKind::Denied, WriteOutcome::NotRun, what, advice).lasting()
    };
    match error.code() {
        "NOPERM" => denied(missing_right(details)).about(match command_in(details, "run the ") {
            None if is_about_keys(details) => Concern::Keys,
            _ => Concern::Command,
        }),
        // The answers of a script that was stopped.
        "ERR" if IN_SCRIPT.iter().any(|words| details.contains(words)) => denied(missing_right(details)),
        "ERR" if details.contains("invalid bulk length") => {
            let what = format!("{address} takes no value so long");
            Failure::new(ErrorKind::TooLarge, WriteOutcome::NotRun, what, TAKES_LESS).lasting()
        }
        "ERR" if details.contains("unknown command") => match command_in(details, "command ") {
            Some(command) => Failure::new(
                ErrorKind::Unavailable,
                WriteOutcome::NotRun,
                format!("{address} does not know the command {}", command.to_uppercase()),
                "enable it there: see rename-command; Redis from 7.0 and Valkey have it",
            )
            .lasting()
            .about(Concern::Command),
            None => of_server(address, error.code()),
        },
        code => of_server(address, code),
    }
}

/// How servers say that a script may not do something.
const IN_SCRIPT: [&str; 2] = ["ACL failure in script", "executing the script can't run"];

/// The line of ACL that a user is short of.
fn missing_right(details: &str) -> Cow<'static, str> {
    if let Some(command) = command_in(details, "run the ") {
        return format!("give the user that right: ACL SETUSER <user> +{command}; the guide lists all")
            .into();
    }
    match is_about_keys(details) {
        true => "give the user these keys: ACL SETUSER <user> ~<prefix>*, the prefix being key_prefix, \
                 namespace and a colon"
            .into(),
        false => "give the user the commands and keys that the guide lists, by ACL SETUSER".into(),
    }
}

fn is_about_keys(details: &str) -> bool {
    details.contains("access") && details.contains("key")
}

/// The commands that are sent. Only their names are taken from a server's words.
const COMMANDS: [&str; 24] = [
    "client|tracking",
    "cluster|slots",
    "eval",
    "eval_ro",
    "exists",
    "get",
    "incrby",
    "mget",
    "persist",
    "pexpire",
    "ping",
    "pttl",
    "scan",
    "select",
    "set",
    "hello",
    "client|setname",
    "unlink",
    "asking",
    "info",
    "role",
    "cluster",
    "client",
    "config",
];

/// The command that is quoted after these words, if it is one that is sent here.
fn command_in(details: &str, ahead: &str) -> Option<&'static str> {
    let quoted = details.split_once(ahead)?.1.split(['\'', '`']).nth(1)?;
    COMMANDS.into_iter().find(|command| command.eq_ignore_ascii_case(quoted))
}

fn of_server(address: &Address, code: &str) -> Failure {
    use ErrorKind::{Config, Denied, Full, Unavailable};
    let (kind, lasting, what, advice) = match code {
        "NOAUTH" | "WRONGPASS" => (Denied, true, "asks for a password", "give the option password"),
        "OOM" => (
            Full,
            true,
            "is out of memory and does not evict",
            "raise its maxmemory, or choose a maxmemory-policy that evicts",
        ),
        "READONLY" => (
            Unavailable,
            false,
            "is a replica and takes no writes",
            "point the option address at the primary; after a failover the next calls find it",
        ),
        "LOADING" => (Unavailable, false, "is still loading its data", "try again when it has"),
        "MASTERDOWN" => (Unavailable, false, "is a replica without its primary", "bring the primary back"),
        "CLUSTERDOWN" => (
            Unavailable,
            false,
            "says that the cluster does not serve this key",
            "bring the lost primary back, or wait for its replica to be elected",
        ),
        "TRYAGAIN" => (Unavailable, true, "is moving these keys", "try again in a moment"),
        "BUSY" => (Unavailable, false, "is busy with a script", "see what runs there: SCRIPT KILL ends it"),
        "MISCONF" => (
            Unavailable,
            true,
            "takes no writes because it cannot save to disk",
            "mend its disk, or set stop-writes-on-bgsave-error to no",
        ),
        "NOREPLICAS" => (
            Unavailable,
            true,
            "takes no writes because it has too few replicas",
            "bring its replicas back, or lower min-replicas-to-write",
        ),
        "MOVED" | "ASK" | "CROSSSLOT" => (
            Config,
            true,
            "belongs to a cluster",
            "say cluster = true, or make the provider from redis+cluster://",
        ),
        _ => (
            Unavailable,
            true,
            "refused a command",
            "see whether it is a Redis from 7.0 or a Valkey with all its commands enabled",
        ),
    };
    let failure = Failure::new(kind, WriteOutcome::NotRun, format!("{address} {what}"), advice);
    let concern = if code == "TRYAGAIN" { Concern::Keys } else { Concern::Everything };
    Failure { lasting, concern, ..failure }
}

#[cfg(test)]
mod tests {
    use redis::Value;

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
        assert!(words(of_server(&here(), "OOM")).contains("nothing was changed"));
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
        let kind = |code| of_server(&here(), code).into_error(Access::Writes).kind();
        let value = redis::parse_redis_value(b"-NOPERM no\r\n").unwrap();
        let Value::ServerError(error) = value else { panic!("{value:?}") };
        assert_eq!(of_server_error(&here(), &error).into_error(Access::Writes).kind(), ErrorKind::Denied);
        assert_eq!(kind("OOM"), ErrorKind::Full);
        assert_eq!(kind("LOADING"), ErrorKind::Unavailable);
        assert_eq!(kind("MOVED"), ErrorKind::Config);
        assert!(of_server(&here(), "LOADING").may_retry(Access::Writes));
        assert!(!of_server(&here(), "OOM").may_retry(Access::Writes));
    }
}
