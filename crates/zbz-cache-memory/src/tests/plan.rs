//! Caches of a few tiny segments.

use std::sync::Arc;

use super::random::Random;
use crate::base::ttl::GRAIN_BITS;
use crate::engine::{Config, Engine};
use crate::space::layout::CacheLayout;
use crate::space::streams::Streams;
use crate::{Clock, MIN_MAX_SIZE, ManualClock, MemoryCache, WhenFull};

/// The settings of a cache.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub segments: usize,
    pub segment_bits: u32,
    pub classes: usize,
    pub stripes: usize,
    pub evictors: usize,
    pub when_full: WhenFull,
    /// Whether the budget ends before the addresses do.
    pub tight: bool,
    /// Bytes of a tight budget beyond what the segments take.
    pub beyond: u64,
    /// The bits of hashes that are not forced to zero.
    pub hash_mask: u64,
    /// Nanoseconds that time goes on by, and their multiples: deadlines that are whole units of the
    /// system's clock are written in other forms.
    pub grain: u64,
}

/// A cache and the hand of its clock.
pub struct Rig {
    pub engine: Arc<Engine>,
    pub cache: MemoryCache,
    pub hand: ManualClock,
}

impl Plan {
    pub fn random(random: &mut Random) -> Plan {
        let masks = [u64::MAX, u64::MAX, u64::MAX, u64::MAX, 0xff, 0xffff << 40, 0];
        Plan {
            segments: random.pick(&[1, 2, 3, 8, 64]),
            segment_bits: random.pick(&[8, 9, 10, 12]),
            classes: 1 + random.below(4) as usize,
            stripes: random.pick(&[1, 2, 4]),
            evictors: 1 + random.below(2) as usize,
            when_full: random.pick(&[WhenFull::Evict, WhenFull::Evict, WhenFull::Reject]),
            tight: random.below(3) == 0,
            beyond: 1024 + random.below(4096),
            hash_mask: random.pick(&masks),
            grain: random.pick(&[1, 1 << GRAIN_BITS]),
        }
    }

    /// The whole multiples of the grain that are not more.
    pub fn whole(&self, nanos: u64) -> u64 {
        nanos / self.grain * self.grain
    }

    pub fn segment_bytes(&self) -> u64 {
        1 << self.segment_bits
    }

    fn log_bytes(&self) -> u64 {
        self.segments as u64 * Streams::cost(self.segment_bytes())
    }

    pub fn build(&self) -> Rig {
        if !self.tight {
            return self.build_with(MIN_MAX_SIZE + self.log_bytes());
        }
        let parts = self.build_with(MIN_MAX_SIZE).engine.store.space.room.budget.used();
        self.build_with(parts + self.log_bytes() + self.beyond)
    }

    fn build_with(&self, max_size: u64) -> Rig {
        let (clock, hand) = Clock::manual();
        let config = Config { max_size, when_full: self.when_full, clock };
        let layout = CacheLayout {
            segment_bits: self.segment_bits,
            // A tight budget never reaches them all.
            segments: if self.tight { 2 * self.segments + 16 } else { self.segments },
            group_bits: 0,
            most_buckets: 64,
            classes: self.classes,
            stripes: self.stripes,
            counters: 2,
            evictors: self.evictors,
            ceiling: 4 * max_size,
        };
        let mut engine = Engine::with_layout(&config, layout).unwrap();
        engine.store.entries.hash_mask = self.hash_mask;
        let engine = Arc::new(engine);
        Rig { cache: MemoryCache::from_engine(Arc::clone(&engine)), engine, hand }
    }
}
