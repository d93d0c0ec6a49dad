//! A bound on the time that costs less than the time: from the processor's counter, where the system
//! itself keeps time by it.
//!
//! What the system's clock said at some moment, and how far the counter went since, at a rate a
//! little above the measured one, is never less than what the clock says: [`Bound::latest`]. So
//! whatever has a deadline after it is live. Whatever has not must ask the clock.
//!
//! - *Never less*: the counter is read before the clock when the two are set against each other, and
//!   after what they came to when the time is asked for; [`SLACK_NANOS`] covers that a processor may
//!   read it before what stands in front of it: while it waits for memory, some microseconds. The
//!   rate is measured once, over [`RATED_OVER`], and raised by [`RAISED`]: more than what a system
//!   slews its clock by (500 in a million, either way) and what the measuring can be wrong by (400).
//! - *Not for long*: beyond [`TRUSTED_FOR`] of counting nothing is said, until the two are set
//!   against each other again, by the next thread that asks the clock. Nor is it if the counter went
//!   back, as it may when a machine has slept.
//! - *Words alone*: the rate never changes once it is there, and each bound is one word beside it, so
//!   readers need no lock, and any bound they meet is one.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::base::system;

/// The last moment a clock can show, about 584 years after its start.
pub(super) const LAST: u64 = u64::MAX - 1;

const SLACK_NANOS: u64 = 20_000;

/// How long the counter is watched before its rate is believed.
const RATED_OVER: Duration = Duration::from_millis(100);

/// The two readings of a setting may be so far apart, else another is taken.
const MOST_APART: Duration = Duration::from_micros(20);

/// The rate is raised by one over this.
const RAISED: u64 = 500;

const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Bits of a rate below one nanosecond a tick.
const RATE_BITS: u32 = 32;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Bound {
    /// The moment that all times here are counted from.
    origin: Instant,
    /// The first setting: what the counter said, and the clock after it.
    first: OnceLock<(u64, Instant)>,
    /// Nanoseconds a tick, raised; zero until it is known.
    rate: AtomicU64,
    /// Added to the counter's time; wraps.
    offset: AtomicU64,
    /// The counter at the last setting, and how many ticks it is good for.
    set_at: AtomicU64,
    ticks: AtomicU64,
}

/// There is one for the process.
pub(super) fn bound() -> &'static Bound {
    static BOUND: OnceLock<Bound> = OnceLock::new();
    BOUND.get_or_init(|| Bound {
        origin: {
            // Asks the system whether it keeps the time by the counter, here and not in a read.
            let _ = system::time_counter();
            Instant::now()
        },
        first: OnceLock::new(),
        rate: AtomicU64::new(0),
        offset: AtomicU64::new(0),
        set_at: AtomicU64::new(0),
        ticks: AtomicU64::new(0),
    })
}

impl Bound {
    /// A moment on the scale of [`latest`](Bound::latest).
    pub(super) fn moment(&self, moment: Instant) -> u64 {
        saturating_nanos(moment.saturating_duration_since(self.origin))
    }

    /// A moment that is not before this one, in nanoseconds from the origin. `None` if none is known
    /// without asking the clock.
    #[inline(always)]
    pub(super) fn latest(&self) -> Option<u64> {
        // Acquire: pairs with the stores in `refresh`, in the reverse order. So the offset is of the
        // setting that `since` is counted from, or of another one that is over.
        let ticks = self.ticks.load(Ordering::Acquire);
        let set_at = self.set_at.load(Ordering::Acquire);
        let (rate, offset) = (self.rate.load(Ordering::Relaxed), self.offset.load(Ordering::Acquire));
        // Last: counting back from a setting, at a raised rate, would come out before the clock.
        let counter = system::time_counter()?;
        (counter.wrapping_sub(set_at) < ticks).then(|| nanos(counter, rate).wrapping_add(offset))
    }

    /// Sets the counter against the clock, if that was long ago.
    #[cold]
    #[inline(never)]
    pub(super) fn refresh(&self) {
        let Some((counter, now)) = setting() else { return };
        let &(first_counter, first_now) = self.first.get_or_init(|| (counter, now));
        let rate = match self.rate.load(Ordering::Acquire) {
            0 => {
                let watched = now.saturating_duration_since(first_now);
                let ticks = counter.saturating_sub(first_counter);
                if watched < RATED_OVER || ticks == 0 {
                    return;
                }
                // Of two threads that are here one is the first, and both take its rate.
                let rate = raised(watched, ticks);
                match self.rate.compare_exchange(0, rate, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => rate,
                    Err(other) => other,
                }
            }
            rate => rate,
        };
        let offset = self.moment(now).wrapping_add(SLACK_NANOS).wrapping_sub(nanos(counter, rate));
        let trusted = (TRUSTED_FOR.as_nanos() << RATE_BITS) / u128::from(rate.max(1));
        // Release: a thread that sees one of these sees what was stored before it, the rate too, and reads
        // a counter that has gone on since.
        self.offset.store(offset, Ordering::Release);
        self.set_at.store(counter, Ordering::Release);
        self.ticks.store(u64::try_from(trusted).unwrap_or(u64::MAX), Ordering::Release);
    }
}

/// The counter, and the clock shortly after it.
fn setting() -> Option<(u64, Instant)> {
    for _ in 0..3 {
        let before = Instant::now();
        let counter = system::time_counter()?;
        let now = Instant::now();
        if now.saturating_duration_since(before) < MOST_APART {
            return Some((counter, now));
        }
    }
    None
}

/// The rate of a counter that went so far in that time, raised.
fn raised(watched: Duration, ticks: u64) -> u64 {
    let rate = (watched.as_nanos() << RATE_BITS) / u128::from(ticks.max(1));
    let rate = u64::try_from(rate).unwrap_or(u64::MAX / 2);
    rate.saturating_add(rate / RAISED + 1)
}

#[inline(always)]
fn nanos(counter: u64, rate: u64) -> u64 {
    ((u128::from(counter) * u128::from(rate)) >> RATE_BITS) as u64
}

/// As far as a clock goes.
pub(super) fn saturating_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(LAST).min(LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_never_before_the_clock_and_seldom_far_behind_it() {
        let bound = bound();
        let (start, mut told, mut widest) = (Instant::now(), 0_u32, 0);
        while start.elapsed() < Duration::from_millis(300) {
            let before = bound.moment(Instant::now());
            match bound.latest() {
                None => bound.refresh(),
                Some(latest) => {
                    assert!(latest >= before, "{latest} is before {before}");
                    widest = widest.max(latest.saturating_sub(bound.moment(Instant::now())));
                    told += 1;
                }
            }
        }
        assert!(widest < 10_000_000, "{widest} ns beyond the clock");
        if system::time_counter().is_some() {
            assert!(told > 0, "the counter counts time, and nothing was told");
        }
    }

    #[test]
    fn threads_that_set_it_at_once_leave_a_bound() {
        let bound = bound();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let start = Instant::now();
                    while start.elapsed() < Duration::from_millis(200) {
                        bound.refresh();
                        let before = bound.moment(Instant::now());
                        assert!(bound.latest().is_none_or(|latest| latest >= before));
                    }
                });
            }
        });
    }

    #[test]
    fn a_rate_is_raised_and_never_overflows() {
        let tick = 1 << RATE_BITS;
        assert_eq!(raised(Duration::from_nanos(1_000_000), 1_000_000), tick + tick / RAISED + 1);
        assert!(raised(Duration::MAX, 0) > u64::MAX / 2);
        assert_eq!(nanos(3_000_000_000, tick / 3), 999_999_999);
    }
}
