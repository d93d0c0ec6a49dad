//! Blocking on a flight.

use std::sync::PoisonError;
use std::time::Instant;

use super::polled;
use super::work::{Published, Stage, Work};
use crate::error::{Error, ErrorKind, Result};

impl Work {
    /// Blocks until the flight has ended, and ends it at its timeout. `None`: it ended without an
    /// outcome.
    ///
    /// # Errors
    ///
    /// `LoadDeadlock`: this thread may be the only one that polls the flight.
    pub(crate) fn wait(&self) -> Result<Option<Published>> {
        let mut state = self.lock();
        loop {
            if let Stage::Ended(published) = &state.stage {
                return Ok(published.clone());
            }
            if state.is_unbegun() {
                drop(state);
                self.take_over();
                state = self.lock();
                continue;
            }
            if polled::is_needed_here() {
                return Err(deadlock());
            }
            state = match self.ends_at {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        drop(state);
                        self.time_out();
                        self.lock()
                    } else {
                        let waited = self.changed.wait_timeout(state, left);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                }
            };
        }
    }
}

#[cold]
fn deadlock() -> Error {
    let message = "this thread polls a load that is still under way, and asleep it would poll nothing; await \
                   the async verb here, or call this one in spawn_blocking or on a thread of its own";
    Error::new(ErrorKind::LoadDeadlock, message)
}
