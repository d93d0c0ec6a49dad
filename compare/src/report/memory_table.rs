//! The table of memory per key.

use crate::contestant::{Card, Kind, Limit};
use crate::data::KEY_BYTES;
use crate::per_key::VALUE_BYTES;
use crate::report::format::{count, table};
use crate::results::{PerKey, Results};

/// The table; none when it was not measured.
pub fn section(results: &Results, cards: &[&'static Card]) -> Option<String> {
    if results.per_key.is_empty() {
        return None;
    }
    let ours = cards
        .iter()
        .find(|card| card.kind == Kind::Ours)
        .and_then(|card| results.per_key.iter().find(|measured| measured.contestant == card.name));
    let mut sorted: Vec<&PerKey> = results.per_key.iter().collect();
    sorted.sort_by(|left, right| left.over_payload.total_cmp(&right.over_payload));
    let rows = sorted.into_iter().map(|measured| {
        let limit = cards.iter().find(|card| card.name == measured.contestant).map(|card| card.limit);
        vec![
            measured.contestant.to_string(),
            match limit {
                Some(Limit::Bytes) => "bytes",
                Some(Limit::Entries) => "entries",
                _ => "none",
            }
            .to_string(),
            ours.map_or_else(|| "-".to_string(), |ours| times(measured, ours)),
            format!("{:.1}", measured.over_payload),
            of_limit(measured, limit),
            count(measured.live),
            format!("{:.0}", measured.resident_bytes as f64 / f64::from(1 << 20)),
        ]
    });
    let head = [
        "contestant",
        "limit in",
        "times this project's",
        "resident bytes per key over payload",
        "its limit per key over payload",
        "keys held",
        "resident MiB",
    ];
    Some(format!(
        "## Resident bytes per key over its payload\n\n\
         16-byte keys, 32-byte values, each contestant in a child process. Caches got room for about {keys} entries and \
         four times {keys} keys, so that they are full and have evicted; maps got {keys} keys. What counts is by how much \
         the process grew (anonymous resident memory), over the keys present at the end, less 48.\n\n{table}",
        keys = count(u64::from(results.settings.memory_keys)),
        table = table(&head, rows.collect(), 2),
    ))
}

/// The bytes a contestant was told to keep to, per key beyond key and value.
fn of_limit(measured: &PerKey, limit: Option<Limit>) -> String {
    if limit != Some(Limit::Bytes) {
        return "-".to_string();
    }
    let entry_bytes = (KEY_BYTES + VALUE_BYTES) as f64;
    format!("{:.1}", measured.limit as f64 / measured.live as f64 - entry_bytes)
}

fn times(measured: &PerKey, ours: &PerKey) -> String {
    if ours.over_payload <= 0.0 {
        return "-".to_string();
    }
    format!("{:.2}x", measured.over_payload / ours.over_payload)
}
