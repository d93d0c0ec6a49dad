//! [`Sizes`]: how long a part of a command the server of a link takes.
//!
//! A server ends the connection on which a part comes that is too long for it, whatever else is on
//! it. Two of its settings say what that is (proto-max-bulk-len, client-query-buffer-limit); not
//! every user may read them, they may change at any time, and what stands between may have bounds
//! of its own. So:
//!
//! - **Nothing goes out on a shared link that the server might end it for.** What is longer than
//!   [`SURE`] goes there after the server took as much on a connection of its own.
//! - What was proven holds for as long as the link does; what was refused, for [`REFUSED_FOR`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::command;
use super::failure::{self, Failure, Fate};
use super::line::Broken;
use super::link::Link;
use super::settings::Settings;

/// What every server takes: neither of the settings goes below 1 MiB, and what counts besides the
/// part itself is less than the rest.
pub(super) const SURE: usize = (1 << 20) - (64 << 10);

/// Sizes are proven in whole ones of these, so that values that grow are seldom proven anew.
const STEP: usize = 1 << 20;

/// The owner of the server may raise what it takes.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// What is known of one server's sizes.
pub(super) struct Sizes {
    /// Guards nothing, so Relaxed suffices.
    proven: AtomicUsize,
    /// What was refused last, and when; held while a size is tried, so that one is at a time.
    refused: Mutex<Option<(usize, Instant)>>,
}

impl Sizes {
    pub(super) fn new() -> Sizes {
        Sizes { proven: AtomicUsize::new(SURE), refused: Mutex::new(None) }
    }

    /// Whether the server surely takes these packed commands.
    pub(super) fn take(&self, commands: &[u8]) -> bool {
        commands.len() <= SURE || self.is_proven(command::longest_part(commands))
    }

    fn is_proven(&self, bytes: usize) -> bool {
        bytes <= self.proven.load(Ordering::Relaxed)
    }

    /// Finds out whether the server takes these packed commands, by the deadline.
    ///
    /// # Errors
    ///
    /// `TooLarge`; or why it could not be found out.
    pub(super) async fn prove(
        &self,
        settings: &Settings,
        address: &Address,
        commands: &[u8],
        deadline: Instant,
    ) -> Result<(), Failure> {
        if self.take(commands) {
            return Ok(());
        }
        let proving = self.prove_part(settings, address, command::longest_part(commands));
        timeout_at(deadline, proving).await.unwrap_or_else(|_| Err(late()))
    }

    async fn prove_part(&self, settings: &Settings, address: &Address, bytes: usize) -> Result<(), Failure> {
        let mut refused = self.refused.lock().await;
        if self.is_proven(bytes) {
            return Ok(());
        }
        let too_large = || failure::too_large(address, bytes);
        match *refused {
            Some((least, at)) if bytes >= least && at.elapsed() < REFUSED_FOR => return Err(too_large()),
            _ => {}
        }
        // A connection may break by chance; hardly twice in a row, each time just then.
        for size in [bytes.next_multiple_of(STEP), bytes] {
            if is_taken(settings, address, size).await? {
                self.proven.fetch_max(size, Ordering::Relaxed);
                return Ok(());
            }
        }
        *refused = Some((bytes, Instant::now()));
        Err(too_large())
    }
}

fn late() -> Failure {
    failure::timed_out(Fate::Unsent, "while a value so large was tried")
}

/// Whether the server takes a part so long, tried on a connection of its own. It is part of a
/// greeting that makes no sense: every user may send one, and nothing comes of it.
async fn is_taken(settings: &Settings, address: &Address, bytes: usize) -> Result<bool, Failure> {
    let link = Link::open(settings, address, Some(Box::new(drop))).await?;
    let mut asked = format!("*2\r\n$5\r\nHELLO\r\n${bytes}\r\n").into_bytes();
    asked.resize(asked.len() + bytes, b'-');
    asked.extend_from_slice(b"\r\n");
    match link.ask(asked, Instant::now() + settings.call_timeout).await {
        Ok(Value::ServerError(error)) => Ok(!error.details().unwrap_or_default().contains("bulk length")),
        Ok(_) => Ok(true),
        // It was linked a moment ago, so that is its answer: not all of them say why they hang up.
        Err(Broken::Lost(_)) => Ok(false),
        Err(Broken::Late | Broken::Revoked | Broken::Inside) => Err(late()),
    }
}
