//! Changing the budget of a cache in use.
//!
//! - *Nothing is taken beyond the new limit*: a lower limit holds for what is taken from the moment
//!   it is set; what is in use above it is given back step by step. The old budget is told until
//!   then.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::append::Refused;
use crate::config::check_max_size;
use crate::engine::Engine;
use crate::{Error, WhenFull};

/// How long a shrinking cache waits for readers of what was evicted.
const PATIENCE: Duration = Duration::from_secs(2);

impl Engine {
    pub(crate) fn resize(&self, max_size: u64) -> Result<(), Error> {
        check_max_size(max_size)?;
        self.check_open()?;
        let (floor, ceiling) = (self.floor, self.shape.ceiling);
        if !(floor..=ceiling).contains(&max_size) {
            let got = format!("{max_size} bytes");
            let takes = format!("{floor} to {ceiling} bytes in a cache built for what this one was");
            return Err(Error::Config { option: "max_size", got, takes });
        }
        let answer = self.resize_within(max_size);
        self.tidy_if_closed();
        answer
    }

    fn resize_within(&self, max_size: u64) -> Result<(), Error> {
        let _resizing = self.resizing.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        let before = self.max_size();
        self.budget.set_limit(max_size);
        self.fit_segment_size(max_size);
        if max_size < before && !self.shrink_to(max_size) {
            self.budget.set_limit(before);
            self.fit_segment_size(before);
            self.check_open()?;
            return Err(Error::Full);
        }
        self.budget.tell_limit();
        self.max_size.store(max_size, Ordering::Relaxed);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Refused::default();
        self.largest_max.fetch_max(max_size, Ordering::Relaxed);
        Ok(())
    }

    /// Gives back what is above the limit; false if it cannot.
    fn shrink_to(&self, limit: u64) -> bool {
        let begun = Instant::now();
        let mut drained = 0;
        if self.when_full == WhenFull::Reject && (self.sweep().is_err() || !self.may_fit(limit)) {
            return false;
        }
        while self.budget.used() > limit {
            self.lanes.collect_dead(&self.log, usize::MAX);
            // What is freed while the budget is exceeded goes back at once.
            self.release();
            if self.lanes.withdraw_one(&self.log, &self.budget) {
                continue;
            }
            self.shrink_index();
            if self.budget.used() <= limit {
                break;
            }
            let went_on = match self.when_full {
                WhenFull::Evict => self.evict_for_segment(drained).map(|more| drained += more).is_some(),
                WhenFull::Reject => {
                    self.reclaim_for_segment().is_some()
                        || self.lanes.close_lanes(&self.log, |segment| self.log.segment(segment).fill() > 0)
                }
            };
            if !went_on {
                if self.check_open().is_err()
                    || begun.elapsed() > PATIENCE
                    || self.when_full == WhenFull::Reject
                {
                    return false;
                }
                std::thread::yield_now();
            }
        }
        true
    }

    /// Whether what is alive may fit a smaller budget.
    fn may_fit(&self, limit: u64) -> bool {
        self.lanes.alive(&self.log) + self.base + self.index.bytes() <= limit
    }
}
