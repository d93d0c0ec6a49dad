//! [`Spawner`]: who runs refreshes in the background.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

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
}

impl Spawner {
    /// A spawner that gives each task to `spawn`, which must not wait for it. A task that is
    /// dropped ends its refresh.
    pub fn new(spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        Spawner { spawn: Arc::new(spawn) }
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

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        (self.spawn)(Box::pin(task));
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}
