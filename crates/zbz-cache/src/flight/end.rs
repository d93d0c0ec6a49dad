//! The ways in which a flight ends. It ends exactly once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::handed::{Handed, Losses};
use super::inside::Loading;
use super::sync::Ordering;
use super::work::{Job, LoadedKey, Published, Stage, Timer, Work, WorkState, wake_all};
use super::{LoadCounters, lock};
use crate::error::{Error, ErrorKind, Result};

impl Work {
    /// Ends a flight that no caller waits for.
    pub(super) fn end_unwanted(&self) {
        self.end_if(None, |state| state.wanting == 0);
    }

    /// Ends a refresh that its executor has not begun, without an outcome: another caller is about to
    /// load the key.
    pub(super) fn take_over(&self) {
        self.end_if(None, |state| state.is_unbegun() && state.handed.take().is_some());
    }

    /// Ends a background refresh that timed out, or that its executor should have begun long ago. True
    /// if this call ended it.
    pub(super) fn end_if_forgotten(&self) -> bool {
        if self.ends_at.is_some_and(|at| Instant::now() >= at) && self.lock().handed.is_some() {
            self.time_out();
            return true;
        }
        let is_late = |state: &WorkState| state.handed.as_ref().is_some_and(Handed::is_late);
        self.end_if(None, |state| state.is_unbegun() && is_late(state))
    }

    #[cold]
    pub(super) fn time_out(&self) {
        let (timeout, span) = (self.timeout.unwrap_or_default(), self.begun.elapsed());
        self.fail(&Error::new(
            ErrorKind::LoadTimeout,
            format!(
                "the load did not end within its timeout of {timeout:?} and was given up after {span:.1?}; \
                 nothing was stored"
            ),
        ));
    }

    /// Ends the flight with this error for all keys.
    pub(crate) fn fail(&self, error: &Error) {
        self.end(Some(self.failure(error)));
    }

    pub(super) fn failure(&self, error: &Error) -> Published {
        self.keys.iter().map(|_| Err(error.clone())).collect()
    }

    pub(super) fn end(&self, published: Option<Published>) {
        self.end_if(published, |_| true);
    }

    /// Ends the flight if it has not ended and `due` still holds under the lock. True if this call ended it.
    fn end_if(&self, published: Option<Published>, due: impl FnOnce(&mut WorkState) -> bool) -> bool {
        let mut state = self.lock();
        if matches!(state.stage, Stage::Ending | Stage::Ended(_)) || !due(&mut state) {
            return false;
        }
        let stage = std::mem::replace(&mut state.stage, Stage::Ending);
        let lost = state.handed.take().filter(|_| published.is_none());
        drop(state);
        // Before the keys leave the table: no other loader of them begins until this one is gone.
        if let Stage::Idle(job) = stage {
            self.drop_job(job);
        }
        let warns = lost.as_ref().is_some_and(|handed| handed.losses.add());
        let mut state = self.lock();
        self.count(published.as_deref(), lost.is_some());
        let failed = |at: usize| published.as_ref().is_some_and(|published| published[at].is_err());
        self.flights.leave_table(self, failed);
        state.stage = Stage::Ended(published);
        // Release: pairs with the load that asks whether it is under way.
        self.is_over.store(true, Ordering::Release);
        let wakers = state.take_wakers();
        drop(state);
        let timer = std::mem::replace(&mut *lock(&self.timer), Timer::Over);
        drop(timer);
        self.changed.notify_all();
        wake_all(wakers);
        if warns {
            Losses::warn();
        }
        true
    }

    /// Drops a loader's future. A panic of its drop is swallowed: the outcome is settled. If its drop
    /// asks for the key, that is a cycle.
    pub(super) fn drop_job(&self, job: Job) {
        let _inside = Loading::enter(self);
        let _ = catch_unwind(AssertUnwindSafe(|| drop(job)));
    }

    /// Counts the outcomes. A lost refresh counts as a failed one.
    fn count(&self, published: Option<&[Result<LoadedKey>]>, is_lost: bool) {
        let counters = &self.flights.counters;
        for _ in self.keys.iter().filter(|_| is_lost) {
            LoadCounters::add(&counters.failed);
        }
        for loaded in published.into_iter().flatten() {
            LoadCounters::add(if loaded.is_ok() { &counters.loaded } else { &counters.failed });
        }
    }
}
