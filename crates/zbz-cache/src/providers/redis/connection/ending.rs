//! How a connection ends, and when one that brings nothing is given up.

use std::time::Duration;

use tokio::time::Instant;

/// How long a byte of the first command that waits may take to the server: a server that has not got all of a long
/// value has nothing to answer.
const PER_BYTE: Duration = Duration::from_micros(1);

/// When a connection that brings nothing is given up.
#[derive(Debug, Clone, Copy)]
pub(in crate::providers::redis) struct Silence {
    /// A call that had less time than this says nothing of the connection when its deadline passes.
    pub(in crate::providers::redis) least_time: Duration,
    /// For how long nothing may come while commands wait, once the server has answered at all.
    pub(in crate::providers::redis) after: Option<Duration>,
}

impl Silence {
    /// For how long nothing may come while a command of so many bytes is the first that waits.
    pub(super) fn span(self, bytes: usize) -> Option<Duration> {
        let sending = PER_BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        Some(self.after? + sending)
    }
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers::redis) enum End {
    Broke,
    /// A call's deadline passed, and nobody was answered since it had begun.
    Overdue,
    /// Nothing came for so long that the server is taken to be down.
    Silent(Duration),
    Nonsense,
    /// It ended as it was told to.
    Finished,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers::redis) struct Ended {
    pub(in crate::providers::redis) end: End,
    /// When a command was last handed over to it, those that introduce this client left out.
    pub(in crate::providers::redis) last_used: Option<Instant>,
}
