//! Verbs that write: set and its conditions, delete, expire, take, add.
//!
//! Plain commands where there are any that judge and do in one step (`NX`, `XX`, `KEEPTTL`), else
//! the scripts. A swap by version first reads what the key holds; if that still bears the version,
//! a script stores the new value where exactly these bytes stand.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::time::Instant;

use super::client::{Client, milliseconds};
use super::exchange::{Answer, Failed};
use super::failure::{Effect, Failure};
use super::read::one;
use super::scripts::{self, eval};
use crate::error::{Error, ErrorKind, Result};
use crate::key::Packed;
use crate::provider::{Condition, Deleted, Failures, Found, Read, SetOptions, SetOutcome, Token, Version};
use crate::ttl::{Lifetime, Ttl};

/// What a server takes in one piece (proto-max-bulk-len).
const MAX_VALUE_BYTES: usize = 512 << 20;

/// A set on its way.
pub(super) struct Set {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) options: SetOptions,
}

/// Whether a stored entry has to be there, or must not.
#[derive(Clone, Copy)]
enum Presence {
    Any,
    Absent,
    Present,
}

pub(super) async fn set(client: Arc<Client>, set: Set, deadline: Instant) -> Result<SetOutcome> {
    let lifetime = client.lifetime(set.options.ttl);
    let stored = match set.value.len() > MAX_VALUE_BYTES {
        true => Err(too_large(&client, &set, deadline).await),
        false => store(&client, &set, lifetime, deadline).await,
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

/// A live entry keeps its deadline, so a time of zero is not for it.
fn keeps(options: &SetOptions) -> bool {
    options.keep_deadline && !matches!(options.condition, Condition::Absent)
}

/// The caller meant to replace the old value, so that goes.
async fn too_large(client: &Client, set: &Set, deadline: Instant) -> Error {
    match (&set.options.condition, unlink(client, &set.key, deadline).await) {
        (Condition::Always, Err(error)) => error,
        _ => Error::new(
            ErrorKind::TooLarge,
            "a value of more than 512 MiB is more than the server takes; split it, or compress it",
        ),
    }
}

async fn store(client: &Client, set: &Set, lifetime: Lifetime, deadline: Instant) -> Result<SetOutcome> {
    let Set { key, value, options } = set;
    let (presence, token) = match &options.condition {
        Condition::Always => (Presence::Any, None),
        Condition::Absent => (Presence::Absent, None),
        Condition::Present => (Presence::Present, None),
        Condition::Token(token) => (Presence::Any, Some(token)),
        Condition::Version(version) => return swap(client, set, lifetime, *version, deadline).await,
    };
    let keep = keeps(options);
    let command = match (presence, keep, lifetime) {
        (Presence::Any, true, _) => store_script(set, lifetime),
        (Presence::Present, true, _) => {
            let mut command = redis::cmd("SET");
            command.arg(key).arg(value).arg("XX").arg("KEEPTTL");
            command
        }
        (Presence::Any | Presence::Present, false, Lifetime::Gone) => {
            let mut command = redis::cmd("UNLINK");
            command.arg(key);
            command
        }
        (Presence::Absent, _, Lifetime::Gone) => {
            let mut command = redis::cmd("EXISTS");
            command.arg(key);
            command
        }
        (_, _, lifetime) => set_command(key, value, lifetime, presence),
    };
    let answered = gated(client, key, command, token, deadline).await;
    let value = match answered {
        Ok(value) => value,
        Err(Failed::Revoked) => return Ok(SetOutcome::ConditionFailed),
        Err(Failed::Failure(failure)) => return Err(failure.into_error(Effect::Writes)),
    };
    match (value, presence) {
        (Value::Okay, _) | (Value::Int(_), Presence::Any) => Ok(SetOutcome::Stored),
        (Value::Nil, Presence::Absent | Presence::Present) => Ok(SetOutcome::ConditionFailed),
        (Value::Int(there), Presence::Present) if there > 0 => Ok(SetOutcome::Stored),
        (Value::Int(0), Presence::Absent) => Ok(SetOutcome::Stored),
        (Value::Int(_), _) => Ok(SetOutcome::ConditionFailed),
        (other, _) => Err(refused(client, key, &other)),
    }
}

fn refused(client: &Client, key: &[u8], value: &Value) -> Error {
    client.refusal(client.slot(key), value).into_error(Effect::Writes)
}

/// `SET key value [PX milliseconds] [NX | XX]`
fn set_command(key: &[u8], value: &[u8], lifetime: Lifetime, presence: Presence) -> Cmd {
    let mut command = Cmd::with_capacity(6, key.len() + value.len() + 32);
    command.arg("SET").arg(key).arg(value);
    if let Lifetime::For(span) = lifetime {
        command.arg("PX").arg(milliseconds(span));
    }
    match presence {
        Presence::Any => {}
        Presence::Absent => {
            command.arg("NX");
        }
        Presence::Present => {
            command.arg("XX");
        }
    }
    command
}

fn store_script(set: &Set, lifetime: Lifetime) -> Cmd {
    let mut command = eval(scripts::STORE, &set.key);
    command.arg(&set.value).arg(script_time(lifetime)).arg(i32::from(keeps(&set.options)));
    command
}

/// How the scripts are told a lifetime.
fn script_time(lifetime: Lifetime) -> String {
    match lifetime {
        Lifetime::Gone => "0".to_owned(),
        Lifetime::Never => String::new(),
        Lifetime::For(span) => milliseconds(span).to_string(),
    }
}

async fn gated(
    client: &Client,
    key: &[u8],
    command: Cmd,
    token: Option<&Token>,
    deadline: Instant,
) -> Result<Value, Failed> {
    let mut ask = client.ask(key, vec![command]);
    ask.gate = token.cloned();
    let answer = client.answer(ask, Effect::Writes, deadline).await;
    answer?.pop().ok_or_else(|| Failed::Failure(client.nonsense(client.slot(key))))
}

async fn swap(
    client: &Client,
    set: &Set,
    lifetime: Lifetime,
    version: Version,
    deadline: Instant,
) -> Result<SetOutcome> {
    let mut get = redis::cmd("GET");
    get.arg(&set.key);
    let held = match one(client, &set.key, get, Effect::Reads, deadline).await? {
        Value::BulkString(held) if client.version(&held) == version => held,
        Value::BulkString(_) | Value::Nil => return Ok(SetOutcome::ConditionFailed),
        Value::ServerError(error) if error.code() == "WRONGTYPE" => return Ok(SetOutcome::ConditionFailed),
        other => return Err(refused(client, &set.key, &other)),
    };
    let mut command = store_script(set, lifetime);
    command.arg(held);
    match one(client, &set.key, command, Effect::Writes, deadline).await? {
        Value::Int(1) => Ok(SetOutcome::Stored),
        Value::Int(0) => Ok(SetOutcome::ConditionFailed),
        other => Err(refused(client, &set.key, &other)),
    }
}

/// Of equal keys only the last is sent: it is what stands there in the end.
pub(super) async fn set_multi(
    client: Arc<Client>,
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    ttl: Ttl,
    deadline: Instant,
) -> Result<Failures> {
    let lifetime = client.lifetime(ttl);
    let mut last: HashMap<&[u8], usize> = HashMap::with_capacity(entries.len());
    for (at, (key, _)) in entries.iter().enumerate() {
        last.insert(key, at);
    }
    let (mut sent, mut asks, mut failures) = (Vec::new(), Vec::new(), Failures::new());
    for (at, (key, value)) in entries.iter().enumerate() {
        if last.get(key.as_slice()) != Some(&at) {
            continue;
        }
        if value.len() > MAX_VALUE_BYTES {
            let set = Set { key: key.clone(), value: Vec::new(), options: SetOptions::new(ttl) };
            failures.push((at, too_large(&client, &set, deadline).await));
            continue;
        }
        let command = match lifetime {
            Lifetime::Gone => {
                let mut command = redis::cmd("UNLINK");
                command.arg(key);
                command
            }
            lifetime => set_command(key, value, lifetime, Presence::Any),
        };
        sent.push(at);
        asks.push(client.ask(key, vec![command]));
    }
    let answers = client.answers(asks, Effect::Writes, deadline).await;
    for (at, answer) in sent.into_iter().zip(answers) {
        if let Err(error) = stored(&client, &entries[at].0, answer) {
            failures.push((at, error));
        }
    }
    let failed: HashMap<usize, Error> = failures.iter().cloned().collect();
    failures.clear();
    for (at, (key, _)) in entries.iter().enumerate() {
        match last.get(key.as_slice()).and_then(|last| failed.get(last)) {
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

fn stored(client: &Client, key: &[u8], answer: Answer) -> Result<()> {
    let failed = |failure: Failure| failure.into_error(Effect::Writes);
    match answer {
        Ok(values) => match values.first() {
            Some(Value::Okay | Value::Int(_)) => Ok(()),
            Some(other) => Err(refused(client, key, other)),
            None => Err(failed(client.nonsense(client.slot(key)))),
        },
        Err(Failed::Failure(failure)) => Err(failed(failure)),
        Err(Failed::Revoked) => Err(failed(client.nonsense(client.slot(key)))),
    }
}

async fn unlink(client: &Client, key: &[u8], deadline: Instant) -> Result<bool> {
    let mut command = redis::cmd("UNLINK");
    command.arg(key);
    match one(client, key, command, Effect::Writes, deadline).await? {
        Value::Int(count) => {
            client.counts.deletes(u64::from(count > 0));
            Ok(count > 0)
        }
        other => Err(refused(client, key, &other)),
    }
}

pub(super) async fn delete(client: Arc<Client>, key: Vec<u8>, deadline: Instant) -> Result<bool> {
    unlink(&client, &key, deadline).await
}

/// One key a command, so that each has an answer of its own.
pub(super) async fn delete_multi(client: Arc<Client>, keys: Packed, deadline: Instant) -> Result<Deleted> {
    let keys = keys.as_slices();
    let ask = |key: &&[u8]| {
        let mut command = redis::cmd("UNLINK");
        command.arg(*key);
        client.ask(key, vec![command])
    };
    let answers = client.answers(keys.iter().map(ask).collect(), Effect::Writes, deadline).await;
    let mut deleted = Deleted::default();
    for (at, (key, answer)) in keys.iter().zip(answers).enumerate() {
        match answer {
            Ok(values) => match values.first() {
                Some(Value::Int(count)) => deleted.count += u64::from(*count > 0),
                other => deleted.failed.push((at, refused(&client, key, other.unwrap_or(&Value::Nil)))),
            },
            Err(Failed::Failure(failure)) => deleted.failed.push((at, failure.into_error(Effect::Writes))),
            Err(Failed::Revoked) => deleted.failed.push((at, refused(&client, key, &Value::Nil))),
        }
    }
    client.counts.deletes(deleted.count);
    Ok(deleted)
}

pub(super) async fn expire(client: Arc<Client>, key: Vec<u8>, ttl: Ttl, deadline: Instant) -> Result<bool> {
    let command = match client.lifetime(ttl) {
        Lifetime::Gone => return unlink(&client, &key, deadline).await,
        Lifetime::Never => eval(scripts::PERSIST, &key),
        Lifetime::For(span) => {
            let mut command = redis::cmd("PEXPIRE");
            command.arg(&key).arg(milliseconds(span));
            command
        }
    };
    match one(&client, &key, command, Effect::Writes, deadline).await? {
        Value::Int(there) => Ok(there > 0),
        other => Err(refused(&client, &key, &other)),
    }
}

pub(super) async fn take(
    client: Arc<Client>,
    key: Vec<u8>,
    buffer: Vec<u8>,
    deadline: Instant,
) -> Result<Read> {
    let taken = one(&client, &key, eval(scripts::TAKE, &key), Effect::Writes, deadline).await?;
    let (value, left) = match taken {
        Value::Nil => return Ok(Read::miss(buffer)),
        Value::Array(mut parts) => match (parts.pop(), parts.pop()) {
            (Some(Value::Int(left)), Some(Value::BulkString(value))) => (value, left),
            _ => return Err(refused(&client, &key, &Value::Nil)),
        },
        other => return Err(refused(&client, &key, &other)),
    };
    // At its deadline, to the millisecond, it is gone.
    if left == 0 {
        return Ok(Read::miss(buffer));
    }
    client.counts.deletes(1);
    let remaining = u64::try_from(left).ok().map(Duration::from_millis);
    Ok(Read::hit(buffer, &value, Found { remaining, version: Some(client.version(&value)) }))
}

pub(super) async fn add(
    client: Arc<Client>,
    key: Vec<u8>,
    delta: i64,
    ttl: Ttl,
    deadline: Instant,
) -> Result<i64> {
    let lifetime = client.lifetime(ttl);
    let mut command = eval(scripts::ADD, &key);
    command.arg(delta).arg(script_time(lifetime));
    let answered = one(&client, &key, command, Effect::Writes, deadline).await;
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
            let error = refused(&client, &key, &other);
            client.counts.refused(&error);
            return Err(error);
        }
    };
    client.counts.sets(1);
    sum.ok_or_else(|| refused(&client, &key, &Value::Nil))
}

fn is_no_counter(error: &redis::ServerError) -> bool {
    let words = error.details().unwrap_or_default();
    error.code() == "WRONGTYPE" || words.contains("not an integer") || words.contains("would overflow")
}
