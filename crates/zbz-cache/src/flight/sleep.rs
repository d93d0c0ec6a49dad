//! A caller that waits for a flight on its thread.

use std::sync::PoisonError;
use std::time::Instant;

use super::work::{Landed, Stage, Work};

impl Work {
    /// Sleeps until the flight has ended, or ends it when its time is over.
    pub(crate) fn wait(&self) -> Option<Landed> {
        let mut state = self.lock();
        loop {
            if let Stage::Ended(landed) = &state.stage {
                return landed.clone();
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
