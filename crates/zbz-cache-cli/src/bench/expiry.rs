//! How long it takes to sweep keys whose time has passed, among keys that live on.

use std::time::{Duration, Instant};

use serde::Serialize;
use zbz_cache::{Clock, MemoryCache};

use super::plan::Plan;
use super::work::{self, VALUE_BYTES};
use crate::failure::Failure;
use crate::progress::Progress;

/// Keys that expire together.
const EXPIRED: u64 = 10_000;

const TTL: Duration = Duration::from_secs(1);

/// The price of expiry.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Expiry {
    pub(super) live_keys: u64,
    pub(super) expired_keys: u64,
    /// Of one sweep of all the expired keys, the median of the rounds.
    pub(super) milliseconds: f64,
}

/// Lets keys expire by a clock moved by hand, and times the sweep.
///
/// # Errors
///
/// The cache did something wrong.
pub(super) fn measure(plan: &Plan, progress: &Progress) -> Result<Expiry, Failure> {
    progress.doing("expiry");
    let (clock, hand) = Clock::manual();
    let cache = work::filled(MemoryCache::builder().clock(clock), plan.live_keys + EXPIRED)?;
    for number in plan.live_keys..plan.live_keys + EXPIRED {
        cache.delete(&work::key(number))?;
    }
    progress.step();
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        for number in plan.live_keys..plan.live_keys + EXPIRED {
            cache.set(&work::key(number), &work::value::<VALUE_BYTES>(number), Some(TTL))?;
        }
        hand.advance(TTL);
        let begun = Instant::now();
        let swept = cache.run_maintenance()?;
        rounds.push(begun.elapsed().as_secs_f64() * 1000.0);
        if swept.expired != EXPIRED || cache.len() as u64 != plan.live_keys {
            let expired = swept.expired;
            return Err(Failure::Work(format!("{EXPIRED} keys expired and the cache swept {expired}")));
        }
        progress.step();
    }
    Ok(Expiry { live_keys: plan.live_keys, expired_keys: EXPIRED, milliseconds: work::median(&mut rounds) })
}
