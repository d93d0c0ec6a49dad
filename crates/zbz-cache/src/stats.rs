//! [`Stats`]: the counters of a provider since it was made.

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;

/// Counters and sizes of a whole provider, over all its namespaces.
///
/// Counters never decrease. When no call is under way, every lookup is a hit, a miss or a known
/// absence, and the entries that came in are those present and those that left:
/// `sets + adds - replaced = keys + deletes + evictions + expirations`.
/// A field is `None` if the provider cannot know it (a server with other users).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Lookups that returned a value.
    pub hits: u64,
    /// Lookups that returned none, undecodable ones among them.
    pub misses: u64,
    /// Lookups that were answered by a stored absence
    /// ([`Loaded::absent`](crate::Loaded::absent)): the cache knew that there is no value.
    pub known_absences: u64,
    /// Misses whose key held bytes that did not decode.
    pub undecodable: u64,
    /// Entries that were stored, including those that replaced another one and those with a zero TTL. Loaded
    /// values and stored absences count here; sums of counters do not.
    pub sets: u64,
    /// Sums of counters that were stored, by `add`.
    pub adds: u64,
    /// Sets and adds that replaced a live entry.
    pub replaced: Option<u64>,
    /// Entries that were removed: deleted, cleared, or set with a TTL of zero.
    pub deletes: u64,
    /// Entries that were lost for room.
    pub evictions: Option<u64>,
    /// Entries that expired and were then swept or overwritten.
    pub expirations: Option<u64>,
    /// Sets that were refused: too large, or no room in a cache that rejects.
    pub rejections: u64,
    /// Entries present; may include expired ones that were not swept yet.
    pub keys: Option<u64>,
    /// Bytes of memory in use, all of it: keys, values, index, tables.
    pub memory_bytes: Option<u64>,
    /// Bytes of the keys (with their namespaces) and values alone.
    pub payload_bytes: Option<u64>,
    /// The limit of `memory_bytes`.
    pub max_bytes: Option<u64>,
    /// Reads that the provider did not answer, without an error for their caller: reads of loads, which went
    /// on without the cache, and plain reads of contracts that treat them as misses
    /// ([`OnFailure`](crate::OnFailure)). They also count as misses, except those of `exists` and `ttl`, which
    /// are not lookups. Counted by the handle and its clones.
    pub failed_reads: u64,
    /// Plain sets that the provider did not answer and that were dropped, in contracts with
    /// [`OnFailure::Miss`](crate::OnFailure::Miss). Not counted as sets. Counted by the handle.
    pub dropped_sets: u64,
    /// The time since the provider was made.
    pub uptime: Duration,
    /// The counters of loads through this handle and its clones; the handle fills them in.
    pub loads: LoadStats,
    /// The counters of a near cache in front of the provider; `None` without one.
    pub near: Option<NearStats>,
}

/// The counters and sizes of the near side of "tiered".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct NearStats {
    /// Lookups that went to the far side, alone or together with others; all others were answered near.
    pub read_through: u64,
    /// Changes that the far side reported, including flushes.
    pub invalidations: u64,
    /// Losses of the subscription to those changes, for each namespace in use.
    pub losses: u64,
    /// Copies present; may include some that are no longer served.
    pub keys: u64,
    /// Bytes of memory in use near, all of it.
    pub memory_bytes: u64,
    /// The limit of `memory_bytes`.
    pub max_bytes: u64,
}

/// The counters of `get_or_load` and its variants besides lookups, by key. A value from the cache also
/// counts as a hit, one that had to be loaded as a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LoadStats {
    /// Loads that returned an answer, including refreshes.
    pub loaded: u64,
    /// Loads that failed, panicked or timed out, or whose value the codec refused, and refreshes that their
    /// executor dropped.
    pub failed: u64,
    /// Calls that got the answer of another call's load.
    pub coalesced: u64,
    /// Hits that were served past their fresh time.
    pub stale: u64,
    /// Loads that were begun for a stale entry.
    pub refreshes: u64,
    /// Answers that should have been stored and were not: the key was written, removed or cleared meanwhile,
    /// or the provider refused, or the codec did (then the load failed too).
    pub unstored: u64,
    /// Those of `loaded` whose answer was not stored, because the provider did not answer the read before
    /// the load.
    pub around: u64,
    /// Keys that are being loaded at this moment.
    pub under_way: u64,
}

impl Stats {
    /// The share of hits among hits and misses, 0 to 1; `None` before the first one. Known absences count as
    /// neither.
    pub fn hit_ratio(&self) -> Option<f64> {
        let lookups = self.hits + self.misses;
        (lookups > 0).then(|| self.hits as f64 / lookups as f64)
    }
}

impl fmt::Display for Stats {
    /// A table of several lines, without a line break at the end; `-` stands for an unknown number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
        let size = |size: Option<u64>| {
            size.map_or("-".to_owned(), |size| ByteSize::b(size).display().iec().to_string())
        };
        let ratio = self
            .hit_ratio()
            .map_or(String::new(), |ratio| format!(" ({:.1} % of hits and misses)", ratio * 100.0));
        writeln!(f, "hits            {}{ratio}", self.hits)?;
        writeln!(f, "misses          {}", self.misses)?;
        writeln!(f, "known absences  {}", self.known_absences)?;
        writeln!(f, "undecodable     {}", self.undecodable)?;
        if self.loads != LoadStats::default() {
            let LoadStats { loaded, failed, coalesced, stale, refreshes, unstored, around, under_way } =
                self.loads;
            writeln!(
                f,
                "loads           {loaded} succeeded, {failed} failed, {coalesced} shared, {under_way} running"
            )?;
            writeln!(f, "not stored      {unstored} answers of loads, {around} more by an outage")?;
            writeln!(f, "stale           {stale} hits, {refreshes} refreshes begun")?;
        }
        if (self.failed_reads, self.dropped_sets) != (0, 0) {
            let Stats { failed_reads, dropped_sets, .. } = self;
            writeln!(f, "outages         {failed_reads} reads not answered, {dropped_sets} sets dropped")?;
        }
        if let Some(near) = &self.near {
            let NearStats { read_through, invalidations, losses, .. } = near;
            let (used, limit) = (size(Some(near.memory_bytes)), size(Some(near.max_bytes)));
            writeln!(f, "read through    {read_through}; {invalidations} changes told, {losses} losses")?;
            writeln!(f, "near            {} copies, {used} of {limit}", near.keys)?;
        }
        writeln!(f, "sets            {}", self.sets)?;
        writeln!(f, "adds            {}", self.adds)?;
        writeln!(f, "replaced        {}", count(self.replaced))?;
        writeln!(f, "deletes         {}", self.deletes)?;
        writeln!(f, "evictions       {}", count(self.evictions))?;
        writeln!(f, "expirations     {}", count(self.expirations))?;
        writeln!(f, "rejections      {}", self.rejections)?;
        writeln!(f, "keys            {}", count(self.keys))?;
        let (used, limit) = (size(self.memory_bytes), size(self.max_bytes));
        writeln!(f, "memory          {used} of {limit} (payload {})", size(self.payload_bytes))?;
        write!(f, "uptime          {:.1} s", self.uptime.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_dash() {
        let stats = Stats { hits: 3, misses: 1, keys: Some(2), ..Stats::default() };
        let text = stats.to_string();
        assert!(text.contains("hits            3 (75.0 % of hits and misses)"), "{text}");
        assert!(text.contains("evictions       -"), "{text}");
        assert_eq!(Stats::default().hit_ratio(), None);
        assert!(!text.contains("loads"), "only where something was loaded: {text}");
        let loads = LoadStats { loaded: 2, coalesced: 5, ..LoadStats::default() };
        let text = Stats { loads, ..Stats::default() }.to_string();
        assert!(text.contains("loads           2 succeeded, 0 failed, 5 shared, 0 running"), "{text}");
    }
}
