//! A reading of the counters that a person or a program can use.

use std::fmt;
use std::time::Duration;

use crate::base::counters::Count;
use crate::verbs::store::Store;

/// What [`MemoryCache::stats`](crate::MemoryCache::stats) reads.
///
/// Counters never go backwards. Under load the fields are read one after another; when no call is
/// under way, `sets + adds - replaced == keys + deletes + evictions + expirations`, and
/// `hits + misses + absences` is the number of counted reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Counted reads that found a live entry.
    pub hits: u64,
    /// Counted reads that did not.
    pub misses: u64,
    /// Counted reads that found a mark of a layer above which says that there is no value.
    pub absences: u64,
    /// How many of the misses found bytes that a layer above could not decode.
    pub undecodable: u64,
    /// Writes stored, those with a time to live of zero among them, those of `add` not.
    pub sets: u64,
    /// Sums stored by `add`.
    pub adds: u64,
    /// Writes and sums stored over a live entry.
    pub replaced: u64,
    /// Entries deleted: by key, by clear, by close, by a time to live of zero, or because their
    /// replacement was too large.
    pub deletes: u64,
    /// Entries that went to make room.
    pub evictions: u64,
    /// Entries that left after their time had passed.
    pub expirations: u64,
    /// Writes refused as too large or because the cache was full.
    pub rejections: u64,
    /// Entries held; may include expired ones not yet swept.
    pub keys: u64,
    /// Bytes accounted for: keys, values and what it takes to hold them. At most `max_bytes`.
    pub memory_bytes: u64,
    /// Bytes of keys and values alone.
    pub payload_bytes: u64,
    /// The budget.
    pub max_bytes: u64,
    /// Time since the cache was built, by its clock.
    pub uptime: Duration,
}

/// Reads the counters; `uptime` is in nanoseconds.
pub(crate) fn stats(store: &Store, uptime: u64) -> Stats {
    let counters = &store.entries.counters;
    let count = |what| counters.sum(what);
    let (memory_bytes, max_bytes) = store.space.room.budget.used_and_told();
    Stats {
        hits: count(Count::Hits),
        misses: count(Count::Misses),
        absences: count(Count::Absences),
        undecodable: count(Count::Undecodable),
        sets: count(Count::Sets),
        adds: count(Count::Adds),
        replaced: count(Count::Replaced),
        deletes: count(Count::Deletes),
        evictions: count(Count::Evictions),
        expirations: count(Count::Expirations),
        rejections: count(Count::Rejections),
        keys: counters.keys(),
        memory_bytes,
        payload_bytes: counters.payload(),
        max_bytes,
        uptime: Duration::from_nanos(uptime),
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reads = self.hits.saturating_add(self.misses).saturating_add(self.absences);
        let ratio = if reads == 0 { 0.0 } else { self.hits as f64 * 100.0 / reads as f64 };
        writeln!(f, "reads        {reads}")?;
        writeln!(f, "  hits       {} ({ratio:.2} %)", self.hits)?;
        writeln!(f, "  misses     {} (undecodable {})", self.misses, self.undecodable)?;
        writeln!(f, "  absences   {}", self.absences)?;
        writeln!(f, "sets         {}", self.sets)?;
        writeln!(f, "adds         {}", self.adds)?;
        writeln!(f, "replaced     {}", self.replaced)?;
        writeln!(f, "deletes      {}", self.deletes)?;
        writeln!(f, "evictions    {}", self.evictions)?;
        writeln!(f, "expirations  {}", self.expirations)?;
        writeln!(f, "rejections   {}", self.rejections)?;
        writeln!(f, "keys         {}", self.keys)?;
        writeln!(f, "memory       {} of {} bytes", self.memory_bytes, self.max_bytes)?;
        writeln!(f, "payload      {} bytes", self.payload_bytes)?;
        write!(f, "uptime       {:.1} s", self.uptime.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_field_and_survives_nothing_read() {
        let text = Stats { sets: 12, max_bytes: 65_536, ..Stats::default() }.to_string();
        assert!(
            text.contains("0.00 %") && text.contains("sets         12") && text.contains("of 65536 bytes")
        );
        assert_eq!(text.lines().count(), 15);
    }
}
