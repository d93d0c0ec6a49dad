//! Reconnects to a server: one attempt after another, until one is answered.
//!
//! - **Attempts begin at most [`LONGEST_PAUSE`] apart.** Pauses begin small, so that a restarted server is found
//!   soon, and are random, so that many processes do not reconnect in step.
//! - **An attempt that is still running when the next one begins goes on beside it**, until its connect_timeout,
//!   so that a server to which connecting takes long is found too. Only one does so: two run at most.
//! - **A first attempt that fails at once is repeated** before the server counts as down: a connection can break
//!   by chance.
//! - **While no caller uses the server** no attempt is made ([`Breaker`](super::breaker::Breaker)).

use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::providers::redis::cluster::node::Node;
use crate::providers::redis::connection::Connection;
use crate::providers::redis::error::Failure;

/// The time to the next probe that refused calls are told, less the delay of a timer.
const LONGEST_PAUSE: Duration = Duration::from_millis(390);

const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// An attempt that failed sooner than this failed at once. A busy machine takes some time for that, too.
const AT_ONCE: Duration = Duration::from_millis(200);

type Opened = Result<Connection, Failure>;

type Attempt = Pin<Box<dyn Future<Output = Opened> + Send>>;

/// A task that ends with a connection, or when no caller uses the server.
pub(super) async fn keep_trying(node: Weak<Node>, old: Option<Arc<Connection>>) {
    let _over = OverOnDrop(Weak::clone(&node));
    if let Some(old) = old {
        // This ends: every call on the connection ends by its own deadline.
        old.finish().await;
    }
    let mut beside = Beside(None);
    let mut tries = 0;
    let mut is_first = true;
    loop {
        let begun = Instant::now();
        let next = begun + pause(tries);
        let (attempt, until) = {
            let Some(node) = node.upgrade() else { return };
            // While the breaker is closed callers wait for the attempt, so their patience bounds it.
            let until =
                if node.is_refusing() { Some(next) } else { node.patience().map(|span| begun + span) };
            let opening = Arc::clone(&node);
            (Box::pin(async move { opening.open().await }) as Attempt, until)
        };
        let ended = beside.with(attempt, until).await;
        let Some(this) = node.upgrade() else { return };
        match ended {
            Some(Ok(connection)) => return this.came_up(connection),
            Some(Err(failure)) if is_first && !failure.lasting && begun.elapsed() < AT_ONCE => {
                is_first = false;
                continue;
            }
            Some(Err(failure)) => this.failed(failure),
            None => this.is_silent(),
        }
        if !this.is_still_used(next) {
            return;
        }
        drop(this);
        is_first = false;
        tries += 1;
        if let Some(connection) = beside.wait(next).await {
            if let Some(node) = node.upgrade() {
                node.came_up(connection);
            }
            return;
        }
    }
}

/// A random time from half the pause to the whole.
fn pause(tries: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << tries.min(16)).min(LONGEST_PAUSE);
    let random = RandomState::new().hash_one(tries) as f64 / u64::MAX as f64;
    whole.mul_f64(0.5 + random / 2.0)
}

/// Tells the node that the task has ended, even if it was dropped.
struct OverOnDrop(Weak<Node>);

impl Drop for OverOnDrop {
    fn drop(&mut self) {
        if let Some(node) = self.0.upgrade() {
            node.is_not_tried();
        }
    }
}

/// An earlier attempt that goes on beside the current one.
struct Beside(Option<Attempt>);

impl Beside {
    /// The outcome of a new attempt, or the connection of the earlier one; `None` if neither is ready in time. If
    /// there is no earlier attempt then, the new one takes its place.
    async fn with(&mut self, mut attempt: Attempt, until: Option<Instant>) -> Option<Opened> {
        let both = poll_fn(|context| match attempt.as_mut().poll(context) {
            Poll::Ready(opened) => Poll::Ready(opened),
            Poll::Pending => self.poll(context).map(Ok),
        });
        let ended = match until {
            Some(until) => timeout_at(until, both).await.ok(),
            None => Some(both.await),
        };
        if ended.is_none() && self.0.is_none() {
            self.0 = Some(attempt);
        }
        ended
    }

    /// The connection of the earlier attempt, if it is ready in time.
    async fn wait(&mut self, until: Instant) -> Option<Connection> {
        timeout_at(until, poll_fn(|context| self.poll(context))).await.ok()
    }

    /// Ready with a connection only: a failure is reported by the newer attempt.
    fn poll(&mut self, context: &mut std::task::Context<'_>) -> Poll<Connection> {
        let Some(attempt) = &mut self.0 else { return Poll::Pending };
        match attempt.as_mut().poll(context) {
            Poll::Ready(Ok(connection)) => Poll::Ready(connection),
            Poll::Ready(Err(_)) => {
                self.0 = None;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_begin_small_and_grow_to_their_longest_and_differ() {
        let some: Vec<Duration> = (0..100).map(pause).collect();
        assert!(some[0] <= FIRST_PAUSE);
        assert!(some[10..].iter().all(|pause| (LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(pause)));
        assert!(some[11..].iter().any(|pause| *pause != some[10]));
    }
}
