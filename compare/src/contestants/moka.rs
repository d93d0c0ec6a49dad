//! moka: the synchronous cache, W-TinyLFU.
//!
//! Stored: the key as `Box<[u8]>`, the value as `Arc<[u8]>`, since its documentation asks for an `Arc` around values
//! that are dear to clone: a get clones the value. Looked up by `&[u8]`.

use crate::contestant::{Capacity, Card, contestant};
use crate::racer::Racer;
use moka::sync::Cache;
use std::sync::Arc;

/// moka as its documentation opens.
pub const CARD: Card = Card {
    name: "moka",
    package: Some("moka"),
    setup: "`sync::Cache::new(entries)`, all defaults",
    ttl: Some("`time_to_live` of the whole cache"),
    build,
    ..Card::CACHE
};

contestant!(Moka(Cache<Box<[u8]>, Arc<[u8]>>), |value| &value);

fn build(capacity: Capacity) -> Result<Box<dyn Racer>, String> {
    let cache = match capacity.ttl {
        None => Cache::new(capacity.limit),
        Some(ttl) => Cache::builder().max_capacity(capacity.limit).time_to_live(ttl).build(),
    };
    Ok(Box::new(Moka(cache)))
}
