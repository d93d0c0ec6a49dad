//! How a server is connected to again: by one attempt after another, until one is answered.
//!
//! - **At most [`LONGEST_PAUSE`]** is between the beginnings of two attempts. Pauses begin small, so that a server that
//!   was only restarted is back soon, and are random, so that a thousand processes do not knock in step.
//! - **An attempt that is not over when the next one begins goes on beside it**, one at a time, until its
//!   connect_timeout: a server to which connecting takes long is found by that one. So there are two at most.
//! - **A first attempt that fails at once is made once more** before the server counts as down: a connection can break
//!   by chance.
//! - **While nobody uses the server** there is none ([`Breaker`](super::breaker::Breaker)).

use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::providers::redis::cluster::node::Node;
use crate::providers::redis::connection::Connection;
use crate::providers::redis::failure::Failure;

/// What is told to those who are refused, less what a timer may be late.
const LONGEST_PAUSE: Duration = Duration::from_millis(390);

const FIRST_PAUSE: Duration = Duration::from_millis(50);

type Opened = Result<Connection, Failure>;

type Attempt = Pin<Box<dyn Future<Output = Opened> + Send>>;

/// Ends with a connection, or when nobody uses the server; a task of its own.
pub(super) async fn keep_trying(node: Weak<Node>, old: Option<Arc<Connection>>) {
    let _over = OverOnDrop(Weak::clone(&node));
    if let Some(old) = old {
        // Each call on it ends by its own deadline.
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
            // Callers wait for an attempt that is made while none is refused.
            let until =
                if node.is_refusing() { Some(next) } else { node.patience().map(|span| begun + span) };
            let opening = Arc::clone(&node);
            (Box::pin(async move { opening.open().await }) as Attempt, until)
        };
        let ended = beside.with(attempt, until).await;
        let Some(this) = node.upgrade() else { return };
        match ended {
            Some(Ok(connection)) => return this.came_up(connection),
            Some(Err(failure)) if is_first && !failure.lasting && Instant::now() < next => {
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

/// From half of it up at random.
fn pause(tries: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << tries.min(16)).min(LONGEST_PAUSE);
    let random = RandomState::new().hash_one(tries) as f64 / u64::MAX as f64;
    whole.mul_f64(0.5 + random / 2.0)
}

/// Tells the node when the task is over, also if that was not its doing.
struct OverOnDrop(Weak<Node>);

impl Drop for OverOnDrop {
    fn drop(&mut self) {
        if let Some(node) = self.0.upgrade() {
            node.is_not_tried();
        }
    }
}

/// The attempt that goes on beside the others.
struct Beside(Option<Attempt>);

impl Beside {
    /// The outcome of a new attempt, or a connection of the one beside it; `None` if neither is there by then. The new
    /// one is beside the next one then, if none is yet.
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

    /// A connection that is there by then.
    async fn wait(&mut self, until: Instant) -> Option<Connection> {
        timeout_at(until, poll_fn(|context| self.poll(context))).await.ok()
    }

    /// Ready with a connection only: why there is none is told by a newer attempt.
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
