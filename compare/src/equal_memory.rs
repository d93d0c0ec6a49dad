//! Hit ratios at equal resident memory.
//!
//! The budget is to be about a tenth of a trace's payload. Entries are small, so each trace is laid side by side with
//! itself in copies of disjoint keys; where that would make the replay too long, values grow instead. Of a trace with
//! more than a hundred requests an object only the front is replayed: all of it would move tens of gigabytes. A
//! contestant's own limit is scaled until the child process grows by the budget: a short search on each trace, which
//! starts where the search on the last trace ended.

use crate::child::{Answer, Job, Replay, ask};
use crate::contestant::{Card, Limit};
use crate::data::KEY_BYTES;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::results::{Hits, TraceRow};
use crate::trace::Trace;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is compared.
pub struct Table<'cards> {
    /// The contestants.
    pub cards: &'cards [&'static Card],
    /// Bytes of resident memory.
    pub budget_bytes: u64,
    /// Bytes of the smallest value.
    pub value_bytes: usize,
    /// The longest replay to which copies are added.
    pub max_requests: u64,
}

/// A limit that brought a contestant near the budget, and the entries it was found with.
#[derive(Clone, Copy)]
struct Found {
    limit: u64,
    entry_bytes: u64,
}

const PAYLOAD_OVER_BUDGET: u64 = 10;
const GUESSED_OVERHEAD_BYTES: u64 = 100;
const MAX_REQUESTS_PER_OBJECT: usize = 100;
const MAX_VALUE_BYTES: u64 = 32 << 10;
const SEARCH_STEPS: u32 = 3;
const CLOSE_ENOUGH: f64 = 0.03;

impl Table<'_> {
    /// How many contestants replay each trace.
    pub fn replays(&self) -> u64 {
        self.caches().count() as u64
    }

    /// Replays every trace through every cache.
    ///
    /// # Errors
    ///
    /// When a child fails or a contestant answers wrongly.
    pub fn run(&self, traces: &[Trace], bar: &Progress) -> Result<Vec<TraceRow>, Failure> {
        let mut found: HashMap<&str, Found> = HashMap::new();
        let mut rows = Vec::new();
        for trace in traces {
            let laid = Laid::out(trace, self);
            let hits = self.race(&laid, &found, bar)?;
            for one in &hits {
                found.insert(one.contestant, Found { limit: one.limit, entry_bytes: laid.entry_bytes() });
            }
            rows.push(TraceRow {
                trace: trace.name.clone(),
                requests: laid.requests(),
                distinct: u64::from(laid.distinct) * u64::from(laid.copies),
                copies: laid.copies,
                value_bytes: laid.value_bytes,
                size: self.budget_bytes,
                hits,
            });
        }
        Ok(rows)
    }

    /// Every cache on one trace, as many at once as there are cores: nothing here is timed.
    fn race(
        &self,
        laid: &Laid<'_>,
        found: &HashMap<&str, Found>,
        bar: &Progress,
    ) -> Result<Vec<Hits>, Failure> {
        let cards: Vec<&'static Card> = self.caches().collect();
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..cores.min(cards.len()) {
                scope.spawn(|| {
                    while let Some(card) = cards.get(next.fetch_add(1, Ordering::Relaxed)) {
                        bar.set_message(format!(
                            "{} at {} MiB: {}",
                            laid.name,
                            self.budget_bytes >> 20,
                            card.name
                        ));
                        let hits = self.search(card, laid, self.guess(card, laid, found.get(card.name)));
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((card.name, hits));
                        bar.inc(1);
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        // In the order of the cards again, so that the same failure is reported every time.
        done.sort_by_key(|(name, _)| cards.iter().position(|card| card.name == *name));
        done.into_iter().map(|(_, hits)| hits).collect()
    }

    fn caches(&self) -> impl Iterator<Item = &'static Card> {
        self.cards.iter().copied().filter(|card| card.evicts())
    }

    /// The limit to start from.
    fn guess(&self, card: &Card, laid: &Laid<'_>, last: Option<&Found>) -> u64 {
        let real_bytes = |entry_bytes| entry_bytes + GUESSED_OVERHEAD_BYTES;
        let entry_bytes = laid.entry_bytes();
        match (last, card.limit) {
            (None, _) => {
                let entries = self.budget_bytes / real_bytes(entry_bytes);
                card.capacity_for(entries.max(1), entry_bytes).limit
            }
            (Some(last), Limit::Entries) => {
                last.limit * real_bytes(last.entry_bytes) / real_bytes(entry_bytes)
            }
            (Some(last), _) => last.limit,
        }
    }

    /// What the child answered that came closest to the budget.
    fn search(&self, card: &'static Card, laid: &Laid<'_>, guess: u64) -> Result<Hits, Failure> {
        let mut limit = guess.max(1);
        let mut best: Option<(f64, u64, Answer)> = None;
        for _ in 0..SEARCH_STEPS {
            let answer = self.replay(card, laid, limit)?;
            let ratio = answer.resident_bytes.max(1) as f64 / self.budget_bytes as f64;
            let distance = (ratio - 1.0).abs();
            if best.is_none_or(|(closest, _, _)| distance < closest) {
                best = Some((distance, limit, answer));
            }
            if distance <= CLOSE_ENOUGH {
                break;
            }
            limit = ((limit as f64 / ratio.clamp(0.25, 4.0)) as u64).max(1);
        }
        let (_, limit, answer) =
            best.ok_or_else(|| Failure::Race(format!("{}: no step of the search was made", card.name)))?;
        Ok(Hits {
            contestant: card.name,
            percent: answer.hit_percent,
            live: None,
            refused: answer.refused,
            resident_bytes: Some(answer.resident_bytes),
            limit,
        })
    }

    fn replay(&self, card: &Card, laid: &Laid<'_>, limit: u64) -> Result<Answer, Failure> {
        let job = Job::Replay(Replay {
            contestant: card.name.to_string(),
            limit,
            value_bytes: laid.value_bytes,
            requests: laid.ids.len(),
            copies: laid.copies,
            distinct: laid.distinct,
        });
        let answer =
            ask(&job, laid.ids).map_err(|reason| Failure::Race(format!("{}: {reason}", card.name)))?;
        if answer.wrong > 0 {
            return Err(Failure::wrong_answers(card.name, laid.name, answer.wrong));
        }
        Ok(answer)
    }
}

/// A trace laid out for a budget.
struct Laid<'trace> {
    name: &'trace str,
    ids: &'trace [u32],
    distinct: u32,
    copies: u32,
    value_bytes: usize,
}

impl<'trace> Laid<'trace> {
    fn out(trace: &'trace Trace, table: &Table<'_>) -> Self {
        let payload_bytes = table.budget_bytes * PAYLOAD_OVER_BUDGET;
        let ids = &trace.ids[..trace.ids.len().min(MAX_REQUESTS_PER_OBJECT * trace.distinct as usize)];
        // Numbers go by first appearance, so those of a front are the lowest ones.
        let distinct = ids.iter().max().map_or(1, |last| u64::from(*last) + 1);
        let small_entry_bytes = (KEY_BYTES + table.value_bytes) as u64;
        let wanted = payload_bytes.div_ceil(small_entry_bytes * distinct);
        let affordable = (table.max_requests / (ids.len() as u64).max(1)).max(1);
        // Numbers of keys must stay within 32 bits.
        let copies = wanted.min(affordable).clamp(1, u64::from(u32::MAX) / distinct);
        let entry_bytes = (payload_bytes / (distinct * copies)).max(small_entry_bytes);
        let value_bytes = (entry_bytes - KEY_BYTES as u64).min(MAX_VALUE_BYTES.max(table.value_bytes as u64));
        Self {
            name: &trace.name,
            ids,
            distinct: distinct as u32,
            copies: copies as u32,
            value_bytes: value_bytes as usize,
        }
    }

    fn requests(&self) -> u64 {
        self.ids.len() as u64 * u64::from(self.copies)
    }

    fn entry_bytes(&self) -> u64 {
        (KEY_BYTES + self.value_bytes) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(max_requests: u64) -> Table<'static> {
        Table { cards: &[], budget_bytes: 8000, value_bytes: 64, max_requests }
    }

    fn cycle(distinct: u32, requests: u32) -> Trace {
        Trace { name: "t".into(), ids: (0..requests).map(|place| place % distinct).collect(), distinct }
    }

    #[test]
    fn copies_make_the_budget_a_tenth_of_the_payload() {
        let trace = cycle(100, 1000);
        let laid = Laid::out(&trace, &table(1_000_000));
        // 8000 bytes times ten over 80 bytes an entry is 1000 keys.
        assert_eq!((laid.copies, laid.value_bytes, laid.requests()), (10, 64, 10_000));
    }

    #[test]
    fn values_grow_where_copies_would_make_the_replay_too_long() {
        let trace = cycle(100, 1000);
        let laid = Laid::out(&trace, &table(5_000));
        assert_eq!((laid.copies, laid.value_bytes, laid.requests()), (5, 144, 5_000));
    }

    #[test]
    fn a_long_trace_is_replayed_once_and_whole() {
        let trace = cycle(100, 1000);
        let laid = Laid::out(&trace, &table(10));
        assert_eq!((laid.copies, laid.requests()), (1, 1000));
    }

    #[test]
    fn of_a_trace_with_many_requests_an_object_the_front_is_replayed() {
        let trace = cycle(5, 10_000);
        let laid = Laid::out(&trace, &table(10));
        assert_eq!((laid.ids.len(), laid.distinct), (500, 5));
    }

    #[test]
    fn the_next_guess_starts_where_the_last_search_ended() {
        let trace = cycle(100, 1000);
        let table = table(1_000_000);
        let laid = Laid::out(&trace, &table);
        let moka = crate::contestants::find("moka").expect("moka");
        let last = Found { limit: 50, entry_bytes: 260 };
        // Entries of 260 + 100 bytes have become entries of 80 + 100.
        assert_eq!(table.guess(moka, &laid, Some(&last)), 100);
    }
}
