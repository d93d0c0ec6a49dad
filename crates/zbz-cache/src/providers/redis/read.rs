//! Verbs that read: get, get_value, their batches, ttl.
//!
//! A value alone is a `GET` or `MGET`. A value with what is left of its time is a script, for they
//! are of one moment, and a transaction would be refused by a server that is out of memory. What
//! is no string under a key was written by another program, and is a miss.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::time::Instant;

use super::client::Client;
use super::exchange::{Answer, Ask, Failed};
use super::failure::{Effect, Failure};
use super::scripts;
use crate::error::{Error, Result};
use crate::key::Packed;
use crate::provider::{Found, Read, ReadBatch};
use crate::ttl::TtlState;

/// How many keys one command names at most: a server does nothing else meanwhile.
const CHUNK: usize = 512;

/// What a caller wants to know of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Value,
    /// Its remaining time and its version too.
    All,
}

/// Keys of one slot, and where they stand in the call.
struct Chunk {
    slot: u16,
    at: Vec<usize>,
}

impl Chunk {
    fn ask(&self, wanted: Wanted, keys: &[&[u8]]) -> Ask {
        let mut command = Cmd::with_capacity(self.at.len() + 3, self.at.len() * 32);
        match (wanted, self.at.len()) {
            (Wanted::All, len) => command.arg("EVAL_RO").arg(scripts::READ).arg(len),
            (Wanted::Value, 1) => command.arg("GET"),
            (Wanted::Value, _) => command.arg("MGET"),
        };
        for &at in &self.at {
            command.arg(keys[at]);
        }
        Ask { slot: self.slot, commands: vec![command], gate: None }
    }
}

/// All keys, by slot.
fn chunks(client: &Client, keys: &[&[u8]]) -> Vec<Chunk> {
    let all: Vec<usize> = (0..keys.len()).collect();
    if !client.settings.cluster {
        return all.chunks(CHUNK).map(|at| Chunk { slot: 0, at: at.to_vec() }).collect();
    }
    let mut by_slot: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for at in all {
        by_slot.entry(client.slot(keys[at])).or_default().push(at);
    }
    let chunk = |slot, at: &[usize]| Chunk { slot, at: at.to_vec() };
    by_slot.iter().flat_map(|(&slot, at)| at.chunks(CHUNK).map(move |at| chunk(slot, at))).collect()
}

/// Hands each entry that was found to `visit`: where its key stands, its value, what is left of its
/// time and its version, as far as that was asked for.
fn read(
    client: &Client,
    chunk: &Chunk,
    wanted: Wanted,
    answer: Answer,
    mut visit: impl FnMut(usize, Vec<u8>, Found),
) -> Result<(), Failure> {
    let value = match answer {
        Ok(mut values) => values.pop(),
        Err(Failed::Failure(failure)) => return Err(failure),
        Err(Failed::Revoked) => None,
    };
    let nonsense = || client.nonsense(chunk.slot);
    let len = chunk.at.len();
    let (values, times) = match (value, wanted) {
        (Some(Value::ServerError(error)), _) if error.code() == "WRONGTYPE" => return Ok(()),
        (Some(error @ Value::ServerError(_)), _) => return Err(client.refusal(chunk.slot, &error)),
        (Some(Value::Array(values)), Wanted::Value) if len > 1 => (values, Vec::new()),
        (Some(value), Wanted::Value) if len == 1 => (vec![value], Vec::new()),
        (Some(Value::Array(mut parts)), Wanted::All) if parts.len() == len + 1 => {
            let times = parts.split_off(1);
            match parts.pop() {
                Some(Value::Array(values)) => (values, times),
                _ => return Err(nonsense()),
            }
        }
        _ => return Err(nonsense()),
    };
    if values.len() != len {
        return Err(nonsense());
    }
    let mut times = times.into_iter();
    for (&at, value) in chunk.at.iter().zip(values) {
        let left = if wanted == Wanted::All { times.next() } else { Some(Value::Int(-1)) };
        let (value, remaining) = match (value, left) {
            // At its deadline, to the millisecond, it is gone.
            (Value::Nil, Some(Value::Int(_))) | (Value::BulkString(_), Some(Value::Int(0 | -2))) => continue,
            (Value::BulkString(value), Some(Value::Int(-1))) => (value, None),
            (Value::BulkString(value), Some(Value::Int(left))) if left > 0 => {
                (value, Some(Duration::from_millis(left as u64)))
            }
            _ => return Err(nonsense()),
        };
        let version = (wanted == Wanted::All).then(|| client.version(&value));
        visit(at, value, Found { remaining, version });
    }
    Ok(())
}

/// Puts a value that came into the caller's buffer, or takes it in the buffer's place.
fn fill(buffer: &mut Vec<u8>, value: Vec<u8>) {
    if value.len() <= buffer.capacity() {
        buffer.clear();
        buffer.extend_from_slice(&value);
    } else {
        *buffer = value;
    }
}

pub(super) async fn get(
    client: Arc<Client>,
    wanted: Wanted,
    key: Vec<u8>,
    mut buffer: Vec<u8>,
    deadline: Instant,
) -> Result<Read> {
    let chunk = Chunk { slot: client.slot(&key), at: vec![0] };
    let answer = client.answer(chunk.ask(wanted, &[&key]), Effect::Reads, deadline).await;
    let mut entry = None;
    let visited = read(&client, &chunk, wanted, answer, |_, value, found| {
        fill(&mut buffer, value);
        entry = Some(found);
    });
    visited.map_err(|why| why.into_error(Effect::Reads))?;
    Ok(match entry {
        Some(_) => Read { buffer, found: entry },
        None => Read::miss(buffer),
    })
}

pub(super) async fn get_multi(
    client: Arc<Client>,
    wanted: Wanted,
    keys: Packed,
    mut batch: ReadBatch,
    deadline: Instant,
) -> Result<ReadBatch> {
    let keys = keys.as_slices();
    batch.reset(keys.len());
    let mut chunks = chunks(&client, &keys);
    loop {
        let asks = chunks.iter().map(|chunk| chunk.ask(wanted, &keys)).collect();
        let answers = client.answers(asks, Effect::Reads, deadline).await;
        let mut alone: Vec<usize> = Vec::new();
        for (chunk, answer) in chunks.iter().zip(answers) {
            let visited =
                read(&client, chunk, wanted, answer, |at, value, found| batch.hit(at, &value, found));
            match visited {
                Ok(()) => {}
                Err(why) if why.split && chunk.at.len() > 1 => alone.extend(&chunk.at),
                Err(why) => {
                    let error = why.into_error(Effect::Reads);
                    for &at in &chunk.at {
                        batch.fail(at, error.clone());
                    }
                }
            }
        }
        if alone.is_empty() {
            return Ok(batch);
        }
        chunks = alone.into_iter().map(|at| Chunk { slot: client.slot(keys[at]), at: vec![at] }).collect();
    }
}

pub(super) async fn ttl(client: Arc<Client>, key: Vec<u8>, deadline: Instant) -> Result<TtlState> {
    let mut left = redis::cmd("PTTL");
    left.arg(&key);
    let value = one(&client, &key, left, Effect::Reads, deadline).await?;
    match value {
        Value::Int(0 | -2) => Ok(TtlState::Missing),
        Value::Int(-1) => Ok(TtlState::Never),
        Value::Int(left) if left > 0 => Ok(TtlState::Remaining(Duration::from_millis(left as u64))),
        other => Err(client.refusal(client.slot(&key), &other).into_error(Effect::Reads)),
    }
}

/// The answer of one command about one key; an error of the server is a value.
pub(super) async fn one(
    client: &Client,
    key: &[u8],
    command: Cmd,
    effect: Effect,
    deadline: Instant,
) -> Result<Value, Error> {
    match client.answer(client.ask(key, vec![command]), effect, deadline).await {
        Ok(mut values) => {
            let nonsense = || client.nonsense(client.slot(key)).into_error(effect);
            values.pop().ok_or_else(nonsense)
        }
        Err(Failed::Failure(failure)) => Err(failure.into_error(effect)),
        Err(Failed::Revoked) => Err(client.nonsense(client.slot(key)).into_error(effect)),
    }
}
