//! [`Target`]: what a trace is replayed through, and what the two say to each other.

use serde::Serialize;

use crate::failure::Failure;
use crate::trace::Op;

/// A request with nothing left to be found out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) op: Op,
    pub(super) key: &'a [u8],
    pub(super) key_hash: u64,
    pub(super) value_bytes: u64,
    /// Since the first request.
    pub(super) now_ms: u64,
    pub(super) ttl_ms: Option<u64>,
}

/// What a request met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// A get, and the value was there.
    Hit,
    /// A get, and it was not.
    Miss,
    /// A request that is no get.
    Done,
}

/// What counts there are at the end of a replay.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Totals {
    pub(super) evictions: u64,
    pub(super) expirations: u64,
    pub(super) keys: u64,
    /// Memory in use, all of it, where there is a real cache.
    pub(super) memory_bytes: Option<u64>,
    /// Requests whose key or value this size can never hold.
    pub(super) too_large: u64,
}

/// What a trace is replayed through.
pub(super) trait Target {
    /// Does what is asked; a get that misses stores the value.
    ///
    /// # Errors
    ///
    /// The target did something wrong.
    fn request(&mut self, request: &Request<'_>) -> Result<Met, Failure>;

    fn totals(&self) -> Totals;
}
