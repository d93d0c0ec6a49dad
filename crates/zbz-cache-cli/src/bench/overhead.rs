//! What a key costs beyond its own bytes: by the cache's own account, and by the process's resident memory.

use std::fs;

use serde::Serialize;
use zbz_cache::MemoryCache;

use super::plan::Plan;
use super::work;
use crate::failure::Failure;
use crate::progress::Progress;

/// Bytes of a value, besides a key of 16.
const VALUE_BYTES: usize = 32;

/// How often what the cache holds is stored before it is measured, so that it has evicted for long.
const TIMES: u64 = 4;

/// What a full cache was measured to cost.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Overhead {
    pub(super) max_size: u64,
    /// Keys in the full cache.
    pub(super) keys: u64,
    pub(super) payload_bytes_per_key: u64,
    /// `max_size` for each key, without its payload.
    pub(super) accounted_per_key: f64,
    /// Growth of the process's anonymous resident memory for each key, without its payload; where the system tells it.
    pub(super) resident_per_key: Option<f64>,
}

/// Fills a cache, again and again.
///
/// # Errors
///
/// The cache did something wrong.
pub(super) fn measure(plan: &Plan, progress: &Progress) -> Result<Overhead, Failure> {
    progress.doing("overhead");
    let before = resident_bytes();
    let cache = MemoryCache::builder().max_size(plan.overhead_max_size).build()?;
    let payload = (work::KEY_BYTES + VALUE_BYTES) as u64;
    let (mut stored, mut full_at) = (0, None);
    // Without any overhead it would be full at this many.
    let most = plan.overhead_max_size / payload;
    while stored < TIMES * full_at.unwrap_or(most) {
        cache.set(&work::key(stored), &work::value::<VALUE_BYTES>(stored), None)?;
        stored += 1;
        if full_at.is_none() && stored.is_multiple_of(work::CHUNK) && cache.stats().evictions > 0 {
            full_at = Some(stored);
        }
    }
    let grown = before.zip(resident_bytes()).map(|(before, after)| after.saturating_sub(before));
    let stats = cache.stats();
    let per_key = |bytes: u64| bytes as f64 / stats.keys as f64 - payload as f64;
    progress.step();
    Ok(Overhead {
        max_size: stats.max_bytes,
        keys: stats.keys,
        payload_bytes_per_key: payload,
        accounted_per_key: per_key(stats.max_bytes),
        resident_per_key: grown.map(per_key),
    })
}

/// Anonymous resident memory of this process, where the system tells it.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
