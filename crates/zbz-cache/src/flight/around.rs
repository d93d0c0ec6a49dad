//! [`Around`]: a time in which looks at the cache fail because the provider does not answer, and loads go on
//! without it; what is said of that in the log.

use std::time::{Duration, Instant};

use super::sync::{AtomicBool, AtomicU64, Mutex, Ordering};
use super::{Flights, LoadCounters, lock};
use crate::error::Error;
use crate::provider::Provider;

/// How long no look may have failed before a look that succeeds ends it. Otherwise a cluster with one server
/// down would begin and end it all the time.
const QUIET: Duration = Duration::from_secs(1);

/// What a hit reads of the flights, within one line.
#[repr(align(16))]
pub(super) struct Glance {
    /// How many flights have ended.
    pub(super) ended: AtomicU64,
    /// Whether loads go around the cache.
    goes_around: AtomicBool,
}

impl Glance {
    pub(super) fn new() -> Self {
        Glance { ended: AtomicU64::new(0), goes_around: AtomicBool::new(false) }
    }
}

#[derive(Debug, Default)]
pub(super) struct Around {
    period: Mutex<Option<Period>>,
}

#[derive(Debug)]
struct Period {
    since: Instant,
    last_failed: Instant,
    /// How many loads had gone around before it.
    before: u64,
}

impl Flights {
    /// Whether loads go around the cache: then a look that succeeds is
    /// [told](Flights::look_succeeded).
    #[inline]
    pub(crate) fn goes_around(&self) -> bool {
        // Relaxed: whoever finds it set asks again under the lock.
        self.glance.goes_around.load(Ordering::Relaxed)
    }

    /// Takes note of a look that failed by an outage. The first one is warned of.
    #[cold]
    pub(crate) fn look_failed(&self, provider: &str, cause: &Error) {
        LoadCounters::add(&self.counters.failed_reads);
        let now = Instant::now();
        let mut period = lock(&self.around.period);
        if let Some(period) = &mut *period {
            period.last_failed = now;
            return;
        }
        *period = Some(Period { since: now, last_failed: now, before: self.went_around() });
        self.glance.goes_around.store(true, Ordering::Relaxed);
        drop(period);
        warn_log!(
            provider = provider,
            cause = cause.to_string(),
            "loads go around the cache: its provider does not answer, so their values are handed out and not stored"
        );
    }

    /// Takes note of a look that succeeded while loads went around the cache. One that shows the outage to be
    /// over is warned of.
    #[cold]
    pub(crate) fn look_succeeded(&self, provider: &dyn Provider) {
        let mut period = lock(&self.around.period);
        let Some(current) = &mut *period else { return };
        if current.last_failed.elapsed() < QUIET {
            return;
        }
        if !provider.health().is_up() {
            // Another server than the one that is down has answered; asked again after a while.
            current.last_failed = Instant::now();
            return;
        }
        let (span, loads) = (current.since.elapsed(), self.went_around() - current.before);
        *period = None;
        self.glance.goes_around.store(false, Ordering::Relaxed);
        drop(period);
        warn_log!(
            provider = provider.name(),
            seconds = span.as_secs_f64(),
            loads = loads,
            "loads use the cache again: its provider answers"
        );
    }

    fn went_around(&self) -> u64 {
        self.counters.around.load(Ordering::Relaxed)
    }
}
