//! [`CacheLayout`]: how large the parts of a cache are, decided once from its budget.

use crate::base::error::Error;
use crate::index::slot::Location;

/// See the module's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheLayout {
    /// Segments have addresses for two to this many bytes.
    pub(crate) segment_bits: u32,
    /// Segments there are addresses for.
    pub(crate) segments: usize,
    /// The index begins with four buckets times two to this.
    pub(crate) group_bits: u32,
    pub(crate) most_buckets: usize,
    /// Classes of deadlines, that without any among them.
    pub(crate) classes: usize,
    /// Stripes of writers, a power of two.
    pub(crate) stripes: usize,
    /// Stripes of counters.
    pub(crate) counters: usize,
    /// Threads that can evict at once.
    pub(crate) evictors: usize,
    /// The largest budget there are addresses for.
    pub(crate) ceiling: u64,
}

/// The smallest budget a cache takes, in bytes.
pub const MIN_MAX_SIZE: u64 = 65_536;

/// The budget of a cache that was told none, in bytes: 100 MiB.
pub const DEFAULT_MAX_SIZE: u64 = 104_857_600;

/// Addresses are reserved for a budget this many times as large as the first; for less where the
/// system refuses them.
pub(crate) const HEADROOMS: [u64; 3] = [8, 2, 1];

const LEAST_SEGMENT_BITS: u32 = 10;
const MOST_SEGMENT_BITS: u32 = 20;

/// In a cache that rejects, where the largest entry has to have room for another like it, the words
/// of each segment would take too much beside smaller ones.
const LEAST_REJECTING_BITS: u32 = 11;

/// How often the index doubles from its first size to that of a cache full of entries of about
/// [`USUAL_ENTRY_BYTES`]. It can double more often; each time tags tell one bit less apart.
const DOUBLINGS: u32 = 9;
const USUAL_ENTRY_BYTES: u64 = 64;

/// Keys that a bucket is meant for.
pub(crate) const KEYS_PER_BUCKET: u64 = 11;

/// The fewest bytes that an entry takes: a header, a key of one byte, its share of the index.
const LEAST_ENTRY_BYTES: u64 = 16;

/// The segment's bits for a budget: many segments, so that those which are open or half walked
/// take little of it, but none too small to hold some items.
pub(crate) fn segment_bits(budget: u64) -> u32 {
    let in_64 = (budget / 64).max(1).ilog2().min(13);
    let in_256 = (budget / 256).max(1).ilog2();
    in_64.max(in_256).clamp(LEAST_SEGMENT_BITS, MOST_SEGMENT_BITS)
}

impl CacheLayout {
    /// For a budget of so many bytes that may grow `headroom` times as large, used by so many
    /// threads at once; of a cache that evicts, or of one that `rejects`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`]: there are not as many addresses.
    pub(crate) fn new(
        budget: u64,
        headroom: u64,
        threads: usize,
        rejects: bool,
    ) -> Result<CacheLayout, Error> {
        let segment_bits = segment_bits(budget).max(if rejects { LEAST_REJECTING_BITS } else { 0 });
        let most = Location::COUNT - (1 << MOST_SEGMENT_BITS);
        let ceiling = budget.saturating_mul(headroom).min(most);
        if budget > ceiling {
            return Err(Error::Config {
                option: "max_size",
                got: format!("{budget} bytes"),
                takes: format!("at most {most} bytes"),
            });
        }
        let first = ceiling_div(budget, 1 << segment_bits);
        let most_buckets = (ceiling / LEAST_ENTRY_BYTES / KEYS_PER_BUCKET).max(64);
        let full = budget / USUAL_ENTRY_BYTES / KEYS_PER_BUCKET;
        let initial = (full >> DOUBLINGS) / 4;
        let (classes, most_stripes) = match first {
            0..64 => (1, 1),
            // The rest of an open segment is room that other writes cannot use.
            _ if rejects => (1, first / 64),
            64..192 => (2, 2),
            _ => (4, first / 64),
        };
        let threads = threads.max(1) as u64;
        Ok(CacheLayout {
            segment_bits,
            segments: ceiling_div(ceiling, 1 << segment_bits) as usize,
            group_bits: initial.max(1).ilog2(),
            most_buckets: most_buckets as usize,
            classes,
            stripes: 1 << threads.min(most_stripes).min(8).ilog2(),
            counters: (8 * threads).clamp(48, 512).min((budget >> 14).max(8)) as usize,
            evictors: if first < 128 { 1 } else { threads.clamp(2, 4) as usize },
            ceiling,
        })
    }
}

/// # Errors
///
/// [`Error::Config`]: the budget is below [`MIN_MAX_SIZE`].
pub(crate) fn check_max_size(max_size: u64) -> Result<(), Error> {
    if max_size >= MIN_MAX_SIZE {
        return Ok(());
    }
    Err(Error::Config {
        option: "max_size",
        got: format!("{max_size} bytes"),
        takes: format!("at least {MIN_MAX_SIZE} bytes"),
    })
}

fn ceiling_div(a: u64, b: u64) -> u64 {
    a.div_ceil(b)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::index::BYTES_PER_BUCKET;

    #[test]
    fn every_budget_has_many_segments_and_a_small_first_index() {
        for bits in 16..36 {
            for budget in [1_u64 << bits, (1 << bits) + 4095] {
                let layout = CacheLayout::new(budget, 8, 2, false).unwrap();
                let segments = budget >> layout.segment_bits;
                assert!(segments >= 64, "{budget}: {segments}");
                assert!(segments <= 512 || layout.segment_bits == MOST_SEGMENT_BITS);
                assert!((BYTES_PER_BUCKET * 4) << layout.group_bits <= (budget / 512).max(1024));
                let open = 2 * layout.classes * layout.stripes;
                assert!(open as u64 <= segments / 8, "{budget}: {open} of {segments}");
            }
        }
    }

    #[test]
    fn one_that_rejects_has_room_for_its_largest_entry_twice_and_one_class() {
        for bits in 16..36 {
            for budget in [1_u64 << bits, (1 << bits) + 4095, (2 << bits) - 1] {
                let layout = CacheLayout::new(budget, 8, 2, true).unwrap();
                let segments = budget >> layout.segment_bits;
                assert!(segments >= 32 && layout.classes == 1, "{budget}: {segments}");
                assert!(2 * layout.stripes as u64 <= segments / 8, "{budget}: {segments}");
            }
        }
    }

    #[test]
    fn a_budget_beyond_all_addresses_is_refused() {
        assert!(CacheLayout::new(u64::MAX, 8, 1, false).is_err());
        assert!(CacheLayout::new(Location::COUNT, 8, 1, false).is_err());
    }
}
