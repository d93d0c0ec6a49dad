//! The fast path of a call, in the caller's own future.
//!
//! Usually the connections are up. Then the caller's own thread hands the commands over, and its future waits for
//! the answer from the connection's driver, by the deadline. Nothing is begun on the provider's thread, no timer is
//! set and nothing is polled twice. A command that cannot be answered like this goes the long way, on the provider's thread (`cluster/exchange.rs`), from where it
//! stands.
//!
//! If a caller leaves, its commands that were not handed over yet are dropped, so that none of them is sent
//! after commands that others hand over later.

use std::sync::Arc;

use redis::Value;
use tokio::time::Instant;

use crate::error::Error;
use crate::providers::redis::cluster::exchange::{
    Command, CommandResult, Exchange, Failed, GivesUp, Open, Sent, broke_inside, failed,
};
use crate::providers::redis::cluster::node::Admission;
use crate::providers::redis::connection::Connection;
use crate::providers::redis::connection::send_queue::{Broken, Returned, Values};
use crate::providers::redis::error::{self, Access, WriteOutcome};
use crate::providers::redis::shared::Shared;

/// The properties of one call.
#[derive(Clone, Copy)]
pub(in crate::providers::redis) struct Call {
    pub(in crate::providers::redis) access: Access,
    pub(in crate::providers::redis) deadline: Instant,
    /// Whether each command may end its connection, and so has to be sent in quarantine.
    pub(in crate::providers::redis) is_suspect: bool,
    pub(in crate::providers::redis) gives_up: GivesUp,
}

impl Call {
    /// Makes it the call of a load's read, which ends when the server is found to be down.
    pub(in crate::providers::redis) fn of_load(self) -> Call {
        Call { gives_up: GivesUp::WhenDown, ..self }
    }
}

/// The commands of a batch, packed one after another.
#[derive(Default)]
pub(in crate::providers::redis) struct Batch {
    pub(in crate::providers::redis) bytes: Vec<u8>,
    /// The slot of each command, and the end of its bytes.
    ends: Vec<(u16, usize)>,
}

impl Batch {
    pub(in crate::providers::redis) fn with_capacity(commands: usize, bytes: usize) -> Batch {
        Batch { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(commands) }
    }

    /// Ends a command, about this slot: it has the bytes appended since the last one.
    pub(in crate::providers::redis) fn end_command(&mut self, slot: u16) {
        self.ends.push((slot, self.bytes.len()));
    }

    /// The bytes of each command.
    fn each(&self) -> impl Iterator<Item = &[u8]> {
        let begins = [0].into_iter().chain(self.ends.iter().map(|&(_, ends)| ends));
        begins.zip(&self.ends).map(|(begins, &(_, ends))| &self.bytes[begins..ends])
    }

    /// The separate commands.
    fn into_commands(self) -> Vec<Command> {
        let command = |(&(slot, _), command): (&(u16, usize), &[u8])| Command {
            slot,
            bytes: command.to_vec(),
            gate: None,
        };
        self.ends.iter().zip(self.each()).map(command).collect()
    }
}

impl Shared {
    /// The call of a verb that begins now.
    pub(in crate::providers::redis) fn call(&self, access: Access) -> Call {
        Call { access, deadline: self.client.deadline(), is_suspect: false, gives_up: GivesUp::AtDeadline }
    }

    /// Sends one command, and returns its result.
    pub(in crate::providers::redis) async fn answer(
        &self,
        mut command: Command,
        call: Call,
    ) -> CommandResult {
        let connection = match self.client.topology.admit(command.slot) {
            Admission::Connection(connection) => Some(connection),
            Admission::Wait => None,
            Admission::Refused(failure) => return Err(failure.into()),
        };
        let is_refused =
            || call.access == Access::Reads && self.client.topology.unanswerable.has(&command.bytes);
        let Some(connection) =
            connection.filter(|connection| connection.sizes.take(&command.bytes) && !is_refused())
        else {
            return self.long_way_of_one(vec![Open::new(0, command)], Vec::new(), call).await;
        };
        let asked = std::mem::take(&mut command.bytes);
        let Returned { asked, answer } =
            connection.carry(asked, 1, call.deadline, command.gate.as_ref()).await;
        let answer = match answer {
            Ok(Values::One(value)) => Ok(value),
            Ok(Values::Many(_)) => Err(error::nonsense(&connection.address, WriteOutcome::Unknown).into()),
            Err(broken) => Err(self.failed(broken, call)),
        };
        if is_settled(&answer, call) {
            return answer;
        }
        command.bytes = asked;
        let open = Open::sent_to(self.client.topology.node(&connection.address), 0, command);
        self.long_way_of_one(Vec::new(), vec![(open, answer)], call).await
    }

    /// Sends a batch, and returns one result for each command, in their order.
    pub(in crate::providers::redis) async fn answers(
        &self,
        mut batch: Batch,
        call: Call,
    ) -> Vec<CommandResult> {
        if batch.ends.is_empty() {
            return Vec::new();
        }
        if let Some(refusals) = self.refusals(&batch) {
            return refusals;
        }
        let Some(connection) = self.one_connection(&batch, call) else {
            let commands = batch.into_commands().into_iter().enumerate();
            let open = commands.map(|(index, command)| Open::new(index, command));
            let open = open.map(|open| if call.is_suspect { open.suspect() } else { open }).collect();
            return self.long_way(open, Vec::new(), call).await;
        };
        let (asked, count) = (std::mem::take(&mut batch.bytes), batch.ends.len());
        let Returned { asked, answer } = connection.carry(asked, count, call.deadline, None).await;
        batch.bytes = asked;
        let answers: Vec<CommandResult> = match answer {
            Ok(Values::One(value)) => vec![Ok(value)],
            Ok(Values::Many(values)) => values.into_iter().map(Ok).collect(),
            Err(broken) => {
                let failed = self.failed(broken, call);
                (0..count).map(|_| Err(failed.clone())).collect()
            }
        };
        if answers.iter().all(|answer| is_settled(answer, call)) {
            return answers;
        }
        let node = self.client.topology.node(&connection.address);
        let commands = batch.into_commands().into_iter().enumerate();
        let open = commands.map(|(index, command)| Open::sent_to(Arc::clone(&node), index, command));
        self.long_way(Vec::new(), open.zip(answers).collect(), call).await
    }

    /// The connection that can carry all of a batch.
    fn one_connection(&self, batch: &Batch, call: Call) -> Option<Arc<Connection>> {
        let topology = &self.client.topology;
        let Admission::Connection(connection) = topology.admit(batch.ends.first()?.0) else { return None };
        let all = !topology.is_cluster()
            || topology.has_all(&connection.address, batch.ends.iter().map(|command| command.0));
        let is_refused =
            || call.access == Access::Reads && batch.each().any(|one| topology.unanswerable.has(one));
        (all && !call.is_suspect && connection.sizes.take(&batch.bytes) && !is_refused())
            .then_some(connection)
    }

    /// The refusal of each command of a batch, if all are refused.
    fn refusals(&self, batch: &Batch) -> Option<Vec<CommandResult>> {
        let refusal = |&(slot, _): &(u16, usize)| match self.client.topology.admit(slot) {
            Admission::Refused(failure) => Some(Err(failure.into())),
            Admission::Connection(_) | Admission::Wait => None,
        };
        batch.ends.iter().map(refusal).collect()
    }

    fn failed(&self, broken: Broken, call: Call) -> Failed {
        failed(broken, self.client.exchange(call.access, call.deadline).timed_out(WriteOutcome::Unknown))
    }

    async fn long_way_of_one(&self, open: Vec<Open>, sent: Sent, call: Call) -> CommandResult {
        let answer = self.long_way(open, sent, call).await.pop();
        answer.unwrap_or_else(|| Err(Failed::Ended(broke_inside())))
    }

    /// Does the rest of a call, on the provider's thread.
    async fn long_way(&self, open: Vec<Open>, sent: Sent, call: Call) -> Vec<CommandResult> {
        let ended = |error: &Error| Err(Failed::Ended(error.clone()));
        // A closed provider still reports the outcomes of writes so far.
        let so_far: Vec<CommandResult> = match call.access {
            Access::Writes => sent.iter().map(|(_, answer)| answer.clone()).collect(),
            Access::Reads => sent.iter().map(|_| ended(&Error::closed())).collect(),
        };
        let count = open.len() + sent.len();
        let exchange = self.client.exchange(call.access, call.deadline);
        let exchange = Exchange { gives_up: call.gives_up, ..exchange };
        let work = async move { exchange.go_on(open, sent, count).await };
        match self.runtime.begin_for_caller(work) {
            Ok(told) => told.await.unwrap_or_else(|_| (0..count).map(|_| ended(&broke_inside())).collect()),
            Err(_) if !so_far.is_empty() => so_far,
            Err(error) => (0..count).map(|_| ended(&error)).collect(),
        }
    }
}

/// Whether a result is final: not an error that calls for a retry.
fn is_settled(answer: &CommandResult, call: Call) -> bool {
    match answer {
        Ok(value) => !matches!(value, Value::ServerError(_)),
        Err(Failed::Failure(_)) => Instant::now() >= call.deadline,
        Err(_) => true,
    }
}
