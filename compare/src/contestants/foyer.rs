//! foyer: its in-memory cache, sharded, with a choice of policies.
//!
//! Stored: the key and the value as `Box<[u8]>`; a get hands out foyer's own counted entry, so no `Arc` is added.
//! Looked up by `&[u8]`. The default policy races; two others play the hit ratio tables beside it.

use crate::contestant::{Capacity, Card, contestant};
use crate::racer::Racer;
use foyer::{Cache, CacheBuilder, EvictionConfig, LfuConfig, LruConfig, S3FifoConfig};

/// foyer as its documentation opens; the builder's default policy is LRU.
pub const CARD_LRU: Card = Card {
    name: "foyer",
    package: Some("foyer"),
    stores: "`Box<[u8]>`, `Box<[u8]>`",
    setup: "`CacheBuilder::new(entries).build()`, all defaults (8 shards, LRU)",
    build: |capacity| build(capacity, LruConfig::default().into()),
    ..Card::CACHE
};

/// foyer with its W-TinyLFU.
pub const CARD_LFU: Card = Card {
    name: "foyer-lfu",
    races: false,
    setup: "the same with `LfuConfig::default()` (W-TinyLFU)",
    build: |capacity| build(capacity, LfuConfig::default().into()),
    ..CARD_LRU
};

/// foyer with its S3-FIFO.
pub const CARD_S3FIFO: Card = Card {
    name: "foyer-s3fifo",
    races: false,
    setup: "the same with `S3FifoConfig::default()`",
    build: |capacity| build(capacity, S3FifoConfig::default().into()),
    ..CARD_LRU
};

contestant!(Foyer(Cache<Box<[u8]>, Box<[u8]>>), |entry| entry.value());

fn build(capacity: Capacity, policy: EvictionConfig) -> Result<Box<dyn Racer>, String> {
    let entries = usize::try_from(capacity.limit).map_err(|error| error.to_string())?;
    let cache = CacheBuilder::new(entries).with_eviction_config(policy).build();
    Ok(Box::new(Foyer(cache)))
}
