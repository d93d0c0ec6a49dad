//! Hit ratios at equal numbers of entries, all of one size: 1 % and 10 % of a trace's distinct objects.
//!
//! A contestant limited in entries is given that number. One limited in bytes is given the bytes at which it holds
//! that number after four times as many fresh keys, found by a short search; its smallest size must not stand in the
//! way, so values are larger where there are few entries.

use crate::contestant::Limit;
use crate::contestant::{Capacity, Card};
use crate::data::KEY_BYTES;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::racer::{Racer, Requests};
use crate::results::{Hits, TraceRow};
use crate::trace::Trace;

/// Sizes smaller than this say more about shards than about policies.
pub const MIN_ENTRIES: u64 = 200;

const PARTS_OF_DISTINCT: [u64; 2] = [100, 10];
const MIN_PAYLOAD_BYTES: u64 = 256 << 10;
const SEARCH_STEPS: u32 = 8;
const CLOSE_ENOUGH: f64 = 0.01;

/// Replays `trace` through every card at every size that is large enough.
///
/// # Errors
///
/// When a contestant cannot be built or answers wrongly.
pub fn replay(
    cards: &[&'static Card],
    trace: &Trace,
    value_bytes: usize,
    bar: &Progress,
) -> Result<Vec<TraceRow>, Failure> {
    let mut rows = Vec::new();
    for part in PARTS_OF_DISTINCT {
        let entries = u64::from(trace.distinct) / part;
        if entries < MIN_ENTRIES {
            continue;
        }
        let value_bytes = value_bytes.max((MIN_PAYLOAD_BYTES / entries) as usize);
        let mut row = TraceRow {
            trace: trace.name.clone(),
            requests: trace.ids.len() as u64,
            distinct: u64::from(trace.distinct),
            copies: 1,
            value_bytes,
            size: entries,
            hits: Vec::new(),
        };
        for card in cards.iter().filter(|card| card.evicts()) {
            bar.set_message(format!("{} at {entries} entries: {}", trace.name, card.name));
            row.hits.push(replay_one(card, trace, entries, value_bytes)?);
            bar.inc(1);
        }
        rows.push(row);
    }
    Ok(rows)
}

/// How many replays [`replay`] makes.
pub fn replays(cards: &[&'static Card]) -> u64 {
    let caches = cards.iter().filter(|card| card.evicts()).count();
    (caches * PARTS_OF_DISTINCT.len()) as u64
}

fn replay_one(card: &'static Card, trace: &Trace, entries: u64, value_bytes: usize) -> Result<Hits, Failure> {
    let entry_bytes = (KEY_BYTES + value_bytes) as u64;
    let mut capacity = card.capacity_for(entries, entry_bytes);
    if card.limit == Limit::Bytes {
        capacity = bytes_for(card, capacity, entries, value_bytes)?;
    }
    let racer = build(card, capacity)?;
    let requests = Requests { ids: &trace.ids, copies: 1, distinct: trace.distinct, value_bytes };
    let tally = racer.replay(requests);
    let left = racer.count(0..u64::from(trace.distinct), value_bytes);
    let wrong = tally.wrong + left.wrong;
    if wrong > 0 {
        return Err(Failure::wrong_answers(card.name, &trace.name, wrong));
    }
    Ok(Hits {
        contestant: card.name,
        percent: 100.0 * tally.hit_share(),
        live: Some(left.hits),
        refused: tally.refused,
        resident_bytes: None,
        limit: capacity.limit,
    })
}

/// The capacity in bytes at which `card` holds `entries` entries.
fn bytes_for(card: &Card, guess: Capacity, entries: u64, value_bytes: usize) -> Result<Capacity, Failure> {
    let fresh: Vec<u32> = (0..u32::try_from(entries * 4).unwrap_or(u32::MAX)).collect();
    let mut capacity = guess;
    let mut best = (f64::INFINITY, guess);
    for _ in 0..SEARCH_STEPS {
        let racer = build(card, capacity)?;
        racer.store(&fresh, value_bytes);
        let held = racer.count(0..fresh.len() as u64, value_bytes).hits;
        let ratio = held.max(1) as f64 / entries as f64;
        let distance = (ratio - 1.0).abs();
        if distance < best.0 {
            best = (distance, capacity);
        }
        if distance <= CLOSE_ENOUGH {
            break;
        }
        capacity.limit = ((capacity.limit as f64 / ratio.clamp(0.25, 4.0)) as u64).max(1);
    }
    Ok(best.1)
}

fn build(card: &Card, capacity: Capacity) -> Result<Box<dyn Racer>, Failure> {
    (card.build)(capacity)
        .map_err(|reason| Failure::Race(format!("{} could not be built: {reason}", card.name)))
}
