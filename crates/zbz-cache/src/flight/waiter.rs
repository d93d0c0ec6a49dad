//! [`Waiter`]: one async caller's part in a flight; the flight goes on only as waiters are polled.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::handed::{Handed, Losses};
use super::polled::Part;
use super::work::{Published, Stage, Work};

/// A future that is ready when the flight ends: `None` if it ended without an outcome. May be dropped
/// at any point.
pub(crate) struct Waiter {
    work: Arc<Work>,
    /// Whether the caller uses the outcome. If not, it only waits for the end, and polls the load meanwhile.
    wants: bool,
    slot: Option<usize>,
    ended: bool,
    /// Whether an executor has this waiter and has not polled it yet.
    is_handed: bool,
    part: Arc<Part>,
}

impl Waiter {
    fn new(work: Arc<Work>, wants: bool) -> Self {
        let part = Part::new(&work.is_over);
        // This thread is about to poll it.
        part.note();
        Waiter { work, wants, slot: None, ended: false, is_handed: false, part }
    }

    /// The waiter of the leading caller; the flight counts it already.
    pub(crate) fn lead(work: Arc<Work>) -> Self {
        Waiter::new(work, true)
    }

    pub(crate) fn join(work: Arc<Work>) -> Self {
        work.lock().wanting += 1;
        Waiter::lead(work)
    }

    pub(crate) fn follow(work: Arc<Work>) -> Self {
        Waiter::new(work, false)
    }

    /// This waiter, to be given to an executor whose losses are recorded.
    pub(crate) fn hand_over(mut self, losses: &Arc<Losses>) -> Self {
        self.part = Part::new(&self.work.is_over);
        self.is_handed = true;
        self.work.lock().handed = Some(Handed::to(losses));
        // A thread that blocks on the flight while this thread polled it checks again.
        self.work.changed.notify_all();
        self
    }
}

impl Future for Waiter {
    type Output = Option<Published>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Published>> {
        let this = self.get_mut();
        loop {
            let mut state = this.work.lock();
            if let Stage::Ended(published) = &state.stage {
                this.ended = true;
                return Poll::Ready(published.clone());
            }
            state.register(&mut this.slot, context.waker());
            if std::mem::take(&mut this.is_handed)
                && let Some(handed) = &mut state.handed
            {
                handed.is_begun = true;
            }
            drop(state);
            this.part.note();
            this.work.watch_time();
            let job = this.work.lock().take_job();
            let has_ended = job.is_some_and(|job| this.work.drive(job));
            if !has_ended {
                // Any later change wakes the waker registered above.
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
            state.wanting -= 1;
        }
        self.work.leave(state);
        drop(waker);
    }
}
