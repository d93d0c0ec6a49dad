//! Verbs that write: set and its conditions, delete, expire, take, add.
//!
//! Plain commands where nothing depends on what is there, else the scripts, and always the same ones:
//! what a user needs does not depend on the data. A swap by version first reads what the key holds; if
//! that still bears the version, a script stores the new value where exactly these bytes stand.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;
use redis::Value;

use super::Shared;
use super::call::{Batch, Call};
use super::client::{Client, milliseconds};
use super::command::{self, pack};
use super::exchange::{Answer, Ask, Failed};
use super::failure::{self, Effect};
use super::read::one;
use super::scripts::{self, eval};
use super::sizes;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Condition, Deleted, Failures, Found, Read, SetOptions, SetOutcome, Version};
use crate::ttl::{Lifetime, Ttl};

/// What no server takes in one piece (`sizes.rs` finds out what this one does).
const MAX_VALUE_BYTES: usize = 512 << 20;
const OVER_THE_MOST: &str = "more than 512 MiB";

/// A set on its way.
pub(super) struct Set {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) options: SetOptions,
}

pub(super) async fn set(shared: &Shared, set: Set) -> Result<SetOutcome> {
    let (client, call) = (&shared.client, shared.call(Effect::Writes));
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

/// A live entry keeps its deadline, so a time of zero is not for it.
fn keeps(options: &SetOptions) -> bool {
    options.keep_deadline && !matches!(options.condition, Condition::Absent)
}

fn too_large_words(bytes: usize, old: &str) -> String {
    format!("a value of {bytes} bytes is more than the server takes; {old}; {}", failure::TAKES_LESS)
}

/// The caller meant to replace the old value, so that goes.
async fn too_large(shared: &Shared, key: &[u8], bytes: usize, call: Call) -> Error {
    match unlink(shared, unlink_ask(&shared.client, key), call).await {
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
    let ask = Ask { gate: token.cloned(), ..shared.client.ask(key, command) };
    let slot = ask.slot;
    let value = match shared.answer(ask, call).await {
        Ok(value) => value,
        Err(Failed::Revoked) => return Ok(SetOutcome::ConditionFailed),
        Err(failed) => return Err(failed.into_error(Effect::Writes)),
    };
    match (value, &options.condition) {
        (Value::Okay, _) | (Value::Int(1), _) => Ok(SetOutcome::Stored),
        // What was to be removed was not there.
        (Value::Int(0), Condition::Always | Condition::Token(_)) => Ok(SetOutcome::Stored),
        (Value::Int(0), _) => Ok(SetOutcome::ConditionFailed),
        (other, _) => Err(refused(&shared.client, slot, &other)),
    }
}

fn refused(client: &Client, slot: u16, value: &Value) -> Error {
    client.refusal(slot, value).into_error(Effect::Writes)
}

/// A set in any case.
fn plain(key: &[u8], value: &[u8], lifetime: Lifetime) -> Vec<u8> {
    let mut command = Vec::new();
    append_set(&mut command, (key, value), lifetime);
    command
}

/// Appends `SET key value [PX milliseconds]`, or `UNLINK key` if nothing is to be there.
fn append_set(commands: &mut Vec<u8>, (key, value): (&[u8], &[u8]), lifetime: Lifetime) {
    let mut time = itoa::Buffer::new();
    let parts: &[&[u8]] = match lifetime {
        Lifetime::Gone => &[b"UNLINK", key],
        Lifetime::Never => &[b"SET", key, value],
        Lifetime::For(span) => &[b"SET", key, value, b"PX", time.format(milliseconds(span)).as_bytes()],
    };
    commands.reserve(command::len(parts));
    command::append(commands, parts);
}

/// A set where the condition of this name holds; `held` is what it is about, if it is about that.
fn conditional(set: &Set, lifetime: Lifetime, condition: &[u8], held: &[u8]) -> Vec<u8> {
    let keeps = keeps(&set.options);
    if lifetime == Lifetime::Gone && !keeps {
        return eval(scripts::REMOVE, &set.key, &[condition, held]);
    }
    let (time, keeps) = (script_time(lifetime), if keeps { b"1" } else { b"0" });
    eval(scripts::STORE, &set.key, &[condition, held, &set.value, time.as_bytes(), keeps])
}

/// How the scripts are told a lifetime.
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
    let get = client.ask(&set.key, eval(scripts::HELD, &set.key, &[]));
    let slot = get.slot;
    let held = match one(shared, get, Call { effect: Effect::Reads, ..call }).await? {
        Value::BulkString(held) if client.version(&held) == version => held,
        Value::BulkString(_) | Value::Nil => return Ok(SetOutcome::ConditionFailed),
        other => return Err(refused(client, slot, &other)),
    };
    let store = client.ask(&set.key, conditional(set, lifetime, b"held", &held));
    match one(shared, store, call).await? {
        Value::Int(1) => Ok(SetOutcome::Stored),
        Value::Int(0) => Ok(SetOutcome::ConditionFailed),
        other => Err(refused(client, slot, &other)),
    }
}

/// The sets of a batch, packed. Of equal keys only the last is sent: it is what stands there in the
/// end.
pub(super) struct Sets {
    lifetime: Lifetime,
    batch: Batch,
    /// Of each entry, in order.
    places: Vec<Place>,
    /// By their places: the stored keys of values that may be too large, and how large those are.
    large: HashMap<usize, (Vec<u8>, usize)>,
}

/// What becomes of an entry.
#[derive(Clone, Copy)]
enum Place {
    /// It is this ask, and this is its slot.
    Ask(usize, u16),
    /// It is too large.
    Large,
    /// Another one with its key is to stand there.
    Before(usize),
}

impl Sets {
    pub(super) fn new(client: &Client, entries: &[(&[u8], &[u8])], ttl: Ttl) -> Sets {
        let lifetime = client.lifetime(ttl);
        let mut last: HashMap<&[u8], usize, RandomState> =
            HashMap::with_capacity_and_hasher(entries.len(), RandomState::default());
        last.extend(entries.iter().enumerate().map(|(at, (key, _))| (*key, at)));
        let sent = entries.iter().filter(|(_, value)| value.len() <= MAX_VALUE_BYTES);
        let bytes = sent.map(|(key, value)| key.len() + value.len() + 64).sum();
        let mut sets = Sets {
            lifetime,
            batch: Batch::with_capacity(entries.len(), bytes),
            places: Vec::with_capacity(entries.len()),
            large: HashMap::new(),
        };
        let mut asks = 0;
        for (at, (key, value)) in entries.iter().enumerate() {
            let last = last.get(key).copied().unwrap_or(at);
            let stored = client.key(key);
            if value.len() > sizes::SURE && last == at {
                sets.large.insert(at, (stored.to_vec(), value.len()));
            }
            let place = if last != at {
                Place::Before(last)
            } else if value.len() > MAX_VALUE_BYTES {
                Place::Large
            } else {
                let slot = client.slot(&stored);
                append_set(&mut sets.batch.commands, (&stored, value), lifetime);
                sets.batch.end_ask(slot);
                asks += 1;
                Place::Ask(asks - 1, slot)
            };
            sets.places.push(place);
        }
        sets
    }
}

pub(super) async fn set_multi(shared: &Shared, sets: Sets) -> Result<Failures> {
    let (client, call) = (&shared.client, shared.call(Effect::Writes));
    let Sets { lifetime, batch, places, large } = sets;
    let mut reasons: HashMap<usize, Error> = HashMap::new();
    let answers = shared.answers(batch, call).await;
    for (at, place) in places.iter().enumerate() {
        let refused = match *place {
            Place::Ask(ask, slot) => stored(client, slot, answers.get(ask)).err(),
            Place::Large => Some(Error::new(ErrorKind::TooLarge, OVER_THE_MOST)),
            Place::Before(_) => None,
        };
        let Some(error) = refused else { continue };
        let error = match large.get(&at) {
            Some((key, bytes)) if error.kind() == ErrorKind::TooLarge => {
                too_large(shared, key, *bytes, call).await
            }
            // Of one that every server takes the key is not kept; nothing was changed, which it says.
            _ => error,
        };
        reasons.insert(at, error);
    }
    if reasons.is_empty() {
        client.counts.sets(places.len() as u64);
        client.counts.deletes(if lifetime == Lifetime::Gone { places.len() as u64 } else { 0 });
        return Ok(Failures::new());
    }
    let mut failures = Failures::new();
    for (at, place) in places.iter().enumerate() {
        let last = if let Place::Before(last) = *place { last } else { at };
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

fn stored(client: &Client, slot: u16, answer: Option<&Answer>) -> Result<()> {
    match answer {
        Some(Ok(Value::Okay | Value::Int(_))) => Ok(()),
        Some(Ok(other)) => Err(refused(client, slot, other)),
        Some(Err(failed)) => Err(failed.clone().into_error(Effect::Writes)),
        None => Err(refused(client, slot, &Value::Nil)),
    }
}

fn unlink_ask(client: &Client, key: &[u8]) -> Ask {
    client.ask(key, pack(&[b"UNLINK", key]))
}

async fn unlink(shared: &Shared, ask: Ask, call: Call) -> Result<bool> {
    let slot = ask.slot;
    match one(shared, ask, call).await? {
        Value::Int(count) => {
            shared.client.counts.deletes(u64::from(count > 0));
            Ok(count > 0)
        }
        other => Err(refused(&shared.client, slot, &other)),
    }
}

pub(super) async fn delete(shared: &Shared, key: Vec<u8>) -> Result<bool> {
    unlink(shared, unlink_ask(&shared.client, &key), shared.call(Effect::Writes)).await
}

/// What deletes many: one key a command, so that each has an answer of its own.
pub(super) fn deletes(client: &Client, keys: &[&[u8]]) -> (Batch, Vec<u16>) {
    let bytes = keys.iter().map(|key| key.len() + 40).sum();
    let (mut batch, mut slots) = (Batch::with_capacity(keys.len(), bytes), Vec::with_capacity(keys.len()));
    for key in keys {
        let stored = client.key(key);
        command::append(&mut batch.commands, &[b"UNLINK", &stored]);
        batch.end_ask(client.slot(&stored));
        slots.push(client.slot(&stored));
    }
    (batch, slots)
}

pub(super) async fn delete_multi(shared: &Shared, (batch, slots): (Batch, Vec<u16>)) -> Result<Deleted> {
    let client = &shared.client;
    let answers = shared.answers(batch, shared.call(Effect::Writes)).await;
    let mut deleted = Deleted::default();
    for (at, (slot, answer)) in slots.into_iter().zip(answers).enumerate() {
        match answer {
            Ok(Value::Int(count)) => deleted.count += u64::from(count > 0),
            Ok(other) => deleted.failed.push((at, refused(client, slot, &other))),
            Err(failed) => deleted.failed.push((at, failed.into_error(Effect::Writes))),
        }
    }
    client.counts.deletes(deleted.count);
    Ok(deleted)
}

pub(super) async fn expire(shared: &Shared, key: Vec<u8>, ttl: Ttl) -> Result<bool> {
    let (client, call) = (&shared.client, shared.call(Effect::Writes));
    let command = match client.lifetime(ttl) {
        Lifetime::Gone => return unlink(shared, unlink_ask(client, &key), call).await,
        Lifetime::Never => eval(scripts::PERSIST, &key, &[]),
        Lifetime::For(span) => {
            pack(&[b"PEXPIRE", &key, itoa::Buffer::new().format(milliseconds(span)).as_bytes()])
        }
    };
    match one(shared, client.ask(&key, command), call).await? {
        Value::Int(there) => Ok(there > 0),
        other => Err(refused(client, client.slot(&key), &other)),
    }
}

pub(super) async fn take(shared: &Shared, key: Vec<u8>, buffer: Vec<u8>) -> Result<Read> {
    let client = &shared.client;
    let ask = client.ask(&key, eval(scripts::TAKE, &key, &[]));
    let slot = ask.slot;
    let taken = one(shared, ask, shared.call(Effect::Writes)).await?;
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
    Ok(Read::hit(buffer, &value, Found { remaining, version: Some(client.version(&value)) }))
}

pub(super) async fn add(shared: &Shared, key: Vec<u8>, delta: i64, ttl: Ttl) -> Result<i64> {
    let client = &shared.client;
    let (delta, time) = (delta.to_string(), script_time(client.lifetime(ttl)));
    let ask = client.ask(&key, eval(scripts::ADD, &key, &[delta.as_bytes(), time.as_bytes()]));
    let slot = ask.slot;
    let answered = one(shared, ask, shared.call(Effect::Writes)).await;
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
    client.counts.increments(1);
    sum.ok_or_else(|| refused(client, slot, &Value::Nil))
}

fn is_no_counter(error: &redis::ServerError) -> bool {
    let words = error.details().unwrap_or_default();
    error.code() == "WRONGTYPE" || words.contains("not an integer") || words.contains("would overflow")
}
