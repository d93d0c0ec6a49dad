//! Finds out whether calls would be served: asks every primary, and tries each right that verbs need by a
//! command that changes nothing.
//!
//! The key of the trials is the prefix of a namespace without a name, which no entry has. A server checks
//! the rights before it says that the key is at another server, so each primary is asked about every right.
//! An error for another reason than the user's rights counts only if it would make every call fail.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::Value;
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::{Error, ErrorKind, Result};
use crate::providers::redis::client::Client;
use crate::providers::redis::cluster::node::Node;
use crate::providers::redis::connection::command;
use crate::providers::redis::connection::send_queue::{Broken, Values};
use crate::providers::redis::error::{self, Access, Concern, Failure, WriteOutcome};
use crate::providers::redis::verbs::scan::pattern;

/// The pause between two tries. The breaker bounds the cost of a server that is down.
const PAUSE: Duration = Duration::from_millis(50);

/// Tries until it succeeds or the patience ends, at least once.
pub(in crate::providers::redis) async fn check(
    client: Arc<Client>,
    prefixes: Vec<Vec<u8>>,
    patience: Option<Duration>,
) -> Result<()> {
    let until = patience.map(|span| Instant::now() + span);
    loop {
        let deadline = until.map_or(client.deadline(), |until| until.min(client.deadline()));
        let late = || error::timed_out(WriteOutcome::Unsent, &format!("{:?}", client.settings.call_timeout));
        let checked = timeout_at(deadline, check_once(&client, &prefixes, deadline)).await;
        let Err(why) = checked.unwrap_or_else(|_| Err(late())) else { return Ok(()) };
        if client.closing.load(Ordering::Relaxed) {
            return Err(Error::closed());
        }
        if until.is_none_or(|until| Instant::now() + PAUSE >= until) {
            return Err(why.into_error(Access::Reads));
        }
        sleep(PAUSE).await;
    }
}

async fn check_once(client: &Client, prefixes: &[Vec<u8>], deadline: Instant) -> Result<(), Failure> {
    if let Some(refusal) = client.topology.refusal_of_all() {
        return Err(refusal);
    }
    client.topology.refresh().await?;
    let mut missing = Missing::default();
    for primary in client.topology.primaries() {
        ask(client, &primary.node, prefixes, deadline, &mut missing).await?;
    }
    missing.as_failure().map_or(Ok(()), Err)
}

/// A command that needs a right, and changes nothing.
type Trial<'a> = (&'static str, Vec<&'a [u8]>);

fn trials<'a>(key: &'a [u8], pattern: &'a [u8]) -> Vec<Trial<'a>> {
    let script = b"return 0";
    vec![
        ("get", vec![b"GET", key]),
        ("mget", vec![b"MGET", key]),
        ("pttl", vec![b"PTTL", key]),
        ("exists", vec![b"EXISTS", key]),
        ("eval_ro", vec![b"EVAL_RO", script, b"1", key]),
        ("eval", vec![b"EVAL", script, b"1", key]),
        ("set", vec![b"SET", key, b"", b"XX"]),
        ("unlink", vec![b"UNLINK", key]),
        ("persist", vec![b"PERSIST", key]),
        ("pexpire", vec![b"PEXPIRE", key, b"1000"]),
        // "-" is not a number, which the server finds before it looks for the key.
        ("incrby", vec![b"INCRBY", key, b"-"]),
        ("scan", vec![b"SCAN", b"0", b"MATCH", pattern, b"COUNT", b"1"]),
    ]
}

/// Asks one server, and notes which rights are missing there.
async fn ask(
    client: &Client,
    node: &Arc<Node>,
    prefixes: &[Vec<u8>],
    deadline: Instant,
    missing: &mut Missing,
) -> Result<(), Failure> {
    if let Some(refusal) = node.refusal() {
        return Err(refusal);
    }
    let connection = node.connection().await?;
    let patterns: Vec<Vec<u8>> = prefixes.iter().map(|prefix| pattern(prefix)).collect();
    let mut asked: Vec<(Trial<'_>, &[u8])> = Vec::new();
    for (prefix, pattern) in prefixes.iter().zip(&patterns) {
        asked.extend(trials(prefix, pattern).into_iter().map(|trial| (trial, pattern.as_slice())));
    }
    if client.subscribers().are_there() {
        // Changes nothing: this connection does not track.
        asked.push((("client|tracking", vec![b"CLIENT", b"TRACKING", b"OFF"]), b""));
    }
    // Every user may send HELLO, so there is a round trip even without a contract.
    let mut bytes = command::pack(&[b"HELLO"]);
    for ((_, parts), _) in &asked {
        command::append(&mut bytes, parts);
    }
    let answers = match connection.carry(bytes, asked.len() + 1, deadline, None).await.answer {
        Ok(Values::One(value)) => vec![value],
        Ok(Values::Many(values)) => values,
        Err(Broken::Lost(failure)) => return Err(failure),
        Err(_) => {
            let span = format!("{:?}", client.settings.call_timeout);
            return Err(error::timed_out(WriteOutcome::Unsent, &span));
        }
    };
    for (((right, _), pattern), answer) in asked.into_iter().zip(answers.into_iter().skip(1)) {
        let Value::ServerError(error) = answer else { continue };
        let why = error::of_server_error(&node.address, &error);
        match error.code() {
            "NOPERM" if why.concern == Concern::Keys => missing.keys(node, pattern),
            "NOPERM" => missing.command(node, right),
            // Another server would serve it; and a full cache still serves reads.
            "MOVED" | "ASK" | "TRYAGAIN" | "OOM" => {}
            "ERR" if right == "incrby" && why.concern == Concern::Everything => {}
            _ => return Err(why),
        }
    }
    Ok(())
}

/// The rights that the user lacks, each once.
#[derive(Default)]
struct Missing {
    server: String,
    rights: Vec<String>,
}

impl Missing {
    fn command(&mut self, node: &Node, right: &str) {
        self.add(node, format!("+{right}"));
    }

    fn keys(&mut self, node: &Node, pattern: &[u8]) {
        self.add(node, format!("~{}", String::from_utf8_lossy(pattern)));
    }

    fn add(&mut self, node: &Node, right: String) {
        if self.rights.is_empty() {
            self.server = node.address.to_string();
        }
        if !self.rights.contains(&right) {
            self.rights.push(right);
        }
    }

    fn as_failure(&self) -> Option<Failure> {
        let what = format!("{} does not let this user do all that the open contracts need", self.server);
        let advice = format!("give it the rights: ACL SETUSER <user> {}", self.rights.join(" "));
        let denied = || Failure::new(ErrorKind::Denied, WriteOutcome::NotRun, what, advice);
        (!self.rights.is_empty()).then(denied)
    }
}
