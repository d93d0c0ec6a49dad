//! Errors that a server sent in place of a result: each with its kind and the advice that fits its cause.

use std::borrow::Cow;

use redis::ServerError;

use super::{Concern, Failure, TAKES_LESS, WriteOutcome};
use crate::error::ErrorKind;
use crate::providers::redis::config::address::Address;

/// A server's error: the command was not executed.
pub(in super::super) fn of_server_error(address: &Address, error: &ServerError) -> Failure {
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
        // A command inside a script was denied.
        "ERR" if IN_SCRIPT.iter().any(|words| details.contains(words)) => denied(missing_right(details)),
        "ERR" if details.contains("invalid bulk length") => {
            let what = format!("{address} does not accept a value this long");
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
            None => of_server_code(address, error.code()),
        },
        code => of_server_code(address, code),
    }
}

/// The texts of servers about a script without a right.
const IN_SCRIPT: [&str; 2] = ["ACL failure in script", "executing the script can't run"];

/// Advice about the ACL rule that a user lacks.
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

/// The commands that are sent. Only these names are taken from a server's text.
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

/// The command quoted after `ahead`, if it is one of [`COMMANDS`].
fn command_in(details: &str, ahead: &str) -> Option<&'static str> {
    let quoted = details.split_once(ahead)?.1.split(['\'', '`']).nth(1)?;
    COMMANDS.into_iter().find(|command| command.eq_ignore_ascii_case(quoted))
}

pub(super) fn of_server_code(address: &Address, code: &str) -> Failure {
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
            "repair its disk, or set stop-writes-on-bgsave-error to no",
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
