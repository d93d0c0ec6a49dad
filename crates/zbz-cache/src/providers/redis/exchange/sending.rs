//! Asks go out to one server, and what comes back is split among them.

use std::sync::Arc;

use redis::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{Failed, Open, Sent, failed};
use crate::providers::redis::command;
use crate::providers::redis::failure::{self, Failure, Fate};
use crate::providers::redis::line::{Carried, Values};
use crate::providers::redis::link::Link;
use crate::providers::redis::node::Node;
use crate::providers::redis::quarantine::Ticket;

/// How many connections of its own an ask ends before its answer is taken for the reason.
const ENDED: usize = 2;

/// Sends asks to one server in one write. What the server might end the link for goes by itself, once
/// it is known that it does not: neither the others nor one another wait for that.
pub(super) async fn send(node: Arc<Node>, group: Vec<Open>, deadline: Instant, waiting: Failure) -> Sent {
    let link = match timeout_at(deadline, node.link()).await {
        Ok(Ok(link)) => link,
        Ok(Err(failure)) => return all(group, &failure.into()),
        Err(_) => return all(group, &waiting.with_fate(Fate::Unsent).into()),
    };
    // The server can be reached, so it is worth while.
    if let [one] = group.as_slice()
        && one.is_suspect
        && let Some(ticket) = node.quarantine.ticket()
    {
        return send_suspect(&node, &ticket, group, deadline, waiting).await;
    }
    let (sure, large): (Vec<Open>, Vec<Open>) =
        group.into_iter().partition(|one| link.sizes.take(&one.ask.command));
    let mut sending = JoinSet::new();
    for one in large {
        sending.spawn(send_large(Arc::clone(&node), Arc::clone(&link), one, deadline, waiting.clone()));
    }
    let mut sent = match sure.is_empty() {
        true => Vec::new(),
        false => carry(&link, sure, deadline, waiting).await,
    };
    sent.extend(sending.join_all().await.into_iter().flatten());
    sent
}

/// Sends an ask in quarantine, until it is answered or ended [`ENDED`] connections.
async fn send_suspect(
    node: &Node,
    ticket: &Ticket<'_>,
    mut group: Vec<Open>,
    deadline: Instant,
    waiting: Failure,
) -> Sent {
    for _ in 0..ENDED {
        let link = match timeout_at(deadline, node.quarantined_link(ticket)).await {
            Ok(Ok(link)) => link,
            Ok(Err(failure)) => return all(group, &failure.into()),
            Err(_) => return all(group, &waiting.with_fate(Fate::Unsent).into()),
        };
        let sent = carry(&link, group, deadline, waiting.clone()).await;
        match sent.as_slice() {
            [(_, Err(Failed::Failure(failure)))] if failure.broke_link => {}
            _ => return sent,
        }
        group = sent.into_iter().map(|(one, _)| one).collect();
    }
    all(group, &failure::unanswerable(Some(&node.address)).into())
}

async fn send_large(
    node: Arc<Node>,
    link: Arc<Link>,
    one: Open,
    deadline: Instant,
    waiting: Failure,
) -> Sent {
    match node.prove(&link, &one.ask.command, deadline).await {
        Ok(()) => carry(&link, vec![one], deadline, waiting).await,
        Err(failure) => vec![(one, Err(failure.into()))],
    }
}

/// Hands asks over to a link at once.
async fn carry(link: &Link, mut group: Vec<Open>, deadline: Instant, waiting: Failure) -> Sent {
    let alone = group.len() == 1 && group.first().is_some_and(|one| one.asking.is_none());
    let (asked, count) = pack(&mut group, alone);
    let gate = group.first().and_then(|one| one.ask.gate.clone());
    let Carried { asked, answer } = link.carry(asked, count, deadline, gate.as_ref()).await;
    if let (true, [one]) = (alone, group.as_mut_slice()) {
        one.ask.command = asked;
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

/// The commands of all asks, and how many they are. One alone goes itself, and comes back.
fn pack(group: &mut [Open], alone: bool) -> (Vec<u8>, usize) {
    if let (true, [one]) = (alone, &mut *group) {
        return (std::mem::take(&mut one.ask.command), 1);
    }
    let mut asked = Vec::with_capacity(group.iter().map(|one| one.ask.command.len() + 16).sum());
    let mut count = 0;
    for one in group {
        if one.asking.is_some() {
            command::append(&mut asked, &[b"ASKING"]);
            count += 1;
        }
        asked.extend_from_slice(&one.ask.command);
        count += 1;
    }
    (asked, count)
}

fn split(group: Vec<Open>, values: Vec<Value>) -> Sent {
    let mut values = values.into_iter();
    let mut next = |one: &Open| {
        // Every other answer is to an ASKING.
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
