//! segcache: Pelikan's log of segments with a fixed hash table.
//!
//! Stored: key and value bytes copied into a segment. A get hands out an item that pins its segment. Looked up by
//! `&[u8]`. Its limit is the heap of the segments; the hash table comes on top and never grows, so it gets four slots
//! per entry the heap can hold, the load its own benchmark recommends: above about 37 % an insert may be refused.
//! The default policy races; the paper's merge and S3-FIFO play the hit ratio tables beside it.

use crate::contestant::{Capacity, Card, Contestant, Limit};
use crate::racer::Racer;
use segcache::{Policy, Segcache, Value};
use std::time::Duration;

/// segcache with its default policy.
pub const CARD_RANDOM: Card = Card {
    name: "segcache",
    package: Some("segcache"),
    limit: Limit::Bytes,
    hands_out: "counted handle (pins a segment)",
    stores: "bytes in a log",
    setup: "`Segcache::builder()`, heap for the entries, segments of 1 MiB or a 64th of a smaller heap, hash power for \
            4 slots an entry, default policy (random)",
    ttl: Some("an argument of `insert`"),
    guess_bytes: HEADER_BYTES,
    build: |capacity| build(capacity, Policy::Random),
    ..Card::CACHE
};

/// segcache with the merge eviction of its paper, parameters as in the builder's documentation.
pub const CARD_MERGE: Card = Card {
    name: "segcache-merge",
    races: false,
    setup: "the same with `Policy::Merge { max: 8, merge: 4, compact: 2 }`",
    build: |capacity| build(capacity, Policy::Merge { max: 8, merge: 4, compact: 2 }),
    ..CARD_RANDOM
};

/// segcache with S3-FIFO, parameters as in the builder's documentation.
pub const CARD_S3FIFO: Card = Card {
    name: "segcache-s3fifo",
    races: false,
    setup: "the same with `Policy::S3Fifo { admission_ratio: 0.10 }`",
    build: |capacity| build(capacity, Policy::S3Fifo { admission_ratio: 0.10 }),
    ..CARD_RANDOM
};

const HEADER_BYTES: u64 = 16;
const SLOTS_PER_ENTRY: u64 = 4;
const MIN_HASH_POWER: u8 = 7;
const SEGMENTS: u64 = 64;
const MIN_SEGMENT_BYTES: u64 = 1 << 10;
const MAX_SEGMENT_BYTES: u64 = 1 << 20;

struct Segments {
    cache: Segcache,
    /// Zero means that an item never expires.
    ttl: Duration,
}

fn build(capacity: Capacity, policy: Policy) -> Result<Box<dyn Racer>, String> {
    let segment_bytes = segment_bytes_for(capacity);
    let heap_bytes = capacity.limit.div_ceil(segment_bytes).max(4) * segment_bytes;
    let cache = Segcache::builder()
        .heap_size(usize::try_from(heap_bytes).map_err(|error| error.to_string())?)
        .segment_size(i32::try_from(segment_bytes).map_err(|error| error.to_string())?)
        .hash_power(hash_power_for(heap_bytes / (capacity.entry_bytes + HEADER_BYTES)))
        .eviction(policy)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Box::new(Segments { cache, ttl: capacity.ttl.unwrap_or_default() }))
}

fn segment_bytes_for(capacity: Capacity) -> u64 {
    let wanted = (capacity.limit / SEGMENTS).max(4 * (capacity.entry_bytes + HEADER_BYTES));
    wanted.next_power_of_two().clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES)
}

fn hash_power_for(entries: u64) -> u8 {
    let slots = (entries * SLOTS_PER_ENTRY).next_power_of_two();
    u8::try_from(slots.trailing_zeros()).unwrap_or(u8::MAX).max(MIN_HASH_POWER)
}

impl Contestant for Segments {
    type Scratch = ();

    #[inline]
    fn get<R>(&self, (): &mut (), key: &[u8], see: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let item = self.cache.get(key)?;
        match item.value() {
            Value::Bytes(value) => Some(see(value)),
            Value::U64(_) => None,
        }
    }

    #[inline]
    fn set(&self, key: &[u8], value: &[u8]) -> bool {
        self.cache.insert(key, value, None, self.ttl).is_ok()
    }
}
