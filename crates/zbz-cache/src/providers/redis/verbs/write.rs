//! Verbs that write: set and its conditions, delete, expire, take, add.
//!
//! Unconditional writes are plain commands, the others scripts. Each verb always uses the same ones, so that
//! the rights a user needs do not depend on the data. A swap by version first reads the value. If that still
//! has the version, a script stores the new value if the key still holds exactly these bytes.

use std::time::Duration;

use redis::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Condition, Deleted, Found, Read, SetOptions, SetOutcome, Version};
use crate::providers::redis::client::{Client, milliseconds};
use crate::providers::redis::cluster::exchange::{Command, Failed};
use crate::providers::redis::connection::command::{self, pack};
use crate::providers::redis::error::{self, Access};
use crate::providers::redis::shared::Shared;
use crate::providers::redis::verbs::call::{Batch, Call};
use crate::providers::redis::verbs::read::one;
use crate::providers::redis::verbs::scripts::{self, eval};
use crate::ttl::{Lifetime, Ttl};

/// The longest value of any server (`sizes.rs` finds out the limit of this one).
pub(in crate::providers::redis) const MAX_VALUE_BYTES: usize = 512 << 20;
pub(in crate::providers::redis) const OVER_THE_MOST: &str = "more than 512 MiB";

/// The arguments of a set.
pub(in crate::providers::redis) struct Set {
    pub(in crate::providers::redis) key: Vec<u8>,
    pub(in crate::providers::redis) value: Vec<u8>,
    pub(in crate::providers::redis) options: SetOptions,
}

pub(in crate::providers::redis) async fn set(shared: &Shared, set: Set) -> Result<SetOutcome> {
    let (client, call) = (&shared.client, shared.call(Access::Writes));
    let lifetime = client.lifetime(set.options.ttl);
    let bytes = set.value.len();
    let stored = match store(shared, &set, lifetime, call).await {
        Err(error) if error.kind() == ErrorKind::TooLarge => Err(match set.options.condition {
            Condition::Always => too_large(shared, &set.key, bytes, call).await,
            _ => Error::new(ErrorKind::TooLarge, too_large_words(bytes, "nothing was changed")),
        }),
        stored => stored,
    };
    match stored {
        Ok(SetOutcome::Stored) => {
            client.counts.sets(1);
            client.counts.deletes(u64::from(lifetime == Lifetime::Gone && !keeps(&set.options)));
        }
        Ok(_) => {}
        Err(ref error) => client.counts.refused(error),
    }
    stored
}

/// Whether a live entry keeps its deadline: then a TTL of zero does not remove it.
fn keeps(options: &SetOptions) -> bool {
    options.keep_deadline && !matches!(options.condition, Condition::Absent)
}

fn too_large_words(bytes: usize, old: &str) -> String {
    format!("a value of {bytes} bytes is more than the server takes; {old}; {}", error::TAKES_LESS)
}

/// Removes the old value, which the caller meant to replace, and makes the error.
pub(in crate::providers::redis) async fn too_large(
    shared: &Shared,
    key: &[u8],
    bytes: usize,
    call: Call,
) -> Error {
    match unlink(shared, unlink_command(&shared.client, key), call).await {
        Ok(_) => Error::new(ErrorKind::TooLarge, too_large_words(bytes, "the old value was removed")),
        Err(error) => {
            let old = format!("the old value may still be there: removing it failed ({})", error.kind());
            Error::new(ErrorKind::TooLarge, too_large_words(bytes, &old)).with_source(error)
        }
    }
}

async fn store(shared: &Shared, set: &Set, lifetime: Lifetime, call: Call) -> Result<SetOutcome> {
    let Set { key, value, options } = set;
    if value.len() > MAX_VALUE_BYTES {
        return Err(Error::new(ErrorKind::TooLarge, OVER_THE_MOST));
    }
    let is_plain = !keeps(options);
    let (command, token) = match &options.condition {
        Condition::Always if is_plain => (plain(key, value, lifetime), None),
        Condition::Token(token) if is_plain => (plain(key, value, lifetime), Some(token)),
        Condition::Always => (conditional(set, lifetime, b"any", b""), None),
        Condition::Token(token) => (conditional(set, lifetime, b"any", b""), Some(token)),
        Condition::Absent => (conditional(set, lifetime, b"absent", b""), None),
        Condition::Present => (conditional(set, lifetime, b"present", b""), None),
        Condition::Version(version) => return swap(shared, set, lifetime, *version, call).await,
    };
    let command = Command { gate: token.cloned(), ..shared.client.command(key, command) };
    let slot = command.slot;
    let value = match shared.answer(command, call).await {
        Ok(value) => value,
        Err(Failed::Revoked) => return Ok(SetOutcome::ConditionFailed),
        Err(failed) => return Err(failed.into_error(Access::Writes)),
    };
    match (value, &options.condition) {
        (Value::Okay, _) | (Value::Int(1), _) => Ok(SetOutcome::Stored),
        // The key to be removed did not exist.
        (Value::Int(0), Condition::Always | Condition::Token(_)) => Ok(SetOutcome::Stored),
        (Value::Int(0), _) => Ok(SetOutcome::ConditionFailed),
        (other, _) => Err(refused(&shared.client, slot, &other)),
    }
}

pub(in crate::providers::redis) fn refused(client: &Client, slot: u16, value: &Value) -> Error {
    client.refusal(slot, value).into_error(Access::Writes)
}

/// An unconditional set.
fn plain(key: &[u8], value: &[u8], lifetime: Lifetime) -> Vec<u8> {
    let mut command = Vec::new();
    append_set(&mut command, key, value, lifetime);
    command
}

/// Appends `SET key value [PX milliseconds]`, or `UNLINK key` for a lifetime of zero.
pub(in crate::providers::redis) fn append_set(
    commands: &mut Vec<u8>,
    key: &[u8],
    value: &[u8],
    lifetime: Lifetime,
) {
    let mut time = itoa::Buffer::new();
    let parts: &[&[u8]] = match lifetime {
        Lifetime::Gone => &[b"UNLINK", key],
        Lifetime::Never => &[b"SET", key, value],
        Lifetime::For(span) => &[b"SET", key, value, b"PX", time.format(milliseconds(span)).as_bytes()],
    };
    commands.reserve(command::len(parts));
    command::append(commands, parts);
}

/// A set under the condition of this name; `held` is the expected value of the condition "held".
fn conditional(set: &Set, lifetime: Lifetime, condition: &[u8], held: &[u8]) -> Vec<u8> {
    let keeps = keeps(&set.options);
    if lifetime == Lifetime::Gone && !keeps {
        return eval(scripts::REMOVE, &set.key, &[condition, held]);
    }
    let (time, keeps) = (script_time(lifetime), if keeps { b"1" } else { b"0" });
    eval(scripts::STORE, &set.key, &[condition, held, &set.value, time.as_bytes(), keeps])
}

/// A lifetime as an argument of the scripts.
fn script_time(lifetime: Lifetime) -> String {
    match lifetime {
        Lifetime::Gone => "0".to_owned(),
        Lifetime::Never => String::new(),
        Lifetime::For(span) => milliseconds(span).to_string(),
    }
}

async fn swap(
    shared: &Shared,
    set: &Set,
    lifetime: Lifetime,
    version: Version,
    call: Call,
) -> Result<SetOutcome> {
    let client = &shared.client;
    let get = client.command(&set.key, eval(scripts::HELD, &set.key, &[]));
    let slot = get.slot;
    let held = match one(shared, get, Call { access: Access::Reads, ..call }).await? {
        Value::BulkString(held) if client.version(&held) == version => held,
        Value::BulkString(_) | Value::Nil => return Ok(SetOutcome::ConditionFailed),
        other => return Err(refused(client, slot, &other)),
    };
    let store = client.command(&set.key, conditional(set, lifetime, b"held", &held));
    match one(shared, store, call).await? {
        Value::Int(1) => Ok(SetOutcome::Stored),
        Value::Int(0) => Ok(SetOutcome::ConditionFailed),
        other => Err(refused(client, slot, &other)),
    }
}

fn unlink_command(client: &Client, key: &[u8]) -> Command {
    client.command(key, pack(&[b"UNLINK", key]))
}

async fn unlink(shared: &Shared, command: Command, call: Call) -> Result<bool> {
    let slot = command.slot;
    match one(shared, command, call).await? {
        Value::Int(count) => {
            shared.client.counts.deletes(u64::from(count > 0));
            Ok(count > 0)
        }
        other => Err(refused(&shared.client, slot, &other)),
    }
}

pub(in crate::providers::redis) async fn delete(shared: &Shared, key: Vec<u8>) -> Result<bool> {
    unlink(shared, unlink_command(&shared.client, &key), shared.call(Access::Writes)).await
}

/// The deletes of a batch, packed: one command for each key, so that each gets its own reply.
pub(in crate::providers::redis) struct Deletes {
    batch: Batch,
    /// The slot of each key.
    slots: Vec<u16>,
}

impl Deletes {
    pub(in crate::providers::redis) fn new(client: &Client, keys: &[&[u8]]) -> Deletes {
        let bytes = keys.iter().map(|key| key.len() + 40).sum();
        let (mut batch, mut slots) =
            (Batch::with_capacity(keys.len(), bytes), Vec::with_capacity(keys.len()));
        for key in keys {
            let stored = client.key(key);
            command::append(&mut batch.bytes, &[b"UNLINK", &stored]);
            batch.end_command(client.slot(&stored));
            slots.push(client.slot(&stored));
        }
        Deletes { batch, slots }
    }
}

pub(in crate::providers::redis) async fn delete_multi(
    shared: &Shared,
    Deletes { batch, slots }: Deletes,
) -> Result<Deleted> {
    let client = &shared.client;
    let answers = shared.answers(batch, shared.call(Access::Writes)).await;
    let mut deleted = Deleted::default();
    for (at, (slot, answer)) in slots.into_iter().zip(answers).enumerate() {
        match answer {
            Ok(Value::Int(count)) => deleted.count += u64::from(count > 0),
            Ok(other) => deleted.failed.push((at, refused(client, slot, &other))),
            Err(failed) => deleted.failed.push((at, failed.into_error(Access::Writes))),
        }
    }
    client.counts.deletes(deleted.count);
    Ok(deleted)
}

pub(in crate::providers::redis) async fn expire(shared: &Shared, key: Vec<u8>, ttl: Ttl) -> Result<bool> {
    let (client, call) = (&shared.client, shared.call(Access::Writes));
    let command = match client.lifetime(ttl) {
        Lifetime::Gone => return unlink(shared, unlink_command(client, &key), call).await,
        Lifetime::Never => eval(scripts::PERSIST, &key, &[]),
        Lifetime::For(span) => {
            pack(&[b"PEXPIRE", &key, itoa::Buffer::new().format(milliseconds(span)).as_bytes()])
        }
    };
    match one(shared, client.command(&key, command), call).await? {
        Value::Int(there) => Ok(there > 0),
        other => Err(refused(client, client.slot(&key), &other)),
    }
}

pub(in crate::providers::redis) async fn take(
    shared: &Shared,
    key: Vec<u8>,
    buffer: Vec<u8>,
) -> Result<Read> {
    let client = &shared.client;
    let command = client.command(&key, eval(scripts::TAKE, &key, &[]));
    let slot = command.slot;
    let taken = one(shared, command, shared.call(Access::Writes)).await?;
    let (value, left) = match taken {
        Value::Nil => return Ok(Read::miss(buffer)),
        Value::Array(mut parts) => match (parts.pop(), parts.pop()) {
            (Some(Value::Int(left)), Some(Value::BulkString(value))) => (value, left),
            _ => return Err(refused(client, slot, &Value::Nil)),
        },
        other => return Err(refused(client, slot, &other)),
    };
    // At its deadline, to the millisecond, it is gone.
    if left == 0 {
        return Ok(Read::miss(buffer));
    }
    client.counts.deletes(1);
    let remaining = u64::try_from(left).ok().map(Duration::from_millis);
    Ok(Read::hit(buffer, &value, Found::new(remaining, Some(client.version(&value)))))
}

pub(in crate::providers::redis) async fn add(
    shared: &Shared,
    key: Vec<u8>,
    delta: i64,
    ttl: Ttl,
) -> Result<i64> {
    let client = &shared.client;
    let (delta, time) = (delta.to_string(), script_time(client.lifetime(ttl)));
    let command = client.command(&key, eval(scripts::ADD, &key, &[delta.as_bytes(), time.as_bytes()]));
    let slot = command.slot;
    let answered = one(shared, command, shared.call(Access::Writes)).await;
    let answered = answered.inspect_err(|error| client.counts.refused(error))?;
    let sum = match answered {
        Value::BulkString(sum) => std::str::from_utf8(&sum).ok().and_then(|sum| sum.parse().ok()),
        Value::ServerError(error) if is_no_counter(&error) => {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                "the key holds no counter, or the sum does not fit an i64; nothing was changed; set it anew",
            ));
        }
        other => {
            let error = refused(client, slot, &other);
            client.counts.refused(&error);
            return Err(error);
        }
    };
    client.counts.adds(1);
    sum.ok_or_else(|| refused(client, slot, &Value::Nil))
}

fn is_no_counter(error: &redis::ServerError) -> bool {
    let words = error.details().unwrap_or_default();
    error.code() == "WRONGTYPE" || words.contains("not an integer") || words.contains("would overflow")
}
