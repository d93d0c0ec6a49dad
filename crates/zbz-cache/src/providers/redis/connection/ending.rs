//! The ways in which a connection ends, and when a silent one is given up.

use std::time::Duration;

use tokio::time::Instant;

/// The time allowed for each byte of the first waiting request to reach the server, which cannot answer before it
/// has the whole of a long value.
const PER_BYTE: Duration = Duration::from_micros(1);

/// When a silent connection is given up.
#[derive(Debug, Clone, Copy)]
pub(in crate::providers::redis) struct Silence {
    /// A passed deadline proves nothing about the connection if the call had less time than this.
    pub(in crate::providers::redis) least_time: Duration,
    /// The longest silence while requests wait, once the server has answered at all.
    pub(in crate::providers::redis) after: Option<Duration>,
}

impl Silence {
    /// The longest silence while a request of this many bytes is the first that waits.
    pub(super) fn span(self, bytes: usize) -> Option<Duration> {
        let sending = PER_BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        Some(self.after? + sending)
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers::redis) enum End {
    Broke,
    /// A call's deadline passed, and no call was answered since it had begun.
    Overdue,
    /// Nothing came for this long, so the server is taken to be down.
    Silent(Duration),
    Nonsense,
    /// It was told to finish, and did.
    Finished,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers::redis) struct Ended {
    pub(in crate::providers::redis) end: End,
    /// When a command was last handed over to it, apart from the introduction.
    pub(in crate::providers::redis) last_used: Option<Instant>,
}
