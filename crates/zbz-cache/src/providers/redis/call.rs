//! The short way to an answer, in the caller's own future.
//!
//! Where all is well, which is how it usually is, links are up: the commands are handed over by the
//! caller's own thread, and its future waits for what the links' drivers tell it, by the deadline.
//! Nothing is begun on the provider's thread, no timer is set and nothing is polled twice. All that
//! cannot be answered so goes the long way, on the provider's thread (`exchange.rs`), from where it
//! stands.
//!
//! A caller that leaves takes along what was not handed over yet, so that nothing of it goes out
//! after what others hand over later.

use std::sync::Arc;

use redis::Value;
use tokio::time::Instant;

use super::Shared;
use super::exchange::{Answer, Ask, Failed, Open, Sent, broke_inside, failed};
use super::failure::{self, Effect, Fate};
use super::line::{Broken, Carried, Values};
use super::link::Link;
use crate::error::Error;

/// What a call is, and until when it may take.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) effect: Effect,
    pub(super) deadline: Instant,
    /// Whether each ask may end the link it is on, so that it has to go by itself.
    pub(super) is_suspect: bool,
}

/// The asks of a batch, packed one after another.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) commands: Vec<u8>,
    /// Of each its slot, and where it ends.
    asks: Vec<(u16, usize)>,
}

impl Batch {
    pub(super) fn with_capacity(asks: usize, bytes: usize) -> Batch {
        Batch { commands: Vec::with_capacity(bytes), asks: Vec::with_capacity(asks) }
    }

    /// What was appended to the commands since the last ask is one, about this slot.
    pub(super) fn end_ask(&mut self, slot: u16) {
        self.asks.push((slot, self.commands.len()));
    }

    /// Each command of it.
    fn each(&self) -> impl Iterator<Item = &[u8]> {
        let begins = [0].into_iter().chain(self.asks.iter().map(|&(_, ends)| ends));
        begins.zip(&self.asks).map(|(begins, &(_, ends))| &self.commands[begins..ends])
    }

    /// The asks, apart.
    fn into_asks(self) -> Vec<Ask> {
        let ask = |(&(slot, _), command): (&(u16, usize), &[u8])| Ask {
            slot,
            command: command.to_vec(),
            gate: None,
        };
        self.asks.iter().zip(self.each()).map(ask).collect()
    }
}

impl Shared {
    /// The call of a verb that begins now.
    pub(super) fn call(&self, effect: Effect) -> Call {
        Call { effect, deadline: self.client.deadline(), is_suspect: false }
    }

    /// The answer of one ask.
    pub(super) async fn answer(&self, mut ask: Ask, call: Call) -> Answer {
        let link = self.client.topology.link(ask.slot);
        let is_refused =
            || call.effect == Effect::Reads && self.client.topology.unanswerable.has(&ask.command);
        let Some(link) = link.filter(|link| link.sizes.take(&ask.command) && !is_refused()) else {
            return self.long_way_of_one(vec![Open::new(0, ask)], Vec::new(), call).await;
        };
        let asked = std::mem::take(&mut ask.command);
        let Carried { asked, answer } = link.carry(asked, 1, call.deadline, ask.gate.as_ref()).await;
        let answer = match answer {
            Ok(Values::One(value)) => Ok(value),
            Ok(Values::Many(_)) => Err(failure::nonsense(&link.address, Fate::Unknown).into()),
            Err(broken) => Err(self.failed(broken, call)),
        };
        if is_settled(&answer, call) {
            return answer;
        }
        ask.command = asked;
        let open = Open::sent_to(self.client.topology.node(&link.address), 0, ask);
        self.long_way_of_one(Vec::new(), vec![(open, answer)], call).await
    }

    /// One answer for each ask of a batch, in their order.
    pub(super) async fn answers(&self, mut batch: Batch, call: Call) -> Vec<Answer> {
        if batch.asks.is_empty() {
            return Vec::new();
        }
        let Some(link) = self.one_link(&batch, call) else {
            let asks = batch.into_asks().into_iter().enumerate();
            let open = asks.map(|(index, ask)| Open::new(index, ask));
            let open = open.map(|open| if call.is_suspect { open.suspect() } else { open }).collect();
            return self.long_way(open, Vec::new(), call).await;
        };
        let (asked, count) = (std::mem::take(&mut batch.commands), batch.asks.len());
        let Carried { asked, answer } = link.carry(asked, count, call.deadline, None).await;
        batch.commands = asked;
        let answers: Vec<Answer> = match answer {
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
        let node = self.client.topology.node(&link.address);
        let asks = batch.into_asks().into_iter().enumerate();
        let open = asks.map(|(index, ask)| Open::sent_to(Arc::clone(&node), index, ask));
        self.long_way(Vec::new(), open.zip(answers).collect(), call).await
    }

    /// The link that all of a batch can go over at once.
    fn one_link(&self, batch: &Batch, call: Call) -> Option<Arc<Link>> {
        let topology = &self.client.topology;
        let link = topology.link(batch.asks.first()?.0)?;
        let all =
            !topology.is_cluster() || topology.has_all(&link.address, batch.asks.iter().map(|ask| ask.0));
        let is_refused =
            || call.effect == Effect::Reads && batch.each().any(|one| topology.unanswerable.has(one));
        (all && !call.is_suspect && link.sizes.take(&batch.commands) && !is_refused()).then_some(link)
    }

    fn failed(&self, broken: Broken, call: Call) -> Failed {
        failed(broken, self.client.exchange(call.effect, call.deadline).timed_out(Fate::Unknown))
    }

    async fn long_way_of_one(&self, open: Vec<Open>, sent: Sent, call: Call) -> Answer {
        let answer = self.long_way(open, sent, call).await.pop();
        answer.unwrap_or_else(|| Err(Failed::Ended(broke_inside())))
    }

    /// What is left to be done, on the provider's thread.
    async fn long_way(&self, open: Vec<Open>, sent: Sent, call: Call) -> Vec<Answer> {
        let ended = |error: &Error| Err(Failed::Ended(error.clone()));
        // What became of writes so far is told also by a provider that takes no more work.
        let so_far: Vec<Answer> = match call.effect {
            Effect::Writes => sent.iter().map(|(_, answer)| answer.clone()).collect(),
            Effect::Reads => sent.iter().map(|_| ended(&Error::closed())).collect(),
        };
        let count = open.len() + sent.len();
        let exchange = self.client.exchange(call.effect, call.deadline);
        let work = async move { exchange.go_on(open, sent, count).await };
        match self.runtime.begin_for_caller(work) {
            Ok(told) => told.await.unwrap_or_else(|_| (0..count).map(|_| ended(&broke_inside())).collect()),
            Err(_) if !so_far.is_empty() => so_far,
            Err(error) => (0..count).map(|_| ended(&error)).collect(),
        }
    }
}

/// Whether an answer is what it will be: no error that may ask for another try in time.
fn is_settled(answer: &Answer, call: Call) -> bool {
    match answer {
        Ok(value) => !matches!(value, Value::ServerError(_)),
        Err(Failed::Failure(_)) => Instant::now() >= call.deadline,
        Err(_) => true,
    }
}
