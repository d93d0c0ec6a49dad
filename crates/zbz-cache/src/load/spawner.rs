//! [`Spawner`]: runs refreshes in the background.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use crate::flight::{Losses, Waiter};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs futures in the background, on an executor of one's choice. Cheap to clone.
///
/// ```
/// use zbz_cache::Spawner;
///
/// // Any executor will do; this one is a thread for each task.
/// let spawner = Spawner::new(|task| drop(std::thread::spawn(|| pollster::block_on(task))));
/// ```
#[derive(Clone)]
pub struct Spawner {
    spawn: Arc<dyn Fn(Task) + Send + Sync>,
    losses: Arc<Losses>,
}

impl Spawner {
    /// A spawner that gives each task to `spawn`, which must not wait for it.
    ///
    /// A task that is dropped before its end, by a panic of `spawn` too, is a refresh that failed:
    /// it is counted and warned of, and for a second callers refresh by themselves. One that is
    /// neither polled nor dropped within five seconds is the same to the next caller of its entry.
    /// A task that was polled must be polled again when it is woken, or dropped: what keeps it
    /// otherwise keeps its entry stale, until the load's
    /// [timeout](crate::LoadOptionsBuilder::timeout) or the entry's ttl.
    pub fn new(spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        Spawner { spawn: Arc::new(spawn), losses: Arc::default() }
    }

    /// The tokio runtime that this is called in. Feature `tokio`.
    ///
    /// # Errors
    ///
    /// `Config`: there is none here.
    #[cfg(feature = "tokio")]
    pub fn tokio() -> crate::Result<Self> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|source| {
            let message = "there is no tokio runtime here; ask for its spawner inside one";
            crate::Error::config(message).with_source(source)
        })?;
        Ok(Spawner::new(move |task| drop(runtime.spawn(task))))
    }

    /// Whether it lost nothing lately.
    pub(crate) fn is_trusted(&self) -> bool {
        self.losses.are_over()
    }

    /// Has a refresh waited for in the background.
    pub(crate) fn spawn(&self, refresh: Waiter) {
        let refresh = refresh.hand_over(&self.losses);
        let task = Box::pin(async move { drop(refresh.await) });
        // A panic drops the task, which tells of itself; it is no concern of the caller's.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.spawn)(task)));
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}
