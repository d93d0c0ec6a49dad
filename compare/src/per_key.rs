//! What a contestant's keys take in memory, measured in a child process each.

use crate::child::{Answer, Job, ask};
use crate::contestant::{Card, Limit};
use crate::data::KEY_BYTES;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::resident::resident_bytes;
use crate::results::PerKey;

/// Bytes of a value when memory per key is measured.
pub const VALUE_BYTES: usize = 32;

const ENTRY_BYTES: u64 = (KEY_BYTES + VALUE_BYTES) as u64;
const SEARCH_STEPS: u32 = 3;
const CLOSE_ENOUGH: f64 = 0.05;

/// Measures every card with about `keys` keys present.
///
/// # Errors
///
/// When a child fails.
pub fn weigh(cards: &[&'static Card], keys: u32, bar: &Progress) -> Result<Vec<PerKey>, Failure> {
    let mut weighed = Vec::new();
    for card in cards {
        bar.set_message(card.name.to_string());
        weighed.push(weigh_one(card, keys)?);
        bar.inc(1);
    }
    Ok(weighed)
}

/// A contestant limited in bytes is asked again, with another limit, until it holds about as many keys as wanted.
fn weigh_one(card: &'static Card, keys: u32) -> Result<PerKey, Failure> {
    let mut limit = card.capacity_for(u64::from(keys), ENTRY_BYTES).limit;
    let mut step = 1;
    loop {
        let job = Job::PerKey { contestant: card.name.to_string(), keys, limit };
        let answer = ask(&job, &[]).map_err(|reason| Failure::Race(format!("{}: {reason}", card.name)))?;
        if answer.wrong > 0 {
            return Err(Failure::wrong_answers(card.name, "the count of its keys", answer.wrong));
        }
        let ratio = answer.live as f64 / f64::from(keys);
        if card.limit != Limit::Bytes || (ratio - 1.0).abs() <= CLOSE_ENOUGH || step == SEARCH_STEPS {
            return Ok(PerKey {
                contestant: card.name,
                live: answer.live,
                resident_bytes: answer.resident_bytes,
                over_payload: answer.resident_bytes as f64 / answer.live as f64 - ENTRY_BYTES as f64,
                limit,
            });
        }
        limit = (limit as f64 / ratio.clamp(0.25, 4.0)) as u64;
        step += 1;
    }
}

/// Fills a contestant in this process; the child's side.
///
/// A cache gets four times as many keys as it has room for, so that it is full and has evicted; a map gets `keys`.
pub fn fill(card: &Card, keys: u32, limit: u64) -> Result<Answer, String> {
    let written = if card.evicts() { u64::from(keys) * 4 } else { u64::from(keys) };
    let mut numbers = [0u32; 1024];
    // The first reading allocates what reading needs: it must not count.
    resident_bytes()?;
    let before = resident_bytes()?;
    let mut capacity = card.capacity_for(1, ENTRY_BYTES);
    capacity.limit = limit;
    let racer = (card.build)(capacity)?;
    for first in (0..written).step_by(numbers.len()) {
        let count = (written - first).min(numbers.len() as u64) as usize;
        for (number, key) in numbers.iter_mut().zip(first..) {
            *number = key as u32;
        }
        racer.store(&numbers[..count], VALUE_BYTES);
    }
    let after = resident_bytes()?;
    let found = racer.count(0..written, VALUE_BYTES);
    if found.hits == 0 {
        return Err(format!("no key is present after {written} were written"));
    }
    Ok(Answer {
        resident_bytes: after.saturating_sub(before),
        live: found.hits,
        wrong: found.wrong,
        ..Answer::default()
    })
}
