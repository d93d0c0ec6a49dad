//! [`MemoryReport`]: what holds each byte of a cache.

use std::fmt;

use crate::index::GHOST_BYTES_PER_BUCKET;
use crate::log::segment::Phase;
use crate::space::streams::Streams;
use crate::verbs::store::Store;

/// What [`MemoryCache::memory_report`](crate::MemoryCache::memory_report) reads: the accounted
/// bytes, by what holds them. All but `payload_bytes` and `max_bytes` add up to `used_bytes` when
/// no call is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryReport {
    /// The budget.
    pub max_bytes: u64,
    /// Bytes accounted for.
    pub used_bytes: u64,
    /// Keys and values alone; they lie in `entry_bytes`.
    pub payload_bytes: u64,
    /// Entries in the log with their headers, those that expired and were not swept among them.
    pub entry_bytes: u64,
    /// Room in the log of entries that went, and of what did not fit at the end of a segment.
    pub dead_bytes: u64,
    /// Room in segments that are being filled.
    pub open_bytes: u64,
    /// Segments that are free, or will be as soon as they have no readers.
    pub free_bytes: u64,
    /// The index: buckets and overflow buckets.
    pub index_bytes: u64,
    /// The memory of evicted entries (ghosts).
    pub ghost_bytes: u64,
    /// The state of each segment.
    pub table_bytes: u64,
    /// The parts that neither grow nor shrink: counters, streams, the cache itself.
    pub base_bytes: u64,
}

impl fmt::Display for MemoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |bytes: u64| bytes as f64 * 100.0 / self.max_bytes.max(1) as f64;
        let rows = [
            ("used", self.used_bytes),
            ("  entries", self.entry_bytes),
            ("  dead", self.dead_bytes),
            ("  open", self.open_bytes),
            ("  free", self.free_bytes),
            ("  index", self.index_bytes),
            ("  ghosts", self.ghost_bytes),
            ("  tables", self.table_bytes),
            ("  base", self.base_bytes),
        ];
        for (name, bytes) in rows {
            writeln!(f, "{name:<11}{bytes:>15} bytes {:>6.2} %", share(bytes))?;
        }
        write!(f, "{:<11}{:>15} bytes", "budget", self.max_bytes)
    }
}

pub(crate) fn memory_report(store: &Store) -> MemoryReport {
    let Store { entries, space, .. } = store;
    let (used_bytes, max_bytes) = space.room.budget.used_and_told();
    let ghost_bytes = entries.index.buckets() * GHOST_BYTES_PER_BUCKET;
    let mut report = MemoryReport {
        max_bytes,
        used_bytes,
        payload_bytes: entries.counters.payload(),
        index_bytes: entries.index.bytes() - ghost_bytes,
        ghost_bytes,
        base_bytes: space.room.fixed_bytes,
        ..MemoryReport::default()
    };
    for number in 0..space.room.streams.reached() {
        let segment = entries.log.segment(number);
        let (size, fill, dead) = (segment.size(), segment.fill(), segment.dead());
        match segment.phase() {
            Phase::Absent => continue,
            Phase::Free | Phase::Limbo => report.free_bytes += size,
            Phase::Open => {
                report.entry_bytes += fill.saturating_sub(dead);
                report.dead_bytes += dead.min(fill);
                report.open_bytes += size.saturating_sub(fill);
            }
            Phase::Sealed | Phase::Draining => {
                report.entry_bytes += size.saturating_sub(dead);
                report.dead_bytes += dead.min(size);
            }
        }
        report.table_bytes += Streams::cost(0);
    }
    report
}

/// How many keys stand in the line of their bucket that they prefer, in the other line, and in an
/// overflow bucket.
pub(crate) fn keys_by_line(store: &Store) -> [u64; 3] {
    let (mut sum, mut next) = ([0; 3], Some(0));
    while let Some(point) = next {
        let page = std::cell::Cell::new([0_u64; 3]);
        next = store.entries.index.visit_group(
            point,
            || page.set([0; 3]),
            |bucket| page.set(add(page.get(), bucket.items_by_line())),
        );
        sum = add(sum, page.get());
    }
    sum
}

fn add(a: [u64; 3], b: [u64; 3]) -> [u64; 3] {
    std::array::from_fn(|at| a[at] + b[at])
}

#[cfg(test)]
mod tests {
    use crate::{Clock, MemoryCache};

    #[test]
    fn most_keys_are_in_the_line_that_they_prefer() {
        let cache = MemoryCache::builder().max_size(64 << 20).build().unwrap();
        assert_eq!(cache.keys_by_line(), [0; 3]);
        for n in 0..100_000_u32 {
            cache.set(&n.to_be_bytes(), b"", None).unwrap();
        }
        let [preferred, other, beyond] = cache.keys_by_line();
        assert_eq!(preferred + other + beyond, cache.len() as u64);
        assert!(preferred > 80_000 && beyond < 5_000, "{preferred} {other} {beyond}");
    }

    #[test]
    fn the_parts_add_up_to_what_is_used() {
        let (clock, _hand) = Clock::manual();
        let cache = MemoryCache::builder().max_size(1 << 20).clock(clock).build().unwrap();
        for n in 0..20_000u32 {
            cache.set(&(n % 9000).to_be_bytes(), &[7; 150][..(n % 150) as usize], None).unwrap();
            if n % 1000 == 0 {
                let report = cache.memory_report();
                let log = report.entry_bytes + report.dead_bytes + report.open_bytes + report.free_bytes;
                let rest = report.index_bytes + report.ghost_bytes + report.table_bytes + report.base_bytes;
                assert_eq!(log + rest, report.used_bytes, "{report}");
                assert!(report.payload_bytes < report.entry_bytes && report.used_bytes <= report.max_bytes);
            }
        }
        let text = cache.memory_report().to_string();
        assert!(text.contains("entries") && text.lines().count() == 10, "{text}");
    }
}
