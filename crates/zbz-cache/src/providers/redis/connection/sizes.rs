//! [`Sizes`]: the longest part of a command that a connection's server accepts.
//!
//! A server ends a connection when a part that is too long arrives, whatever else is on it. Two of
//! its settings have the limit (proto-max-bulk-len, client-query-buffer-limit). But not every user may
//! read them, they may change at any time, and a proxy may have limits of its own. So:
//!
//! - **Nothing is sent on a shared connection for which the server might end it.** A part longer than
//!   [`SURE`] is sent there only after the server accepted as much on a trial connection.
//! - A proven size holds as long as the connection does; a refused one for [`REFUSED_FOR`].
//! - **A trial is a task of its own**, one at a time for each whole [`STEP`]: no call waits for the trial
//!   of another size, and its result serves the next call if this one times out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::providers::redis::config::address::Address;
use crate::providers::redis::config::settings::Settings;
use crate::providers::redis::connection::command;
use crate::providers::redis::connection::send_queue::Broken;
use crate::providers::redis::connection::{Acquaintance, Connection, Purpose};
use crate::providers::redis::error::{self, Failure};

/// Every server accepts this much: neither setting goes below 1 MiB, and the server counts less than
/// 64 KiB beside the part itself.
pub(in crate::providers::redis) const SURE: usize = (1 << 20) - (64 << 10);

/// Trials round sizes up to a multiple of this, so that growing values seldom need a new trial.
const STEP: usize = 1 << 20;

/// Bounded, since the server's operator may raise the limit.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// The time that a conclusive trial took.
type Outcome = Result<Duration, Failure>;

/// Tells the outcome of a trial.
type Told = watch::Receiver<Option<Outcome>>;

/// The known sizes of one server.
pub(in crate::providers::redis) struct Sizes {
    /// Orders nothing, so Relaxed suffices.
    proven: AtomicUsize,
    state: Mutex<Trials>,
}

#[derive(Default)]
struct Trials {
    /// The smallest refused size, and the time of its refusal.
    refused: Option<(usize, Instant)>,
    /// The trials under way, by their sizes, which are multiples of [`STEP`].
    trials: HashMap<usize, Told>,
}

impl Trials {
    /// The smallest size that is known to be refused.
    fn refused(&self) -> Option<usize> {
        self.refused.filter(|(_, at)| at.elapsed() < REFUSED_FOR).map(|(least, _)| least)
    }
}

impl Sizes {
    pub(in crate::providers::redis) fn new() -> Sizes {
        Sizes { proven: AtomicUsize::new(SURE), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, Trials> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server certainly accepts these packed commands.
    pub(in crate::providers::redis) fn take(&self, commands: &[u8]) -> bool {
        commands.len() <= SURE || self.is_proven(command::longest_part(commands))
    }

    fn is_proven(&self, bytes: usize) -> bool {
        bytes <= self.proven.load(Ordering::Relaxed)
    }

    /// Finds out by the deadline whether the server accepts these packed commands. Called within the runtime.
    ///
    /// # Errors
    ///
    /// `TooLarge`; `Timeout` if less time is left than the trial took, since the commands would not be
    /// answered in time either; or the trial's own failure.
    pub(in crate::providers::redis) async fn prove(
        self: &Arc<Self>,
        settings: &Arc<Settings>,
        address: &Address,
        commands: &[u8],
        deadline: Instant,
    ) -> Result<(), Failure> {
        if self.take(commands) {
            return Ok(());
        }
        let bytes = command::longest_part(commands);
        let mut took = Duration::ZERO;
        loop {
            if self.is_proven(bytes) {
                let is_in_time = Instant::now() + took <= deadline;
                return if is_in_time { Ok(()) } else { Err(error::tried_for_too_long()) };
            }
            let mut trial = self.trial(settings, address, bytes)?;
            took = match timeout_at(deadline, trial.wait_for(Option::is_some)).await {
                Ok(Ok(told)) => told.clone().unwrap_or_else(|| Err(error::tried_for_too_long()))?,
                _ => return Err(error::tried_for_too_long()),
            };
        }
    }

    /// The trial of this size that is under way, or a new one; `TooLarge` if the size is known to be refused.
    fn trial(
        self: &Arc<Self>,
        settings: &Arc<Settings>,
        address: &Address,
        bytes: usize,
    ) -> Result<Told, Failure> {
        let step = bytes.next_multiple_of(STEP);
        let mut state = self.state();
        if state.refused().is_some_and(|least| bytes >= least) {
            return Err(error::too_large(address, bytes));
        }
        match state.trials.get(&step) {
            // A trial whose task is gone never ends, so a new one begins.
            Some(told) if told.has_changed().is_ok() => return Ok(told.clone()),
            _ => {}
        }
        let (tell, told) = watch::channel(None);
        state.trials.insert(step, told.clone());
        let (this, settings, address) = (Arc::clone(self), Arc::clone(settings), address.clone());
        tokio::spawn(async move {
            let outcome = this.find_out(&settings, &address, bytes).await;
            this.state().trials.remove(&step);
            tell.send_replace(Some(outcome));
        });
        Ok(told)
    }

    async fn find_out(&self, settings: &Settings, address: &Address, bytes: usize) -> Outcome {
        // A connection may break by chance, but hardly twice in a row at this very point.
        for size in [bytes.next_multiple_of(STEP), bytes] {
            let begun = Instant::now();
            if is_taken(settings, address, size).await? {
                self.proven.fetch_max(size, Ordering::Relaxed);
                return Ok(begun.elapsed());
            }
        }
        let mut state = self.state();
        if state.refused().is_none_or(|least| bytes < least) {
            state.refused = Some((bytes, Instant::now()));
        }
        Ok(Duration::ZERO)
    }
}

/// Tries on a connection of its own whether the server accepts a part of this length. The part is in a
/// malformed HELLO, which every user may send and which changes nothing.
async fn is_taken(settings: &Settings, address: &Address, bytes: usize) -> Result<bool, Failure> {
    let connection =
        Connection::open(settings, address, Purpose::Hearing(Box::new(drop)), Acquaintance::Known).await?;
    let mut asked = format!("*2\r\n$5\r\nHELLO\r\n${bytes}\r\n").into_bytes();
    asked.resize(asked.len() + bytes, b'-');
    asked.extend_from_slice(b"\r\n");
    match connection.send(asked, Instant::now() + settings.call_timeout).await {
        Ok(Value::ServerError(error)) => Ok(!error.details().unwrap_or_default().contains("bulk length")),
        Ok(_) => Ok(true),
        // The server accepted the connection a moment ago, so it hung up because of the part: not every
        // server sends a reason.
        Err(Broken::Lost(_)) => Ok(false),
        Err(Broken::Late | Broken::Overdue | Broken::Revoked | Broken::Inside) => {
            Err(error::tried_for_too_long())
        }
    }
}
