//! [`Handed`]: a refresh that was given to an executor, which may be gone; [`Losses`]: the refreshes
//! that an executor lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lock;
use super::sync::Mutex;

/// How long an executor may take to begin a refresh.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(100) } else { Duration::from_secs(5) };

/// How long callers do without an executor that lost a refresh.
const DISTRUST: Duration = Duration::from_secs(1);

/// A refresh in the hands of an executor.
pub(super) struct Handed {
    since: Instant,
    pub(super) is_begun: bool,
    pub(super) losses: Arc<Losses>,
}

impl Handed {
    pub(super) fn to(losses: &Arc<Losses>) -> Self {
        Handed { since: Instant::now(), is_begun: false, losses: Arc::clone(losses) }
    }

    /// Whether the executor should have begun it by now.
    pub(super) fn is_late(&self) -> bool {
        !self.is_begun && self.since.elapsed() >= PATIENCE
    }
}

/// When an executor last dropped a refresh before its end, or never began one.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    last: Mutex<Option<Instant>>,
}

impl Losses {
    /// Whether the executor lost no refresh recently.
    pub(crate) fn are_over(&self) -> bool {
        lock(&self.last).is_none_or(|last| last.elapsed() >= DISTRUST)
    }

    /// Records a lost refresh. True if it deserves a warning: it is the first for a while.
    pub(super) fn add(&self) -> bool {
        let mut last = lock(&self.last);
        let is_first = last.is_none_or(|last| last.elapsed() >= DISTRUST);
        *last = Some(Instant::now());
        is_first
    }

    /// Warns that a refresh was lost.
    pub(super) fn warn() {
        warn_log!(
            "a background refresh was dropped before its end, or never begun: is its executor gone? callers \
             refresh by themselves for a second; make the contract in a runtime that lives as long as it \
             does, or give it a spawner"
        );
    }
}
