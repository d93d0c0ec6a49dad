//! The engine by number of keys and of threads: gets, batch gets, sets with room, sets into a full cache.

use serde::Serialize;
use zbz_cache::MemoryCache;
use zbz_cache_memory::MIN_MAX_SIZE;

use super::plan::Plan;
use super::work::{self, BATCH, CHUNK, VALUE_BYTES};
use crate::dice::Dice;
use crate::failure::Failure;
use crate::progress::Progress;

/// The measured quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verb {
    /// `get_into`, one key a call.
    Get,
    /// `get_multi`, a batch a call; counted by keys.
    GetBatch,
    /// `set` of keys that are there, one a call, with room to spare.
    Set,
    /// `set` of keys of which half have room, so that it evicts.
    SetFull,
}

pub(super) const VERBS: [Verb; 4] = [Verb::Get, Verb::GetBatch, Verb::Set, Verb::SetFull];

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cell {
    pub(super) keys: u64,
    pub(super) threads: u16,
    pub(super) verb: Verb,
    /// The median of the rounds.
    pub(super) per_second: f64,
}

/// The caches of one number of keys.
struct Caches {
    keys: u64,
    roomy: MemoryCache,
    full: MemoryCache,
}

/// Measures every verb with every number of keys and of threads.
///
/// # Errors
///
/// The cache did something wrong.
pub(super) fn measure(plan: &Plan, progress: &Progress) -> Result<Vec<Cell>, Failure> {
    let mut cells = Vec::new();
    for &keys in &plan.keys {
        progress.doing(&format!("filling {keys} keys"));
        let caches = Caches::filled(keys)?;
        progress.step();
        progress.doing(&format!("{keys} keys"));
        cells.extend(measure_keys(plan, progress, &caches)?);
    }
    Ok(cells)
}

fn measure_keys(plan: &Plan, progress: &Progress, caches: &Caches) -> Result<Vec<Cell>, Failure> {
    let kinds: Vec<(u16, Verb)> =
        plan.threads.iter().flat_map(|&threads| VERBS.map(|verb| (threads, verb))).collect();
    let mut rounds = vec![Vec::new(); kinds.len()];
    for round in 0..plan.rounds {
        for (&(threads, verb), figures) in kinds.iter().zip(&mut rounds) {
            let seed = round as u64 * 1000;
            figures.push(caches.rate(verb, threads, plan, seed)?);
            progress.step();
        }
    }
    let cell = |(&(threads, verb), figures): (&(u16, Verb), &mut Vec<f64>)| Cell {
        keys: caches.keys,
        threads,
        verb,
        per_second: work::median(figures),
    };
    Ok(kinds.iter().zip(&mut rounds).map(cell).collect())
}

impl Caches {
    fn filled(keys: u64) -> Result<Caches, Failure> {
        let roomy = work::filled(MemoryCache::builder(), keys)?;
        let half = (roomy.stats().memory_bytes / 2).max(MIN_MAX_SIZE);
        let full = MemoryCache::builder().max_size(half).build()?;
        for number in 0..keys {
            full.set(&work::key(number), &work::value::<VALUE_BYTES>(number), None)?;
        }
        Ok(Caches { keys, roomy, full })
    }

    fn rate(&self, verb: Verb, threads: u16, plan: &Plan, seed: u64) -> Result<f64, Failure> {
        let (keys, time) = (self.keys, plan.round());
        let dice = |thread| Dice::of((seed + thread) << 32);
        match verb {
            Verb::Get => work::rate(threads, time, |thread| get(&self.roomy, keys, dice(thread))),
            Verb::GetBatch => work::rate(threads, time, |thread| get_batch(&self.roomy, keys, dice(thread))),
            Verb::Set => work::rate(threads, time, |thread| set(&self.roomy, keys, dice(thread))),
            Verb::SetFull => work::rate(threads, time, |thread| set(&self.full, keys, dice(thread))),
        }
    }
}

fn get(cache: &MemoryCache, keys: u64, mut dice: Dice) -> impl FnMut() -> Result<u64, Failure> {
    let mut value = Vec::new();
    move || {
        for _ in 0..CHUNK {
            let number = dice.below(keys);
            if cache.get_into(&work::key(number), &mut value)?.is_none() {
                return Err(work::lost(number));
            }
            work::check(number, &value)?;
        }
        Ok(CHUNK)
    }
}

fn get_batch(cache: &MemoryCache, keys: u64, mut dice: Dice) -> impl FnMut() -> Result<u64, Failure> {
    move || {
        for _ in 0..CHUNK / BATCH as u64 {
            let numbers: [u64; BATCH] = std::array::from_fn(|_| dice.below(keys));
            let mut found = 0;
            let mut answer = Ok(());
            cache.get_multi(&numbers.map(work::key), |index, value, _| {
                found += 1;
                if let Err(wrong) = work::check(numbers[index], value) {
                    answer = Err(wrong);
                }
            })?;
            answer?;
            if found < BATCH {
                return Err(work::lost(numbers[0]));
            }
        }
        Ok(CHUNK)
    }
}

fn set(cache: &MemoryCache, keys: u64, mut dice: Dice) -> impl FnMut() -> Result<u64, Failure> {
    move || {
        for _ in 0..CHUNK {
            let number = dice.below(keys);
            cache.set(&work::key(number), &work::value::<VALUE_BYTES>(number), None)?;
        }
        Ok(CHUNK)
    }
}
