//! [`Waiter`]: one async caller's part in a flight; the flight goes on only as waiters are polled.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::work::{Landed, Stage, Work};

/// The end of a flight, as a future: `None` if it ended without an outcome. May be dropped at any
/// point.
pub(crate) struct Waiter {
    work: Arc<Work>,
    /// Whether it wants the outcome; one that does not only waits for the end, and helps there.
    wants: bool,
    slot: Option<usize>,
    ended: bool,
}

impl Waiter {
    /// The waiter of the caller that leads; the work counts it already.
    pub(crate) fn lead(work: Arc<Work>) -> Self {
        Waiter { work, wants: true, slot: None, ended: false }
    }

    pub(crate) fn join(work: Arc<Work>) -> Self {
        work.lock().wanting += 1;
        Waiter::lead(work)
    }

    pub(crate) fn follow(work: Arc<Work>) -> Self {
        Waiter { work, wants: false, slot: None, ended: false }
    }
}

impl Future for Waiter {
    type Output = Option<Landed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Landed>> {
        let this = self.get_mut();
        loop {
            let mut state = this.work.lock();
            if let Stage::Ended(landed) = &state.stage {
                this.ended = true;
                return Poll::Ready(landed.clone());
            }
            state.register(&mut this.slot, context.waker());
            drop(state);
            this.work.watch_time();
            let job = this.work.lock().take_job();
            let has_ended = job.is_some_and(|job| this.work.drive(job));
            if !has_ended {
                // Whatever happens from here on wakes the waker registered above.
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut state = self.work.lock();
        let waker = self.slot.and_then(|slot| state.forget(slot));
        if self.wants && !self.ended {
            self.work.leave(state);
        } else {
            drop(state);
        }
        drop(waker);
    }
}
