//! [`Client`]: the parts that all verbs of a provider share, on the provider's thread and on callers' threads.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant as Moment;

use redis::Value;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::provider::{LookupCounters, Version};
use crate::providers::redis::cluster::exchange::{Command, Exchange, GivesUp};
use crate::providers::redis::cluster::slots::slot_of;
use crate::providers::redis::cluster::topology::Topology;
use crate::providers::redis::config::settings::Settings;
use crate::providers::redis::error::{self, Access, Failure, WriteOutcome};
use crate::providers::redis::subscribers::Subscribers;
use crate::stats::Stats;
use crate::ttl::{Lifetime, Ttl};

/// The longest TTL that is sent, far below the overflow of Redis's own arithmetic.
const MAX_MS: u64 = 1 << 50;

/// The counters of this provider's own calls. They order nothing, so Relaxed suffices.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) lookups: LookupCounters,
    sets: AtomicU64,
    adds: AtomicU64,
    deletes: AtomicU64,
    rejections: AtomicU64,
    made: Moment,
}

impl Counts {
    pub(super) fn sets(&self, count: u64) {
        self.sets.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn adds(&self, count: u64) {
        self.adds.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn deletes(&self, count: u64) {
        self.deletes.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts a rejection, if this error is one.
    pub(super) fn refused(&self, error: &Error) {
        if matches!(error.kind(), ErrorKind::Full | ErrorKind::TooLarge) {
            self.rejections.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Changes by other users of the server, and by the server itself, are not known here.
    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats {
            sets: self.sets.load(Ordering::Relaxed),
            adds: self.adds.load(Ordering::Relaxed),
            deletes: self.deletes.load(Ordering::Relaxed),
            rejections: self.rejections.load(Ordering::Relaxed),
            uptime: self.made.elapsed(),
            ..Stats::default()
        };
        self.lookups.fill(&mut stats);
        stats
    }
}

/// The parts that all verbs share.
pub(super) struct Client {
    pub(super) settings: Arc<Settings>,
    pub(super) topology: Arc<Topology>,
    pub(super) counts: Counts,
    /// Set when the provider is closed: verbs of many steps end at their next step.
    pub(super) closing: AtomicBool,
    marks: [RandomState; 2],
}

impl Client {
    pub(super) fn new(settings: Settings) -> Client {
        let settings = Arc::new(settings);
        let counts = Counts {
            lookups: LookupCounters::default(),
            sets: AtomicU64::new(0),
            adds: AtomicU64::new(0),
            deletes: AtomicU64::new(0),
            rejections: AtomicU64::new(0),
            made: Moment::now(),
        };
        Client {
            topology: Topology::new(Arc::clone(&settings)),
            settings,
            counts,
            closing: AtomicBool::new(false),
            marks: [RandomState::new(), RandomState::new()],
        }
    }

    /// The subscribers to changes.
    pub(super) fn subscribers(&self) -> &Arc<Subscribers> {
        self.topology.subscribers()
    }

    /// The key as the server has it.
    pub(super) fn key<'a>(&self, key: &'a [u8]) -> Cow<'a, [u8]> {
        match self.settings.key_prefix.as_slice() {
            [] => Cow::Borrowed(key),
            prefix => Cow::Owned([prefix, key].concat()),
        }
    }

    /// The slot of a key; always 0 without a cluster.
    pub(super) fn slot(&self, key: &[u8]) -> u16 {
        if self.settings.cluster { slot_of(key) } else { 0 }
    }

    /// A command about a stored key.
    pub(super) fn command(&self, key: &[u8], command: Vec<u8>) -> Command {
        Command { slot: self.slot(key), bytes: command, gate: None }
    }

    /// The deadline of a call that begins now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.settings.call_timeout
    }

    pub(super) fn lifetime(&self, ttl: Ttl) -> Lifetime {
        ttl.or(self.settings.default_ttl).lifetime()
    }

    /// The version of these bytes, a keyed hash. The keys are secret, so two values with one version cannot
    /// be constructed.
    pub(super) fn version(&self, value: &[u8]) -> Version {
        let [high, low] = self.marks.each_ref().map(|mark| u128::from(mark.hash_one(value)));
        Version::from_u128(high << 64 | low)
    }

    /// The slow path of a call.
    pub(super) fn exchange(&self, access: Access, deadline: Instant) -> Exchange {
        let (settings, topology) = (Arc::clone(&self.settings), Arc::clone(&self.topology));
        Exchange { settings, topology, access, deadline, gives_up: GivesUp::AtDeadline }
    }

    /// The failure of an invalid reply. The connection is ended: later replies on it may belong to other
    /// commands.
    pub(super) fn nonsense(&self, slot: u16) -> Failure {
        let node = self.topology.owner(slot);
        if let Some(connection) = node.as_ref().and_then(|node| node.live()) {
            connection.retire();
        }
        let address = node.map(|node| node.address.clone());
        match address.or_else(|| self.settings.servers.first().cloned()) {
            Some(address) => error::nonsense(&address, WriteOutcome::Unknown),
            None => error::timed_out(WriteOutcome::Unknown, "no time"),
        }
    }

    /// The failure for an unexpected reply: an error of the server, or a value of the wrong kind.
    pub(super) fn refusal(&self, slot: u16, value: &Value) -> Failure {
        match (value, self.topology.owner(slot)) {
            (Value::ServerError(error), Some(node)) => error::of_server_error(&node.address, error),
            _ => self.nonsense(slot),
        }
    }
}

/// Whole milliseconds, rounded up: an entry is never lost before its deadline.
pub(super) fn milliseconds(span: std::time::Duration) -> u64 {
    let whole = span.as_nanos().div_ceil(1_000_000);
    u64::try_from(whole).unwrap_or(MAX_MS).clamp(1, MAX_MS)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ttl::TTL_HORIZON;

    #[test]
    fn milliseconds_are_rounded_up_and_stay_below_what_redis_takes() {
        let cases = [
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(1), 1),
            (Duration::from_nanos(1_000_001), 2),
            (Duration::from_millis(1500), 1500),
            (TTL_HORIZON, 3_155_760_000_000),
            (Duration::MAX, MAX_MS),
        ];
        for (span, expected) in cases {
            assert_eq!(milliseconds(span), expected, "{span:?}");
        }
        // The server adds the time since 1970 to it.
        assert!(MAX_MS < i64::MAX as u64 / 2);
    }
}
