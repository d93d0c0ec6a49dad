//! [`Exchange`]: the slow path of a call, on the provider's thread: it routes, sends, follows
//! redirections and retries.
//!
//! A [`Command`] concerns one slot. All commands of a call go out at once, in one write for each server
//! (except commands that may be too large, `connection/sizes.rs`). A command without a reply is retried
//! until its deadline, at most [`TRIES`] times in all. These are retried:
//!
//! - a command that the server refused for a passing cause (loading, moving, failing over);
//! - a command that was certainly not sent: there was no connection, or it broke before a byte went out;
//! - a read, whatever happened to it.
//!
//! A write that may have been sent and has no reply is never sent again: its outcome is unknown.
//!
//! A command that was not sent yet is refused if its server's breaker is open. One that was sent is still
//! retried, unless its call [gives up](GivesUp::WhenDown).

use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind};
use crate::provider::Token;
use crate::providers::redis::cluster::node::Node;
use crate::providers::redis::cluster::slots::redirection;
use crate::providers::redis::cluster::topology::Topology;
use crate::providers::redis::config::address::Address;
use crate::providers::redis::config::settings::Settings;
use crate::providers::redis::connection::send_queue::Broken;
use crate::providers::redis::error::{self, Access, Concern, Failure, WriteOutcome};

mod sending;

use sending::send;

/// The most tries of a command.
const TRIES: usize = 6;

/// How many redirections are free: each further one counts as a try.
const FREE_HOPS: usize = 4;

/// The pause before the third try, doubled for each later one. There is none before the second.
const PAUSE: Duration = Duration::from_millis(5);

/// When a call stops retrying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers::redis) enum GivesUp {
    AtDeadline,
    /// Also when the breaker of its server opens, for a caller that has an alternative.
    WhenDown,
}

/// A command that concerns one slot.
pub(in crate::providers::redis) struct Command {
    pub(in crate::providers::redis) slot: u16,
    /// The packed command; empty while it is being sent.
    pub(in crate::providers::redis) bytes: Vec<u8>,
    /// Checked in the step that queues the command. If it is revoked: [`Failed::Revoked`].
    pub(in crate::providers::redis) gate: Option<Token>,
}

/// Why a command has no reply.
#[derive(Debug, Clone)]
pub(in crate::providers::redis) enum Failed {
    /// Its token was revoked; nothing was sent.
    Revoked,
    Failure(Failure),
    /// The provider was closed, or had an internal fault.
    Ended(Error),
}

impl Failed {
    /// Which part of a command about many keys the failure concerns.
    pub(in crate::providers::redis) fn concern(&self) -> Concern {
        match self {
            Failed::Failure(failure) => failure.concern,
            Failed::Revoked | Failed::Ended(_) => Concern::Everything,
        }
    }

    pub(in crate::providers::redis) fn into_error(self, access: Access) -> Error {
        match self {
            Failed::Failure(failure) => failure.into_error(access),
            Failed::Ended(error) => error,
            // The verb that passed a token handles this case itself.
            Failed::Revoked => Error::new(
                ErrorKind::Unavailable,
                "the key was written while it was loaded, so the loaded value was not stored",
            ),
        }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Failed::Failure(failure)
    }
}

/// A reply. An error of the server is a reply too, unless it calls for a retry.
pub(in crate::providers::redis) type CommandResult = Result<Value, Failed>;

/// Sends the commands of one call until each has its reply.
pub(in crate::providers::redis) struct Exchange {
    pub(in crate::providers::redis) settings: Arc<Settings>,
    pub(in crate::providers::redis) topology: Arc<Topology>,
    pub(in crate::providers::redis) access: Access,
    pub(in crate::providers::redis) deadline: Instant,
    pub(in crate::providers::redis) gives_up: GivesUp,
}

/// A command without a reply yet.
pub(in crate::providers::redis) struct Open {
    /// Its index in the call.
    index: usize,
    command: Command,
    /// The server that `ASK` named, for the next try only.
    asking: Option<Address>,
    /// Whether it is sent alone, in quarantine.
    is_suspect: bool,
    /// Whether it was handed over to a connection.
    was_sent: bool,
    /// The server it was last sent to.
    node: Option<Arc<Node>>,
    tries: usize,
    hops: usize,
}

impl Open {
    pub(in crate::providers::redis) fn new(index: usize, command: Command) -> Open {
        Open {
            index,
            command,
            asking: None,
            is_suspect: false,
            was_sent: false,
            node: None,
            tries: 0,
            hops: 0,
        }
    }

    pub(in crate::providers::redis) fn sent_to(node: Arc<Node>, index: usize, command: Command) -> Open {
        Open { node: Some(node), was_sent: true, ..Open::new(index, command) }
    }

    /// One that may end the connection it is on.
    pub(in crate::providers::redis) fn suspect(self) -> Open {
        Open { is_suspect: true, ..self }
    }

    /// Whether it may go in one write with others.
    fn may_join(&self) -> bool {
        self.asking.is_none() && self.command.gate.is_none() && !self.is_suspect
    }
}

/// The next step for a command that was sent.
enum Verdict {
    Answered,
    /// Another server has its slot.
    Moved(Address),
    /// Another server has to be asked, this once.
    Asking(Address),
    Failed(Failure),
}

/// Commands that were sent, each with its result.
pub(in crate::providers::redis) type Sent = Vec<(Open, CommandResult)>;

impl Exchange {
    /// Returns one result for each command, in their order, by the deadline.
    pub(in crate::providers::redis) async fn answers(&self, commands: Vec<Command>) -> Vec<CommandResult> {
        let count = commands.len();
        let open =
            commands.into_iter().enumerate().map(|(index, command)| Open::new(index, command)).collect();
        self.go_on(open, Vec::new(), count).await
    }

    /// As [`answers`](Exchange::answers), for commands of which some were sent already.
    pub(in crate::providers::redis) async fn go_on(
        &self,
        open: Vec<Open>,
        mut sent: Sent,
        count: usize,
    ) -> Vec<CommandResult> {
        let unanswered = || Err(Failed::Failure(self.timed_out(WriteOutcome::Unsent)));
        let mut answers: Vec<CommandResult> = (0..count).map(|_| unanswered()).collect();
        if !open.is_empty() {
            sent.extend(self.round(open).await);
        }
        self.settle(sent, &mut answers).await;
        answers
    }

    /// Takes the results of the commands sent, and retries commands until none may be retried.
    async fn settle(&self, mut sent: Sent, answers: &mut [CommandResult]) {
        let mut tries = 0;
        loop {
            let again: Vec<Open> =
                sent.into_iter().filter_map(|(one, sent)| self.take(one, sent, answers)).collect();
            let worst = again.iter().map(|one| one.tries).max().unwrap_or(0);
            if again.is_empty() || worst > tries && !self.pause(worst).await {
                return;
            }
            tries = worst;
            sent = self.round(again).await;
        }
    }

    /// Stores a result, or the failure so far, at the command's index. Returns the command if it may be retried.
    fn take(&self, mut one: Open, sent: CommandResult, answers: &mut [CommandResult]) -> Option<Open> {
        let failure = match sent {
            Err(Failed::Failure(failure)) => {
                one.tries += 1;
                one.is_suspect |= failure.broke_connection && self.access == Access::Reads;
                if failure.concern == Concern::Reply {
                    self.topology.unanswerable.insert(&one.command.bytes);
                }
                Some(failure)
            }
            Ok(ref value) => match self.judge(&one, value) {
                Verdict::Answered => {
                    answers[one.index] = sent;
                    return None;
                }
                verdict => self.redirect(&mut one, verdict),
            },
            Err(Failed::Revoked | Failed::Ended(_)) => {
                answers[one.index] = sent;
                return None;
            }
        };
        let may_go = failure.as_ref().is_none_or(|why| why.may_retry(self.access))
            && !(self.gives_up == GivesUp::WhenDown
                && one.node.as_ref().is_some_and(|node| node.is_refusing()));
        match failure {
            // The time ran out during a retry: the cause of the retry says more.
            Some(failure) if one.tries > 1 && failure.came_too_late() => {}
            Some(failure) => answers[one.index] = Err(Failed::Failure(failure)),
            None => {}
        }
        (may_go && one.tries < TRIES).then_some(one)
    }

    /// Waits before the next try, and refreshes the map of slots. False if there is no time left.
    async fn pause(&self, tries: usize) -> bool {
        let pause = if tries < 2 { Duration::ZERO } else { PAUSE * (1 << (tries - 2)) };
        if Instant::now() + pause >= self.deadline {
            return false;
        }
        tokio::time::sleep(pause).await;
        // If the map cannot be refreshed, the next try goes by the old one.
        let _ = timeout_at(self.deadline, self.topology.refresh()).await;
        true
    }

    pub(in crate::providers::redis) fn timed_out(&self, outcome: WriteOutcome) -> Failure {
        error::timed_out(outcome, &format!("{:?}", self.settings.call_timeout))
    }

    /// Sends every command once, to all servers concurrently.
    async fn round(&self, open: Vec<Open>) -> Sent {
        let mut groups: Vec<(Arc<Node>, Vec<Open>)> = Vec::new();
        let mut lost = Vec::new();
        for one in open {
            let node = match &one.asking {
                Some(address) => Ok(self.topology.node(address)),
                None => self.owner(one.command.slot).await,
            };
            match node {
                Err(failure) => lost.push((one, Err(Failed::Failure(failure)))),
                Ok(node) if self.is_unanswerable(&one.command) => {
                    lost.push((one, Err(error::unanswerable(Some(&node.address)).into())));
                }
                Ok(node) => {
                    if !one.was_sent
                        && let Some(refusal) = node.refusal()
                    {
                        lost.push((one, Err(refusal.into())));
                        continue;
                    }
                    let one = Open { node: Some(Arc::clone(&node)), ..one };
                    let same = |(other, group): &&mut (Arc<Node>, Vec<Open>)| {
                        one.may_join()
                            && Arc::ptr_eq(other, &node)
                            && group.first().is_some_and(Open::may_join)
                    };
                    match groups.iter_mut().find(same) {
                        Some((_, group)) => group.push(one),
                        None => groups.push((node, vec![one])),
                    }
                }
            }
        }
        let waiting = self.timed_out(WriteOutcome::Unknown);
        let mut sent = if groups.len() == 1 {
            let (node, group) = groups.remove(0);
            send(node, group, self.deadline, waiting).await
        } else {
            let mut sending = JoinSet::new();
            for (node, group) in groups {
                sending.spawn(send(node, group, self.deadline, waiting.clone()));
            }
            sending.join_all().await.into_iter().flatten().collect()
        };
        sent.append(&mut lost);
        sent
    }

    fn is_unanswerable(&self, command: &Command) -> bool {
        self.access == Access::Reads && self.topology.unanswerable.has(&command.bytes)
    }

    /// The owner of a slot; the map is fetched if none is known.
    async fn owner(&self, slot: u16) -> Result<Arc<Node>, Failure> {
        if let Some(node) = self.topology.owner(slot) {
            return Ok(node);
        }
        if let Some(refusal) = self.topology.refusal_of_all() {
            return Err(refusal);
        }
        match timeout_at(self.deadline, self.topology.refresh()).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => return Err(failure),
            Err(_) => return Err(self.timed_out(WriteOutcome::Unsent)),
        }
        self.topology.owner(slot).ok_or_else(|| {
            let advice = "assign all slots: redis-cli --cluster fix";
            Failure::new(
                ErrorKind::Unavailable,
                WriteOutcome::Unsent,
                "no server of the cluster has this key",
                advice,
            )
        })
    }

    fn judge(&self, one: &Open, value: &Value) -> Verdict {
        let (Value::ServerError(error), Some(node)) = (value, &one.node) else { return Verdict::Answered };
        let address = &node.address;
        match error.code() {
            "MOVED" | "ASK" if self.settings.cluster => match redirection(error, address) {
                Some(to) if error.code() == "MOVED" => Verdict::Moved(to),
                Some(to) => Verdict::Asking(to),
                None => Verdict::Failed(error::nonsense(address, WriteOutcome::NotRun)),
            },
            "READONLY" => {
                // The host name may lead to another primary by now, to which no listener is connected yet.
                self.topology.subscribers().map_changed();
                node.renew();
                Verdict::Failed(error::of_server_error(address, error))
            }
            "LOADING" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "BUSY" | "MOVED" | "ASK" => {
                Verdict::Failed(error::of_server_error(address, error))
            }
            _ => Verdict::Answered,
        }
    }

    /// Applies a verdict to its command. Returns the failure that stands if the command is not retried.
    fn redirect(&self, one: &mut Open, verdict: Verdict) -> Option<Failure> {
        one.asking = None;
        match verdict {
            Verdict::Answered => return None,
            Verdict::Moved(to) => self.topology.moved(one.command.slot, &to),
            Verdict::Asking(to) => {
                self.topology.subscribers().asked_aside(&to);
                one.asking = Some(to);
            }
            Verdict::Failed(failure) => {
                one.tries += 1;
                return Some(failure);
            }
        }
        one.hops += 1;
        one.tries += usize::from(one.hops > FREE_HOPS);
        Some(error::sent_around(one.node.as_ref().map(|node| &node.address)))
    }
}

/// The failure of a command whose connection failed; `late` is the one for a passed deadline.
pub(in crate::providers::redis) fn failed(broken: Broken, late: Failure) -> Failed {
    match broken {
        Broken::Revoked => Failed::Revoked,
        Broken::Late => Failed::Failure(late),
        Broken::Overdue => Failed::Failure(late.with_outcome(WriteOutcome::Unsent)),
        Broken::Lost(failure) => Failed::Failure(failure),
        Broken::Inside => Failed::Ended(broke_inside()),
    }
}

/// An internal fault of the provider.
pub(in crate::providers::redis) fn broke_inside() -> Error {
    let what = "internal fault of the provider; whether a write took effect is unknown; please report this";
    Error::new(ErrorKind::Unavailable, what)
}
