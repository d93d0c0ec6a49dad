//! The background thread that sweeps expired entries, and the result of a sweep.
//!
//! The thread holds the engine only while it sweeps, so it never keeps a dropped cache alive, and
//! no thread ever waits for it: it ends by itself when the engine's sender is gone.

use crate::base::error::Error;
use crate::engine::Engine;
use crate::verbs::sweep::sweep;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What [`MemoryCache::run_maintenance`](crate::MemoryCache::run_maintenance) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintenance {
    /// Entries removed because their time had passed.
    pub expired: u64,
}

/// Starts the thread that sweeps `engine` every `interval` of real time.
pub(crate) fn start(engine: &Arc<Engine>, interval: Duration) -> Result<(), Error> {
    let (sender, receiver) = channel();
    let weak = Arc::downgrade(engine);
    std::thread::Builder::new()
        .name("zbz-cache-sweep".into())
        .spawn(move || run(&weak, &receiver, interval))
        .map_err(|error| Error::Config {
            option: "cleanup_interval",
            got: format!("an interval, but no thread could be started ({error})"),
            takes: "zero where threads are not to be had".into(),
        })?;
    engine.keep_background(sender);
    Ok(())
}

fn run(engine: &Weak<Engine>, receiver: &Receiver<()>, interval: Duration) {
    while receiver.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        match engine.upgrade() {
            Some(engine) if sweep(&engine.store).is_ok() => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryCache;
    use crate::engine::Config;
    use std::thread::JoinHandle;

    /// A cache and its sweeper, started here so that its end can be waited for.
    fn swept_every(interval: Duration) -> (MemoryCache, JoinHandle<()>) {
        let engine = Arc::new(Engine::new(&Config::default()).unwrap());
        let (sender, receiver) = channel();
        engine.keep_background(sender);
        let weak = Arc::downgrade(&engine);
        let thread = std::thread::spawn(move || run(&weak, &receiver, interval));
        (MemoryCache::from_engine(engine), thread)
    }

    #[test]
    fn the_thread_ends_when_the_last_handle_is_dropped() {
        for interval in [Duration::from_nanos(1), Duration::from_secs(3600), Duration::MAX] {
            let (cache, thread) = swept_every(interval);
            drop(cache.clone());
            assert!(cache.is_empty());
            drop(cache);
            thread.join().unwrap();
        }
    }

    #[test]
    fn the_thread_ends_when_the_cache_is_closed() {
        for interval in [Duration::from_nanos(1), Duration::from_secs(3600)] {
            let (cache, thread) = swept_every(interval);
            cache.close();
            thread.join().unwrap();
        }
    }
}
