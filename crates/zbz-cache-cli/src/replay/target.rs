//! [`Target`]: what a trace is replayed through, and what the two say to each other.

use serde::Serialize;

use crate::failure::Failure;
use crate::trace::Op;

/// A request with nothing left to be found out.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What is asked for.
    pub op: Op,
    /// For what.
    pub key: &'a [u8],
    /// The key as a number.
    pub key_hash: u64,
    /// Of the value that a get returns, or that is stored.
    pub value_bytes: u64,
    /// Since the first request.
    pub now_ms: u64,
    /// Of what is stored; `None` is for ever.
    pub ttl_ms: Option<u64>,
}

/// What a request met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// A get, and the value was there.
    Hit,
    /// A get, and it was not.
    Miss,
    /// A request that is no get.
    Done,
}

/// What counts there are at the end of a replay.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Totals {
    /// Entries lost for room.
    pub evictions: u64,
    /// Entries whose time passed.
    pub expirations: u64,
    /// Entries at the end.
    pub keys: u64,
    /// Memory in use, all of it, where there is a real cache.
    pub memory_bytes: Option<u64>,
    /// Requests whose key or value this size can never hold.
    pub too_large: u64,
}

/// What a trace is replayed through.
pub trait Target {
    /// Does what is asked; a get that misses stores the value.
    ///
    /// # Errors
    ///
    /// The target did something wrong.
    fn request(&mut self, request: &Request<'_>) -> Result<Met, Failure>;

    /// What came of all requests so far.
    fn totals(&self) -> Totals;
}
