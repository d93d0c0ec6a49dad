//! [`Spawner`]: runs refreshes in the background.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use crate::flight::{Losses, Waiter};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs futures in the background, on any executor. Cheap to clone.
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
    /// A task that is dropped before its end, even by a panic of `spawn`, is a failed refresh: it is counted
    /// and warned of, and callers refresh by themselves for a second. So is, for the next caller of its
    /// entry, a task that is neither polled nor dropped within five seconds. A task that was polled must be
    /// polled again when it is woken, or dropped. Otherwise its entry stays stale until the load's
    /// [timeout](crate::LoadOptionsBuilder::timeout) or the end of the entry's TTL.
    pub fn new(spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        Spawner { spawn: Arc::new(spawn), losses: Arc::default() }
    }

    /// The tokio runtime that this is called in. Feature `tokio`.
    ///
    /// # Errors
    ///
    /// `Config`: there is no runtime here.
    #[cfg(feature = "tokio")]
    pub fn tokio() -> crate::Result<Self> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|source| {
            let message = "there is no tokio runtime here; ask for its spawner inside one";
            crate::Error::config(message).with_source(source)
        })?;
        Ok(Spawner::new(move |task| drop(runtime.spawn(task))))
    }

    /// Whether it lost no refresh recently.
    pub(crate) fn is_trusted(&self) -> bool {
        self.losses.are_over()
    }

    /// Waits for a refresh in the background.
    pub(crate) fn spawn(&self, refresh: Waiter) {
        let refresh = refresh.hand_over(&self.losses);
        let task = Box::pin(async move { drop(refresh.await) });
        // A panic drops the task, which reports itself as lost; the caller is not affected.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.spawn)(task)));
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}
