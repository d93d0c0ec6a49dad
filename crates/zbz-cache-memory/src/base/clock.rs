//! Where the cache gets its time: the system's monotonic clock, or one that a test moves by hand.
//!
//! Invariants:
//! - Time is nanoseconds since the clock's own start, in a u64, and never goes backwards.
//! - It never reaches `u64::MAX`, which stands for "no deadline".
//! - *One order*: a reading that begins after another has ended, in whatever thread, is not less.
//!   So an entry that was seen dead is not seen alive again.
//!
//! The system's clock is the processor's time stamp counter where the system trusts that, rated
//! and ordered by the system, and read without a system call. Reading the counter past the system
//! keeps neither *one order* nor its rate; but it is enough to tell that a deadline is ahead
//! (`clock/counter.rs`).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::base::ttl::GRAIN_BITS;

mod counter;

use counter::{LAST, saturating_nanos};

/// The time source of a cache.
///
/// The system clock is monotonic: setting the wall clock changes no deadline. Clones show the same
/// time.
///
/// ```
/// use std::time::Duration;
/// use zbz_cache_memory::{Clock, MemoryCache};
///
/// let (clock, hand) = Clock::manual();
/// let cache = MemoryCache::builder().clock(clock).build()?;
/// cache.set(b"k", b"v", Some(Duration::from_secs(60)))?;
/// hand.advance(Duration::from_secs(60));
/// assert_eq!(cache.get(b"k")?, None);
/// # Ok::<(), zbz_cache_memory::Error>(())
/// ```
#[derive(Clone)]
pub struct Clock {
    source: Source,
}

#[derive(Clone)]
enum Source {
    System {
        start: Instant,
        /// `start` on the scale of bounds.
        start_nanos: u64,
    },
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The system's monotonic clock, started now.
    pub fn system() -> Clock {
        let start = Instant::now();
        Clock { source: Source::System { start, start_nanos: counter::bound().moment(start) } }
    }

    /// A clock that stands at zero until its [`ManualClock`] moves it.
    ///
    /// A cache built on one starts no background thread, whatever its cleanup interval: call
    /// [`MemoryCache::run_maintenance`](crate::MemoryCache::run_maintenance) to sweep.
    pub fn manual() -> (Clock, ManualClock) {
        let now = Arc::new(AtomicU64::new(0));
        (Clock { source: Source::Manual(now.clone()) }, ManualClock { now })
    }

    /// How long this clock has been running.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.now())
    }

    /// Nanoseconds since the clock's start.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        match &self.source {
            Source::System { start, .. } => nanos_since(*start),
            // SeqCst: a thread that was told that the clock moved must find it moved.
            Source::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// A moment that is not before this one, and is before `deadline`. `None` if there is none that
    /// can be told without asking the clock: the deadline may have passed.
    #[inline]
    pub(crate) fn before(&self, deadline: u64) -> Option<u64> {
        let Source::System { start_nanos, .. } = self.source else { return None };
        let bound = counter::bound();
        match bound.latest() {
            Some(latest) => Some(latest.saturating_sub(start_nanos)).filter(|&latest| latest < deadline),
            None => {
                bound.refresh();
                None
            }
        }
    }

    /// A deadline as it is kept: a whole number of units, not after this one. Exact by hand.
    #[inline]
    pub(crate) fn whole(&self, deadline: u64) -> u64 {
        match self.source {
            Source::System { .. } => deadline >> GRAIN_BITS << GRAIN_BITS,
            Source::Manual(_) => deadline,
        }
    }

    pub(crate) fn is_manual(&self) -> bool {
        matches!(self.source, Source::Manual(_))
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_manual() { "manual" } else { "system" };
        write!(f, "Clock({kind}, {:?})", self.elapsed())
    }
}

/// The hand of a manual [`Clock`]. Clones move the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<AtomicU64>,
}

impl ManualClock {
    /// Moves the clock forward. It stops for good about 584 years after its start.
    pub fn advance(&self, by: Duration) {
        let step = saturating_nanos(by);
        let mut now = self.now.load(Ordering::SeqCst);
        loop {
            let next = now.saturating_add(step).min(LAST);
            match self.now.compare_exchange_weak(now, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return,
                Err(moved) => now = moved,
            }
        }
    }
}

/// Without the 128-bit arithmetic of `Duration::as_nanos`: centuries fit.
#[inline]
fn nanos_since(start: Instant) -> u64 {
    let elapsed = start.elapsed();
    elapsed.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(elapsed.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand_and_saturates() {
        let (clock, hand) = Clock::manual();
        assert_eq!(clock.now(), 0);
        hand.clone().advance(Duration::from_nanos(7));
        assert_eq!(clock.elapsed(), Duration::from_nanos(7));
        hand.advance(Duration::MAX);
        hand.advance(Duration::MAX);
        assert_eq!(clock.now(), LAST);
        assert_eq!(
            (format!("{clock:?}").as_str().starts_with("Clock(manual"), clock.is_manual()),
            (true, true)
        );
    }

    #[test]
    fn the_system_clock_does_not_go_backwards() {
        let clock = Clock::system();
        let first = clock.now();
        assert!(clock.clone().now() >= first);
    }

    #[test]
    fn the_system_clock_goes_as_fast_as_the_standard_librarys() {
        let (clock, start) = (Clock::system(), Instant::now());
        std::thread::sleep(Duration::from_millis(50));
        let (low, now, high) = (start.elapsed(), clock.elapsed(), start.elapsed());
        // The time between the two starts, and between the readings.
        assert!(low <= now && now - low <= (high - low) + Duration::from_secs(1), "{low:?} {now:?} {high:?}");
    }

    #[test]
    fn no_thread_reads_less_than_another_has_read_before() {
        let (clock, seen) = (Clock::system(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100_000 {
                        let before = seen.load(Ordering::SeqCst);
                        let now = clock.now();
                        assert!(now >= before, "{now} after {before}");
                        seen.fetch_max(now, Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
