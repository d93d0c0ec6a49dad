//! Verbs that read: get, get_value, their batches, ttl.
//!
//! A value alone is read by `GET` or `MGET`. A value with its remaining TTL is read by a script, so that
//! both are of one moment; a server that is out of memory would refuse a transaction. A key that does not
//! hold a string was written by another program, and is a miss. If a server refuses one of many keys it
//! refuses the whole command; then they are asked for one by one, as they are if `MGET` is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::Value;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::key::Packed;
use crate::provider::{Found, Read, ReadBatch, ReadParts};
use crate::providers::redis::client::Client;
use crate::providers::redis::cluster::exchange::{Command, CommandResult, Failed};
use crate::providers::redis::connection::command;
use crate::providers::redis::error::{self, Access, Concern, Failure};
use crate::providers::redis::shared::Shared;
use crate::providers::redis::verbs::call::{Batch, Call};
use crate::providers::redis::verbs::scripts;
use crate::ttl::TtlState;

/// The most keys of one command: a server does nothing else meanwhile.
const CHUNK: usize = 512;

/// Appends the command that reads these keys.
fn append(commands: &mut Vec<u8>, wanted: ReadParts, keys: &[&[u8]], chunk: &Chunk) {
    let mut count = itoa::Buffer::new();
    let head: &[&[u8]] = match (wanted, chunk.is_alone) {
        (ReadParts::All, _) => {
            &[b"EVAL_RO", scripts::READ.as_bytes(), count.format(chunk.at.len()).as_bytes()]
        }
        (ReadParts::Value, true) => &[b"GET"],
        // For one key too: the rights that a user needs must not depend on the number of keys.
        (ReadParts::Value, false) => &[b"MGET"],
    };
    let named: Vec<&[u8]> = chunk.at.iter().map(|&at| keys[at]).collect();
    let parts = [head, &named].concat();
    commands.reserve(command::len(&parts));
    command::append(commands, &parts);
}

/// The command for one stored key.
pub(in crate::providers::redis) fn command(client: &Client, wanted: ReadParts, key: &[u8]) -> Command {
    let command = match wanted {
        ReadParts::Value => command::pack(&[b"GET", key]),
        ReadParts::All => command::pack(&[b"EVAL_RO", scripts::READ.as_bytes(), b"1", key]),
    };
    client.command(key, command)
}

/// Keys of one slot, by their indices in the call.
struct Chunk {
    slot: u16,
    at: Vec<usize>,
    /// Whether it is one key, read by the command for single keys.
    is_alone: bool,
}

impl Chunk {
    fn of(slot: u16, at: &[usize]) -> Chunk {
        Chunk { slot, at: at.to_vec(), is_alone: false }
    }

    fn alone(slot: u16, at: usize) -> Chunk {
        Chunk { slot, at: vec![at], is_alone: true }
    }
}

/// Groups the keys at the indices `asked` by slot.
fn chunks(client: &Client, keys: &[&[u8]], asked: Vec<usize>) -> Vec<Chunk> {
    if !client.settings.cluster {
        return asked.chunks(CHUNK).map(|at| Chunk::of(0, at)).collect();
    }
    let mut by_slot: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for at in asked {
        by_slot.entry(client.slot(keys[at])).or_default().push(at);
    }
    by_slot.iter().flat_map(|(&slot, at)| at.chunks(CHUNK).map(move |at| Chunk::of(slot, at))).collect()
}

/// Passes each entry that was found to `visit`: the index of its key, its value, and the remaining TTL and
/// version if they were requested.
fn read(
    client: &Client,
    chunk: &Chunk,
    wanted: ReadParts,
    answer: Value,
    mut visit: impl FnMut(usize, Vec<u8>, Found),
) -> Result<(), Failure> {
    let nonsense = || client.nonsense(chunk.slot);
    let len = chunk.at.len();
    let (values, times) = match (answer, wanted) {
        (Value::ServerError(error), _) if error.code() == "WRONGTYPE" => return Ok(()),
        (error @ Value::ServerError(_), _) => return Err(client.refusal(chunk.slot, &error)),
        (Value::Array(values), ReadParts::Value) if !chunk.is_alone => (values, Vec::new()),
        (value, ReadParts::Value) if chunk.is_alone => (vec![value], Vec::new()),
        (Value::Array(mut parts), ReadParts::All) if parts.len() == len + 1 => {
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
        let left = if wanted == ReadParts::All { times.next() } else { Some(Value::Int(-1)) };
        if let Some((value, remaining)) = entry(value, left).ok_or_else(nonsense)? {
            let version = (wanted == ReadParts::All).then(|| client.version(&value));
            visit(at, value, Found::new(remaining, version));
        }
    }
    Ok(())
}

/// A value and its remaining TTL, if the key has one; the outer `None` if the reply is invalid.
fn entry(value: Value, left: Option<Value>) -> Option<Option<(Vec<u8>, Option<Duration>)>> {
    match (value, left?) {
        // At its deadline, to the millisecond, it is gone.
        (Value::Nil, Value::Int(_)) | (Value::BulkString(_), Value::Int(0 | -2)) => Some(None),
        (Value::BulkString(value), Value::Int(-1)) => Some(Some((value, None))),
        (Value::BulkString(value), Value::Int(left)) if left > 0 => {
            Some(Some((value, Some(Duration::from_millis(left as u64)))))
        }
        _ => None,
    }
}

/// Copies a value into the caller's buffer, or returns it in place of the buffer.
fn fill(buffer: &mut Vec<u8>, value: Vec<u8>) {
    if value.len() <= buffer.capacity() {
        buffer.clear();
        buffer.extend_from_slice(&value);
    } else {
        *buffer = value;
    }
}

pub(in crate::providers::redis) async fn get(
    shared: &Shared,
    call: Call,
    wanted: ReadParts,
    command: Command,
    mut buffer: Vec<u8>,
) -> Result<Read> {
    let slot = command.slot;
    let answer = shared.answer(command, call).await;
    let answer = answer.map_err(|failed| failed.into_error(Access::Reads))?;
    // The usual case.
    if let (ReadParts::Value, Value::BulkString(_)) = (wanted, &answer) {
        let Value::BulkString(value) = answer else { return Ok(Read::miss(buffer)) };
        fill(&mut buffer, value);
        return Ok(Read { buffer, found: Some(Found::default()) });
    }
    let mut found = None;
    let visited = read(&shared.client, &Chunk::alone(slot, 0), wanted, answer, |_, value, entry| {
        fill(&mut buffer, value);
        found = Some(entry);
    });
    visited.map_err(|why| why.into_error(Access::Reads))?;
    Ok(match found {
        Some(_) => Read { buffer, found },
        None => Read::miss(buffer),
    })
}

/// Whether the keys of a failed chunk may be answered if they are asked for one by one.
fn splits(wanted: ReadParts, chunk: &Chunk, why: &Failed) -> bool {
    !chunk.is_alone
        && match why.concern() {
            Concern::Everything => false,
            Concern::Keys | Concern::Reply => true,
            // By GET, not by the script that was refused.
            Concern::Command => wanted == ReadParts::Value,
        }
}

/// The indices of the keys to ask for. A key whose reply is known to be too large fails at once, since it
/// would take the other replies with it.
fn sent(client: &Client, wanted: ReadParts, keys: &[&[u8]], batch: &mut ReadBatch) -> Vec<usize> {
    let (all, unanswerable) = (0..keys.len(), &client.topology.unanswerable);
    if unanswerable.is_empty() {
        return all.collect();
    }
    let (refused, sent): (Vec<usize>, _) =
        all.partition(|&at| unanswerable.has(&command(client, wanted, keys[at]).bytes));
    for at in refused {
        let server = client.topology.owner(client.slot(keys[at]));
        let why = error::unanswerable(server.as_ref().map(|node| &node.address));
        batch.fail(at, why.into_error(Access::Reads));
    }
    sent
}

pub(in crate::providers::redis) async fn get_multi(
    shared: &Shared,
    mut call: Call,
    wanted: ReadParts,
    keys: Packed,
    mut batch: ReadBatch,
) -> Result<ReadBatch> {
    let client = &shared.client;
    let keys = keys.as_slices();
    batch.reset(keys.len());
    let deadline = call.deadline;
    let is_in_time = || Instant::now() < deadline;
    let mut chunks = chunks(client, &keys, sent(client, wanted, &keys, &mut batch));
    loop {
        let answers = ask_for(shared, wanted, &keys, &chunks, call).await;
        let mut alone: Vec<usize> = Vec::new();
        for (chunk, answer) in chunks.iter().zip(answers) {
            let failed = match answer {
                Ok(answer) => {
                    let hit = |at, value: Vec<u8>, found| batch.hit(at, &value, found);
                    read(client, chunk, wanted, answer, hit).map_err(Into::into)
                }
                Err(failed) => Err(failed),
            };
            match failed {
                Ok(()) => {}
                Err(why) if splits(wanted, chunk, &why) && is_in_time() => {
                    call.is_suspect |= why.concern() == Concern::Reply;
                    alone.extend(&chunk.at);
                }
                Err(why) => {
                    let error = why.into_error(Access::Reads);
                    for &at in &chunk.at {
                        batch.fail(at, error.clone());
                    }
                }
            }
        }
        if alone.is_empty() {
            return Ok(batch);
        }
        chunks = alone.into_iter().map(|at| Chunk::alone(client.slot(keys[at]), at)).collect();
    }
}

async fn ask_for(
    shared: &Shared,
    wanted: ReadParts,
    keys: &[&[u8]],
    chunks: &[Chunk],
    call: Call,
) -> Vec<CommandResult> {
    let mut batch = Batch::default();
    for chunk in chunks {
        append(&mut batch.bytes, wanted, keys, chunk);
        batch.end_command(chunk.slot);
    }
    shared.answers(batch, call).await
}

pub(in crate::providers::redis) async fn ttl(shared: &Shared, key: Vec<u8>) -> Result<TtlState> {
    let command = shared.client.command(&key, command::pack(&[b"PTTL", &key]));
    let slot = command.slot;
    match one(shared, command, shared.call(Access::Reads)).await? {
        Value::Int(0 | -2) => Ok(TtlState::Missing),
        Value::Int(-1) => Ok(TtlState::Never),
        Value::Int(left) if left > 0 => Ok(TtlState::Remaining(Duration::from_millis(left as u64))),
        other => Err(shared.client.refusal(slot, &other).into_error(Access::Reads)),
    }
}

/// The reply to one command; an error of the server is a value.
pub(in crate::providers::redis) async fn one(
    shared: &Shared,
    command: Command,
    call: Call,
) -> Result<Value, Error> {
    shared.answer(command, call).await.map_err(|failed| failed.into_error(call.access))
}
