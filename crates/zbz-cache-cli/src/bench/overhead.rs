//! The cost of a key beyond its own bytes: by the cache's own account, and by the process's resident memory.

use std::fs;
use std::time::Duration;

use serde::Serialize;
use zbz_cache::MemoryCache;

use super::plan::Plan;
use super::work;
use crate::dice::Dice;
use crate::failure::Failure;
use crate::progress::Progress;

/// Bytes of a value, besides a key of 16.
const VALUE_BYTES: usize = 32;

/// Payload of an entry.
const PAYLOAD: u64 = (work::KEY_BYTES + VALUE_BYTES) as u64;

/// How often what the cache holds is stored before it is measured, so that it has evicted for long.
const TIMES: u64 = 4;

/// Longer than any measurement.
const TTL: Duration = Duration::from_secs(3600);

/// The treatment of a cache before it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Load {
    /// New keys that live for ever.
    Forever,
    /// New keys that have a time to live.
    WithTtl,
    /// New keys, then overwrites, most of them of few keys, which leave holes.
    Overwrites,
}

pub(super) const LOADS: [Load; 3] = [Load::Forever, Load::WithTtl, Load::Overwrites];

impl Load {
    pub(super) fn words(self) -> &'static str {
        match self {
            Load::Forever => "no TTL",
            Load::WithTtl => "with a TTL",
            Load::Overwrites => "no TTL, after overwrites by a power law",
        }
    }
}

/// The measured cost of a full cache.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Overhead {
    pub(super) load: Load,
    pub(super) max_size: u64,
    /// Keys in the full cache.
    pub(super) keys: u64,
    pub(super) payload_bytes_per_key: u64,
    /// `max_size` for each key, without its payload.
    pub(super) accounted_per_key: f64,
    /// Growth of the process's anonymous resident memory for each key, without its payload; where the system tells it.
    pub(super) resident_per_key: Option<f64>,
    /// Percent of the keys of which a get looks into a second line of the index: a third miss in a cold cache.
    pub(super) third_miss_percent: f64,
}

/// Fills a cache for each load, again and again.
///
/// # Errors
///
/// The cache did something wrong.
pub(super) fn measure(plan: &Plan, progress: &Progress) -> Result<Vec<Overhead>, Failure> {
    progress.doing("overhead");
    LOADS
        .into_iter()
        .map(|load| {
            let measured = measure_one(plan.overhead_max_size, load);
            progress.step();
            measured
        })
        .collect()
}

fn measure_one(max_size: u64, load: Load) -> Result<Overhead, Failure> {
    let before = resident_bytes();
    let cache = MemoryCache::builder().max_size(max_size).build()?;
    let ttl = (load == Load::WithTtl).then_some(TTL);
    let set = |number| cache.set(&work::key(number), &work::value::<VALUE_BYTES>(number), ttl);
    let (mut stored, mut full_at) = (0, None);
    // Without any overhead it would be full at this many.
    let most = max_size / PAYLOAD;
    while stored < TIMES * full_at.unwrap_or(most) {
        set(stored)?;
        stored += 1;
        if full_at.is_none() && stored.is_multiple_of(work::CHUNK) && cache.stats().evictions > 0 {
            full_at = Some(stored);
        }
    }
    if load == Load::Overwrites {
        let held = cache.stats().keys as f64;
        let mut dice = Dice::of(stored);
        for _ in 0..stored {
            // The n-th key before the last one is drawn about as often as 1 / n.
            let share = dice.roll() as f64 / u64::MAX as f64;
            set(stored - (held.powf(share) as u64).clamp(1, stored))?;
        }
    }
    let grown = before.zip(resident_bytes()).map(|(before, after)| after.saturating_sub(before));
    let stats = cache.stats();
    let per_key = |bytes: u64| bytes as f64 / stats.keys as f64 - PAYLOAD as f64;
    Ok(Overhead {
        load,
        max_size: stats.max_bytes,
        keys: stats.keys,
        payload_bytes_per_key: PAYLOAD,
        accounted_per_key: per_key(stats.max_bytes),
        resident_per_key: grown.map(per_key),
        third_miss_percent: third_miss_percent(&cache),
    })
}

fn third_miss_percent(cache: &MemoryCache) -> f64 {
    let [first, others @ ..] = cache.keys_by_line();
    let others: u64 = others.iter().sum();
    others as f64 * 100.0 / (first + others).max(1) as f64
}

/// Anonymous resident memory of this process, where the system tells it.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
