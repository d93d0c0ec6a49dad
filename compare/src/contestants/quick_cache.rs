//! quick_cache: a sharded cache, S3-FIFO.
//!
//! Stored: the key as `Box<[u8]>`, the value as `Arc<[u8]>`, since its documentation asks for an `Arc` around values
//! that are dear to clone: a get clones the value. Looked up by `&[u8]`.

use crate::contestant::{Capacity, Card, contestant};
use crate::racer::Racer;
use quick_cache::sync::Cache;
use std::sync::Arc;

/// quick_cache as its documentation opens.
pub const CARD: Card = Card {
    name: "quick_cache",
    package: Some("quick_cache"),
    setup: "`sync::Cache::new(entries)`, all defaults",
    build,
    ..Card::CACHE
};

contestant!(QuickCache(Cache<Box<[u8]>, Arc<[u8]>>), |value| &value);

fn build(capacity: Capacity) -> Result<Box<dyn Racer>, String> {
    let entries = usize::try_from(capacity.limit).map_err(|error| error.to_string())?;
    Ok(Box::new(QuickCache(Cache::new(entries))))
}
