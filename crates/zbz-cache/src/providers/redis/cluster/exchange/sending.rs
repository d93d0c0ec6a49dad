//! Sends commands to one server together, and splits the replies among them.

use std::sync::Arc;

use redis::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{Failed, Open, Sent, failed};
use crate::providers::redis::cluster::node::Node;
use crate::providers::redis::cluster::quarantine::Ticket;
use crate::providers::redis::connection::Connection;
use crate::providers::redis::connection::command;
use crate::providers::redis::connection::send_queue::{Returned, Values};
use crate::providers::redis::error::{self, Failure, WriteOutcome};

/// If a command ends this many quarantined connections, its reply is taken to be the reason.
const ENDED: usize = 2;

/// Sends commands to one server in one write. A command for which the server might end the connection is
/// sent alone, after a trial has shown that the server accepts it. No other command waits for that trial.
pub(super) async fn send(node: Arc<Node>, group: Vec<Open>, deadline: Instant, waiting: Failure) -> Sent {
    let connection = match timeout_at(deadline, node.connection()).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(failure)) => return all(group, &failure.into()),
        Err(_) => return all(group, &waiting.with_outcome(WriteOutcome::Unsent).into()),
    };
    // The server can be reached, so it is worth trying a connection for quarantine.
    if let [one] = group.as_slice()
        && one.is_suspect
        && let Some(ticket) = node.quarantine.ticket()
    {
        return send_suspect(&node, &ticket, group, deadline, waiting).await;
    }
    let (sure, large): (Vec<Open>, Vec<Open>) =
        group.into_iter().partition(|one| connection.sizes.take(&one.command.bytes));
    let mut sending = JoinSet::new();
    for one in large {
        sending.spawn(send_large(Arc::clone(&node), Arc::clone(&connection), one, deadline, waiting.clone()));
    }
    let mut sent = match sure.is_empty() {
        true => Vec::new(),
        false => carry(&connection, sure, deadline, waiting).await,
    };
    sent.extend(sending.join_all().await.into_iter().flatten());
    sent
}

/// Sends a command in quarantine, until it has a reply or has ended [`ENDED`] connections.
async fn send_suspect(
    node: &Node,
    ticket: &Ticket<'_>,
    mut group: Vec<Open>,
    deadline: Instant,
    waiting: Failure,
) -> Sent {
    for _ in 0..ENDED {
        let connection = match timeout_at(deadline, node.quarantined_connection(ticket)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(failure)) => return all(group, &failure.into()),
            Err(_) => return all(group, &waiting.with_outcome(WriteOutcome::Unsent).into()),
        };
        let sent = carry(&connection, group, deadline, waiting.clone()).await;
        match sent.as_slice() {
            [(_, Err(Failed::Failure(failure)))] if failure.broke_connection => {}
            _ => return sent,
        }
        group = sent.into_iter().map(|(one, _)| one).collect();
    }
    all(group, &error::unanswerable(Some(&node.address)).into())
}

async fn send_large(
    node: Arc<Node>,
    connection: Arc<Connection>,
    one: Open,
    deadline: Instant,
    waiting: Failure,
) -> Sent {
    match node.prove(&connection, &one.command.bytes, deadline).await {
        Ok(()) => carry(&connection, vec![one], deadline, waiting).await,
        Err(failure) => vec![(one, Err(failure.into()))],
    }
}

/// Hands commands over to a connection, in one request.
async fn carry(connection: &Connection, mut group: Vec<Open>, deadline: Instant, waiting: Failure) -> Sent {
    let alone = group.len() == 1 && group.first().is_some_and(|one| one.asking.is_none());
    let (asked, count) = pack(&mut group, alone);
    group.iter_mut().for_each(|one| one.was_sent = true);
    let gate = group.first().and_then(|one| one.command.gate.clone());
    let Returned { asked, answer } = connection.carry(asked, count, deadline, gate.as_ref()).await;
    if let (true, [one]) = (alone, group.as_mut_slice()) {
        one.command.bytes = asked;
    }
    match answer {
        Ok(Values::One(value)) => group.pop().map(|one| (one, Ok(value))).into_iter().collect(),
        Ok(Values::Many(values)) => split(group, values),
        Err(broken) => all(group, &failed(broken, waiting)),
    }
}

fn all(group: Vec<Open>, failed: &Failed) -> Sent {
    group.into_iter().map(|one| (one, Err(failed.clone()))).collect()
}

/// The bytes of all commands, and their count. The bytes of a single command are moved, not copied;
/// the caller puts them back.
fn pack(group: &mut [Open], alone: bool) -> (Vec<u8>, usize) {
    if let (true, [one]) = (alone, &mut *group) {
        return (std::mem::take(&mut one.command.bytes), 1);
    }
    let mut asked = Vec::with_capacity(group.iter().map(|one| one.command.bytes.len() + 16).sum());
    let mut count = 0;
    for one in group {
        if one.asking.is_some() {
            command::append(&mut asked, &[b"ASKING"]);
            count += 1;
        }
        asked.extend_from_slice(&one.command.bytes);
        count += 1;
    }
    (asked, count)
}

fn split(group: Vec<Open>, values: Vec<Value>) -> Sent {
    let mut values = values.into_iter();
    let mut next = |one: &Open| {
        // Skips the reply to the ASKING.
        values.nth(usize::from(one.asking.is_some())).unwrap_or(Value::Nil)
    };
    group
        .into_iter()
        .map(|one| {
            let value = next(&one);
            (one, Ok(value))
        })
        .collect()
}
