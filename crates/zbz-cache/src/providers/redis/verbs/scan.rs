//! Listing and clearing, by `SCAN` over every primary.
//!
//! The server gets only a literal prefix, escaped, and its keys are compared with the prefix again. A cursor
//! of `SCAN` is valid only for one server process, so a cursor of this provider names the connection:
//!
//! ```text
//!   bytes 0-1                        2-9          10-17
//!   lowest slot of the primary       connection   cursor of SCAN on it, all little endian
//! ```
//!
//! On another connection that primary's listing begins again: some keys are listed twice, none is lost.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use redis::Value;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Cursor, Page};
use crate::providers::redis::client::Client;
use crate::providers::redis::cluster::exchange::Failed;
use crate::providers::redis::cluster::node::Node;
use crate::providers::redis::cluster::topology::Primary;
use crate::providers::redis::connection::command::pack;
use crate::providers::redis::connection::send_queue::Broken;
use crate::providers::redis::error::{self, Access, Failure, WriteOutcome};

/// About how many keys a server visits for one page.
const PAGE_KEYS: &[u8] = b"1024";

/// The most tries for one page.
const TRIES: usize = 4;

/// The most times that a clear begins again because slots moved.
const PASSES: usize = 5;

/// The position of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ScanPosition {
    lowest: u16,
    connection: u64,
    cursor: u64,
}

impl ScanPosition {
    fn start(lowest: u16) -> ScanPosition {
        ScanPosition { lowest, connection: 0, cursor: 0 }
    }

    fn to_cursor(self) -> Cursor {
        let mut bytes = self.lowest.to_le_bytes().to_vec();
        bytes.extend(self.connection.to_le_bytes());
        bytes.extend(self.cursor.to_le_bytes());
        Cursor::from_bytes(bytes)
    }

    /// `None` for bytes that are not a cursor of this provider.
    fn of_cursor(cursor: &Cursor) -> Option<ScanPosition> {
        let (lowest, rest) = cursor.as_bytes().split_first_chunk()?;
        let (connection, rest) = rest.split_first_chunk()?;
        let cursor = rest.try_into().ok()?;
        Some(ScanPosition {
            lowest: u16::from_le_bytes(*lowest),
            connection: u64::from_le_bytes(*connection),
            cursor: u64::from_le_bytes(cursor),
        })
    }
}

/// A prefix as a pattern that matches it literally and anything after it.
pub(super) fn pattern(prefix: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + 1);
    for &byte in prefix {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}

/// One page of one primary: stored keys, and the next cursor.
async fn step(
    client: &Client,
    node: &Arc<Node>,
    place: ScanPosition,
    prefix: &[u8],
    deadline: Instant,
) -> Result<(Vec<Vec<u8>>, Option<ScanPosition>), Failure> {
    let late = || error::timed_out(WriteOutcome::NotRun, &format!("{:?}", client.settings.call_timeout));
    let mut last = late();
    for _ in 0..TRIES {
        let connection = match timeout_at(deadline, node.connection()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(failure)) if failure.lasting => return Err(failure),
            Ok(Err(failure)) => {
                last = failure;
                continue;
            }
            Err(_) => return Err(last),
        };
        let cursor = if place.connection == connection.id { place.cursor } else { 0 };
        let asked = pack(&[
            b"SCAN",
            itoa::Buffer::new().format(cursor).as_bytes(),
            b"MATCH",
            &pattern(prefix),
            b"COUNT",
            PAGE_KEYS,
        ]);
        let answer = match connection.send(asked, deadline).await {
            Ok(answer) => answer,
            Err(Broken::Lost(failure)) => {
                last = failure;
                continue;
            }
            Err(_) => return Err(late()),
        };
        match answer {
            Value::ServerError(error) => {
                last = error::of_server_error(&node.address, &error);
                if last.lasting {
                    return Err(last);
                }
            }
            answer => match read_page(answer) {
                Some((next, keys)) => {
                    let next = (next > 0).then_some(ScanPosition {
                        connection: connection.id,
                        cursor: next,
                        ..place
                    });
                    return Ok((keys, next));
                }
                None => {
                    connection.retire();
                    return Err(error::nonsense(&node.address, WriteOutcome::NotRun));
                }
            },
        }
    }
    Err(last)
}

fn read_page(answer: Value) -> Option<(u64, Vec<Vec<u8>>)> {
    let Value::Array(parts) = answer else { return None };
    let [Value::BulkString(cursor), Value::Array(keys)] = <[Value; 2]>::try_from(parts).ok()? else {
        return None;
    };
    let bytes = |key| if let Value::BulkString(key) = key { Some(key) } else { None };
    let keys = keys.into_iter().map(bytes).collect::<Option<_>>()?;
    Some((std::str::from_utf8(&cursor).ok()?.parse().ok()?, keys))
}

/// The primaries; the map is fetched if none are known.
async fn primaries(client: &Client, deadline: Instant) -> Result<Vec<Primary>, Failure> {
    let known = client.topology.primaries();
    if !known.is_empty() {
        return Ok(known);
    }
    let late = || error::timed_out(WriteOutcome::Unsent, &format!("{:?}", client.settings.call_timeout));
    timeout_at(deadline, client.topology.refresh()).await.map_err(|_| late())??;
    Ok(client.topology.primaries())
}

pub(in crate::providers::redis) async fn scan(
    client: Arc<Client>,
    prefix: Vec<u8>,
    cursor: Option<Cursor>,
    deadline: Instant,
) -> Result<Page> {
    let failed = |failure: Failure| failure.into_error(Access::Reads);
    let mut begun = page(&client, &prefix, cursor.as_ref(), deadline).await;
    if begun.as_ref().is_err_and(|why| !why.lasting) && client.settings.cluster {
        // Another server may have taken over meanwhile.
        let _ = timeout_at(deadline, client.topology.refresh()).await;
        begun = page(&client, &prefix, cursor.as_ref(), deadline).await;
    }
    begun.map_err(failed)
}

async fn page(
    client: &Client,
    prefix: &[u8],
    cursor: Option<&Cursor>,
    deadline: Instant,
) -> Result<Page, Failure> {
    let mut primaries = primaries(client, deadline).await?;
    primaries.sort_by_key(|primary| primary.lowest);
    let place = match cursor {
        None => primaries.first().map(|first| ScanPosition::start(first.lowest)),
        Some(cursor) => ScanPosition::of_cursor(cursor),
    };
    // Not a cursor of this provider: the listing ends. If it began again, a caller could repeat that
    // for ever.
    let Some(place) = place else { return Ok(Page::default()) };
    // The owner of the slot by now. For another server the listing begins again, as for a new connection.
    let Some(at) = primaries.iter().rposition(|primary| primary.lowest <= place.lowest) else {
        return Ok(Page::default());
    };
    let node = &primaries[at].node;
    if let Some(refusal) = node.refusal() {
        return Err(refusal);
    }
    let (keys, next) = step(client, node, place, prefix, deadline).await?;
    let onwards = || primaries.get(at + 1).map(|primary| ScanPosition::start(primary.lowest));
    let own = client.settings.key_prefix.len();
    let keys = keys.into_iter().filter(|key| key.starts_with(prefix));
    Ok(Page {
        keys: keys.map(|key| key[own..].to_vec()).collect(),
        next: next.or_else(onwards).map(ScanPosition::to_cursor),
    })
}

/// Each step has its own deadline, since their number depends on the size of the server.
pub(in crate::providers::redis) async fn clear(client: Arc<Client>, prefix: Vec<u8>) -> Result<()> {
    // It could not be done on all servers, so it does not begin.
    if let Some(refusal) = client.topology.primaries().iter().find_map(|primary| primary.node.refusal()) {
        return Err(refusal.into_error(Access::Writes));
    }
    for _ in 0..PASSES {
        let seen = see(&client).await?;
        for primary in primaries(&client, client.deadline()).await.map_err(half_done)? {
            clear_one(&client, &primary, &prefix).await?;
        }
        // Keys that moved to an already cleared server were missed.
        if !client.settings.cluster || see(&client).await? == seen {
            return Ok(());
        }
    }
    let why = "slots kept moving while the cache was cleared, so entries may be left; clear again when \
               the cluster is at rest";
    Err(Error::new(ErrorKind::Unavailable, why))
}

/// The map's epoch at this moment.
async fn see(client: &Client) -> Result<u64> {
    if client.settings.cluster {
        let late = || error::timed_out(WriteOutcome::Unsent, &format!("{:?}", client.settings.call_timeout));
        match timeout_at(client.deadline(), client.topology.refresh()).await {
            Ok(asked) => asked.map_err(half_done)?,
            Err(_) => return Err(half_done(late())),
        }
    }
    Ok(client.topology.epoch())
}

fn half_done(failure: Failure) -> Error {
    failure.with_outcome(WriteOutcome::Unknown).into_error(Access::Writes)
}

async fn clear_one(client: &Client, primary: &Primary, prefix: &[u8]) -> Result<()> {
    let mut place = Some(ScanPosition::start(primary.lowest));
    while let Some(from) = place {
        if client.closing.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Closed, "the cache was closed while it was being cleared"));
        }
        let (keys, next) =
            step(client, &primary.node, from, prefix, client.deadline()).await.map_err(half_done)?;
        place = next;
        let keys: HashSet<Vec<u8>> = keys.into_iter().filter(|key| key.starts_with(prefix)).collect();
        let commands = keys.iter().map(|key| client.command(key, pack(&[b"UNLINK", key]))).collect();
        for answer in client.exchange(Access::Writes, client.deadline()).answers(commands).await {
            match answer {
                Ok(Value::Int(count)) => client.counts.deletes(u64::from(count > 0)),
                Ok(other) => return Err(half_done(client.refusal(primary.lowest, &other))),
                Err(Failed::Failure(failure)) => return Err(half_done(failure)),
                Err(failed) => return Err(failed.into_error(Access::Writes)),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_other_bytes_are_none() {
        let place = ScanPosition { lowest: 5461, connection: 7, cursor: u64::MAX - 1 };
        assert_eq!(ScanPosition::of_cursor(&place.to_cursor()), Some(place));
        for len in [0, 1, 8, 17, 19, 64] {
            assert_eq!(ScanPosition::of_cursor(&Cursor::from_bytes(vec![0; len])), None, "{len} bytes");
        }
    }

    #[test]
    fn a_prefix_is_matched_literally() {
        assert_eq!(pattern(b"users:"), b"users:*");
        assert_eq!(pattern(b"[a]*?\\:"), b"\\[a\\]\\*\\?\\\\:*");
        assert_eq!(pattern(b""), b"*");
    }
}
