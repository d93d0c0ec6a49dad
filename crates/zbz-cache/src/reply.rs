//! [`Reply`]: an answer that is ready already (memory) or a boxed future (network).
//!
//! A ready reply allocates nothing and never yields. So one trait serves both an in-process cache and a
//! server across a network, at no cost for the former.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use crate::error::Result;

type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The answer of a provider's verb: a future of `Result<T>` that may be ready from the start.
///
/// May be dropped at any point: a pending verb is then done or not done, never half.
#[must_use = "a pending reply does nothing until it is awaited"]
pub struct Reply<'a, T> {
    state: ReplyState<'a, T>,
}

enum ReplyState<'a, T> {
    Ready(Result<T>),
    Pending(Pending<'a, T>),
    Taken,
}

// A ready answer is only ever moved out whole, never pinned in place.
impl<T> Unpin for Reply<'_, T> {}

impl<'a, T> Reply<'a, T> {
    /// An answer that is ready.
    #[inline]
    pub fn ready(answer: Result<T>) -> Self {
        Reply { state: ReplyState::Ready(answer) }
    }

    /// An answer that comes later. The future owns what it needs: the arguments are borrowed for the call
    /// only.
    pub fn pending(future: impl Future<Output = Result<T>> + Send + 'a) -> Self {
        Reply { state: ReplyState::Pending(Box::pin(future)) }
    }

    /// Whether the answer is ready.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, ReplyState::Ready(_))
    }

    /// Blocks this thread until the answer comes.
    ///
    /// Works on any thread and needs no runtime. On an async executor's own thread it blocks the executor, so
    /// `await` there.
    ///
    /// # Errors
    ///
    /// Those of the verb.
    #[inline]
    pub fn wait(self) -> Result<T> {
        match self.state {
            ReplyState::Ready(answer) => answer,
            _ => block_on(self),
        }
    }

    /// Applies `change` to the answer, now or when it comes.
    pub fn map<U>(self, change: impl FnOnce(T) -> U + Send + 'a) -> Reply<'a, U>
    where
        T: Send + 'a,
    {
        match self.state {
            ReplyState::Ready(answer) => Reply::ready(answer.map(change)),
            _ => Reply::pending(async move { self.await.map(change) }),
        }
    }
}

/// Blocks on `future`. If that is ready at once nothing is allocated.
#[inline]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => pollster::block_on(future),
    }
}

impl<T> Future for Reply<'_, T> {
    type Output = Result<T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let this = self.get_mut();
        if let ReplyState::Pending(future) = &mut this.state {
            let answer = match future.as_mut().poll(context) {
                Poll::Ready(answer) => answer,
                Poll::Pending => return Poll::Pending,
            };
            this.state = ReplyState::Taken;
            return Poll::Ready(answer);
        }
        match std::mem::replace(&mut this.state, ReplyState::Taken) {
            ReplyState::Ready(answer) => Poll::Ready(answer),
            // Polling a finished future is a bug of the caller; staying pending for ever harms only that
            // caller.
            _ => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for Reply<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            ReplyState::Ready(_) => "Reply::Ready",
            ReplyState::Pending(_) => "Reply::Pending",
            ReplyState::Taken => "Reply::Taken",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_reply_is_here_at_once_and_a_pending_one_when_awaited() {
        assert_eq!(Reply::ready(Ok(1)).wait().unwrap(), 1);
        let later = Reply::pending(async { Ok(2) });
        assert!(!later.is_ready());
        assert_eq!(later.map(|n| n + 1).wait().unwrap(), 3);
        assert_eq!(pollster::block_on(Reply::ready(Ok(4)).map(|n| n * 2)).unwrap(), 8);
    }
}
