//! dashmap: a sharded map with a lock per shard. No limit, no deadlines.
//!
//! Stored: the key and the value as `Box<[u8]>`. A get hands out a reference that holds the shard's read lock. Looked
//! up by `&[u8]`.

use crate::contestant::{Capacity, Card, Contestant, Kind, Limit};
use crate::racer::Racer;
use dashmap::DashMap;

/// dashmap as its documentation opens.
pub const CARD: Card = Card {
    name: "dashmap",
    package: Some("dashmap"),
    kind: Kind::Map,
    limit: Limit::None,
    races: true,
    hands_out: "reference under a shard lock",
    stores: "`Box<[u8]>`, `Box<[u8]>`",
    setup: "`DashMap::new()`, all defaults",
    batch: None,
    guess_bytes: 0,
    build,
};

struct Dash(DashMap<Box<[u8]>, Box<[u8]>>);

fn build(_: Capacity) -> Result<Box<dyn Racer>, String> {
    Ok(Box::new(Dash(DashMap::new())))
}

impl Contestant for Dash {
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
