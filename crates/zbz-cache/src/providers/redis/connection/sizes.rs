//! [`Sizes`]: how long a part of a command the server of a connection takes.
//!
//! A server ends the connection on which a part comes that is too long for it, whatever else is on
//! it. Two of its settings say what that is (proto-max-bulk-len, client-query-buffer-limit); not
//! every user may read them, they may change at any time, and what stands between may have bounds
//! of its own. So:
//!
//! - **Nothing goes out on a shared connection that the server might end it for.** What is longer than
//!   [`SURE`] goes there after the server took as much on a connection of its own.
//! - What was proven holds for as long as the connection does; what was refused, for [`REFUSED_FOR`].
//! - **A trial is a task of its own**, one for each whole [`STEP`] at a time: nobody waits for that of
//!   another size, and what it finds out is there for the next call if this one's time is over.

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
use crate::providers::redis::failure::{self, Failure};

/// Every server takes this much: neither setting goes below 1 MiB, and what the server counts besides the part
/// itself is less than 64 KiB.
pub(in crate::providers::redis) const SURE: usize = (1 << 20) - (64 << 10);

/// Sizes are proven in whole ones of these, so that values that grow are seldom proven anew.
const STEP: usize = 1 << 20;

/// The owner of the server may raise what it takes.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// How long a trial took that found something out.
type Outcome = Result<Duration, Failure>;

/// Tells the outcome of a trial.
type Told = watch::Receiver<Option<Outcome>>;

/// What is known of one server's sizes.
pub(in crate::providers::redis) struct Sizes {
    /// Guards nothing, so Relaxed suffices.
    proven: AtomicUsize,
    state: Mutex<Trials>,
}

#[derive(Default)]
struct Trials {
    /// The least that was refused, and when.
    refused: Option<(usize, Instant)>,
    /// What is tried, in whole ones of [`STEP`].
    trials: HashMap<usize, Told>,
}

impl Trials {
    /// The least that is known to be refused.
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

    /// Whether the server surely takes these packed commands.
    pub(in crate::providers::redis) fn take(&self, commands: &[u8]) -> bool {
        commands.len() <= SURE || self.is_proven(command::longest_part(commands))
    }

    fn is_proven(&self, bytes: usize) -> bool {
        bytes <= self.proven.load(Ordering::Relaxed)
    }

    /// Finds out whether the server takes these packed commands, by the deadline. Within the runtime.
    ///
    /// # Errors
    ///
    /// `TooLarge`; `Timeout` where the time that is left is less than the trial took, since they would
    /// be sent in vain; or why it could not be found out.
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
                return if is_in_time { Ok(()) } else { Err(failure::tried_for_too_long()) };
            }
            let mut trial = self.trial(settings, address, bytes)?;
            took = match timeout_at(deadline, trial.wait_for(Option::is_some)).await {
                Ok(Ok(told)) => told.clone().unwrap_or_else(|| Err(failure::tried_for_too_long()))?,
                _ => return Err(failure::tried_for_too_long()),
            };
        }
    }

    /// The trial of this size that is under way, or a new one; `TooLarge` if none is needed.
    fn trial(
        self: &Arc<Self>,
        settings: &Arc<Settings>,
        address: &Address,
        bytes: usize,
    ) -> Result<Told, Failure> {
        let step = bytes.next_multiple_of(STEP);
        let mut state = self.state();
        if state.refused().is_some_and(|least| bytes >= least) {
            return Err(failure::too_large(address, bytes));
        }
        match state.trials.get(&step) {
            // One whose task is gone will not end; it is made again.
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
        // A connection may break by chance; hardly twice in a row, each time just then.
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

/// Whether the server takes a part so long, tried on a connection of its own. It is part of a
/// greeting that makes no sense: every user may send one, and nothing comes of it.
async fn is_taken(settings: &Settings, address: &Address, bytes: usize) -> Result<bool, Failure> {
    let connection =
        Connection::open(settings, address, Purpose::Hearing(Box::new(drop)), Acquaintance::Known).await?;
    let mut asked = format!("*2\r\n$5\r\nHELLO\r\n${bytes}\r\n").into_bytes();
    asked.resize(asked.len() + bytes, b'-');
    asked.extend_from_slice(b"\r\n");
    match connection.send(asked, Instant::now() + settings.call_timeout).await {
        Ok(Value::ServerError(error)) => Ok(!error.details().unwrap_or_default().contains("bulk length")),
        Ok(_) => Ok(true),
        // The server was connected a moment ago, so hanging up is its answer: not every server says why.
        Err(Broken::Lost(_)) => Ok(false),
        Err(Broken::Late | Broken::Overdue | Broken::Revoked | Broken::Inside) => {
            Err(failure::tried_for_too_long())
        }
    }
}
