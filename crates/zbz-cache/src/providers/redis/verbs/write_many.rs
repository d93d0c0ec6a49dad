//! Many sets at once: one command each, sent together.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use redis::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::Failures;
use crate::providers::redis::client::Client;
use crate::providers::redis::cluster::exchange::CommandResult;
use crate::providers::redis::connection::sizes;
use crate::providers::redis::error::Access;
use crate::providers::redis::shared::Shared;
use crate::providers::redis::verbs::call::Batch;
use crate::providers::redis::verbs::write::{MAX_VALUE_BYTES, OVER_THE_MOST, append_set, refused, too_large};
use crate::ttl::{Lifetime, Ttl};

/// The sets of a batch, packed. Of equal keys only the last set is sent, since it wins.
pub(in crate::providers::redis) struct Sets {
    lifetime: Lifetime,
    batch: Batch,
    /// The state of each entry, in order.
    entries: Vec<BatchEntry>,
    /// The stored keys and sizes of values that may be too large, by the indices of their entries.
    large: HashMap<usize, (Vec<u8>, usize)>,
}

/// The way of an entry.
#[derive(Clone, Copy)]
enum BatchEntry {
    /// It is the command of this index, about this slot.
    Command(usize, u16),
    /// It is too large.
    Large,
    /// A later entry, at this index, has the same key.
    Before(usize),
}

impl Sets {
    pub(in crate::providers::redis) fn new(client: &Client, entries: &[(&[u8], &[u8])], ttl: Ttl) -> Sets {
        let lifetime = client.lifetime(ttl);
        let mut last: HashMap<&[u8], usize, RandomState> =
            HashMap::with_capacity_and_hasher(entries.len(), RandomState::default());
        last.extend(entries.iter().enumerate().map(|(at, (key, _))| (*key, at)));
        let sent = entries.iter().filter(|(_, value)| value.len() <= MAX_VALUE_BYTES);
        let bytes = sent.map(|(key, value)| key.len() + value.len() + 64).sum();
        let mut sets = Sets {
            lifetime,
            batch: Batch::with_capacity(entries.len(), bytes),
            entries: Vec::with_capacity(entries.len()),
            large: HashMap::new(),
        };
        let mut commands = 0;
        for (at, (key, value)) in entries.iter().enumerate() {
            let last = last.get(key).copied().unwrap_or(at);
            let stored = client.key(key);
            if value.len() > sizes::SURE && last == at {
                sets.large.insert(at, (stored.to_vec(), value.len()));
            }
            let entry = if last != at {
                BatchEntry::Before(last)
            } else if value.len() > MAX_VALUE_BYTES {
                BatchEntry::Large
            } else {
                let slot = client.slot(&stored);
                append_set(&mut sets.batch.bytes, &stored, value, lifetime);
                sets.batch.end_command(slot);
                commands += 1;
                BatchEntry::Command(commands - 1, slot)
            };
            sets.entries.push(entry);
        }
        sets
    }
}

pub(in crate::providers::redis) async fn set_multi(shared: &Shared, sets: Sets) -> Result<Failures> {
    let (client, call) = (&shared.client, shared.call(Access::Writes));
    let Sets { lifetime, batch, entries, large } = sets;
    let mut reasons: HashMap<usize, Error> = HashMap::new();
    let answers = shared.answers(batch, call).await;
    for (at, place) in entries.iter().enumerate() {
        let refused = match *place {
            BatchEntry::Command(command, slot) => stored(client, slot, answers.get(command)).err(),
            BatchEntry::Large => Some(Error::new(ErrorKind::TooLarge, OVER_THE_MOST)),
            BatchEntry::Before(_) => None,
        };
        let Some(error) = refused else { continue };
        let error = match large.get(&at) {
            Some((key, bytes)) if error.kind() == ErrorKind::TooLarge => {
                too_large(shared, key, *bytes, call).await
            }
            // The keys of values that every server accepts are not kept. The error says that nothing was changed.
            _ => error,
        };
        reasons.insert(at, error);
    }
    if reasons.is_empty() {
        client.counts.sets(entries.len() as u64);
        client.counts.deletes(if lifetime == Lifetime::Gone { entries.len() as u64 } else { 0 });
        return Ok(Failures::new());
    }
    let mut failures = Failures::new();
    for (at, place) in entries.iter().enumerate() {
        let last = if let BatchEntry::Before(last) = *place { last } else { at };
        match reasons.get(&last) {
            Some(error) => {
                client.counts.refused(error);
                failures.push((at, error.clone()));
            }
            None => {
                client.counts.sets(1);
                client.counts.deletes(u64::from(lifetime == Lifetime::Gone));
            }
        }
    }
    Ok(failures)
}

fn stored(client: &Client, slot: u16, answer: Option<&CommandResult>) -> Result<()> {
    match answer {
        Some(Ok(Value::Okay | Value::Int(_))) => Ok(()),
        Some(Ok(other)) => Err(refused(client, slot, other)),
        Some(Err(failed)) => Err(failed.clone().into_error(Access::Writes)),
        None => Err(refused(client, slot, &Value::Nil)),
    }
}
