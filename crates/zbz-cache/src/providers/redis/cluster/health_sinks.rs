//! [`HealthSinks`]: the sinks that are told when a server goes down or is back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::provider::{HealthSink, ServerHealth, Subscription};

/// The subscribed sinks, in the order in which they joined.
#[derive(Default)]
pub(in crate::providers::redis) struct HealthSinks {
    sinks: Mutex<Arc<[Entry]>>,
    /// Notified when a server is back.
    pub(in crate::providers::redis) is_back: Notify,
}

type Entry = Arc<HealthSink>;

impl HealthSinks {
    fn sinks(&self) -> MutexGuard<'_, Arc<[Entry]>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a sink, until the subscription is dropped.
    pub(in crate::providers::redis) fn join(self: &Arc<Self>, sink: HealthSink) -> Subscription {
        let entry = Arc::new(sink);
        let mut sinks = self.sinks();
        *sinks = sinks.iter().chain([&entry]).cloned().collect();
        Subscription::new(Joined { sinks: Arc::clone(self), entry })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sinks().is_empty()
    }

    /// Calls every sink. Runs on the provider's thread alone, so changes arrive in order.
    pub(super) fn tell(&self, health: &ServerHealth) {
        if health.state.is_up() {
            self.is_back.notify_waiters();
        }
        let sinks = Arc::clone(&self.sinks());
        for entry in sinks.iter() {
            if catch_unwind(AssertUnwindSafe(|| entry(health))).is_err() {
                tracing::error!("a health sink panicked; it was removed and is called no more");
                self.leave(entry);
            }
        }
    }

    fn leave(&self, gone: &Entry) {
        let mut sinks = self.sinks();
        *sinks = sinks.iter().filter(|entry| !Arc::ptr_eq(entry, gone)).cloned().collect();
    }
}

/// Removes its sink when it is dropped.
struct Joined {
    sinks: Arc<HealthSinks>,
    entry: Entry,
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.sinks.leave(&self.entry);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::provider::ServerState;

    #[test]
    fn each_sink_is_told_until_it_leaves_or_panics() {
        let (sinks, told) = (Arc::new(HealthSinks::default()), Arc::new(AtomicU32::new(0)));
        let counts = |by: u32| -> HealthSink {
            let told = Arc::clone(&told);
            Arc::new(move |_| {
                told.fetch_add(by, Ordering::Relaxed);
            })
        };
        let tell = || {
            sinks.tell(&ServerHealth::new("host:1", ServerState::Up));
            told.load(Ordering::Relaxed)
        };
        let one = sinks.join(counts(1));
        let _panics = sinks.join(Arc::new(|_| panic!("a sink of the test's")));
        let _ten = sinks.join(counts(10));
        assert_eq!(tell(), 11);
        assert_eq!(sinks.sinks().len(), 2, "the one that panicked is gone");
        drop(one);
        assert_eq!(tell(), 21);
    }
}
