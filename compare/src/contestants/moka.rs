//! moka: the synchronous cache, W-TinyLFU.
//!
//! Stored: the key as `Box<[u8]>`, the value as `Arc<[u8]>`, since its documentation asks for an `Arc` around values
//! that are dear to clone: a get clones the value. Looked up by `&[u8]`.

use crate::contestant::{Capacity, Card, Contestant, Kind, Limit};
use crate::racer::Racer;
use moka::sync::Cache;
use std::sync::Arc;

/// moka as its documentation opens.
pub const CARD: Card = Card {
    name: "moka",
    package: Some("moka"),
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

struct Moka(Cache<Box<[u8]>, Arc<[u8]>>);

fn build(capacity: Capacity) -> Result<Box<dyn Racer>, String> {
    Ok(Box::new(Moka(Cache::new(capacity.limit))))
}

impl Contestant for Moka {
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
