//! quick_cache: a sharded cache, S3-FIFO.
//!
//! Stored: the key as `Box<[u8]>`, the value as `Arc<[u8]>`, since its documentation asks for an `Arc` around values
//! that are dear to clone: a get clones the value. Looked up by `&[u8]`.

use crate::contestant::{Capacity, Card, Contestant, Kind, Limit};
use crate::racer::Racer;
use quick_cache::sync::Cache;
use std::sync::Arc;

/// quick_cache as its documentation opens.
pub const CARD: Card = Card {
    name: "quick_cache",
    package: Some("quick_cache"),
    kind: Kind::Cache,
    limit: Limit::Entries,
    races: true,
    hands_out: "counted handle",
    stores: "`Box<[u8]>`, `Arc<[u8]>`",
    setup: "`sync::Cache::new(entries)`, all defaults",
    batch: None,
    guess_bytes: 0,
    build,
};

struct QuickCache(Cache<Box<[u8]>, Arc<[u8]>>);

fn build(capacity: Capacity) -> Result<Box<dyn Racer>, String> {
    let entries = usize::try_from(capacity.limit).map_err(|error| error.to_string())?;
    Ok(Box::new(QuickCache(Cache::new(entries))))
}

impl Contestant for QuickCache {
    type Scratch = ();

    #[inline]
    fn get<R>(&self, (): &mut (), key: &[u8], see: impl FnOnce(&[u8]) -> R) -> Option<R> {
        self.0.get(key).map(|value| see(&value))
    }

    #[inline]
    fn set(&self, key: &[u8], value: &[u8]) -> bool {
        self.0.insert(key.into(), value.into());
        true
    }
}
