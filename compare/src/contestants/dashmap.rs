//! dashmap: a sharded map with a lock per shard. No limit, no deadlines.
//!
//! Stored: the key and the value as `Box<[u8]>`. A get hands out a reference that holds the shard's read lock. Looked
//! up by `&[u8]`.

use crate::contestant::{Capacity, Card, contestant};
use crate::racer::Racer;
use dashmap::DashMap;

/// dashmap as its documentation opens.
pub const CARD: Card = Card {
    name: "dashmap",
    package: Some("dashmap"),
    hands_out: "reference under a shard lock",
    setup: "`DashMap::new()`, all defaults",
    build,
    ..Card::MAP
};

contestant!(Dash(DashMap<Box<[u8]>, Box<[u8]>>), |value| &value);

fn build(_: Capacity) -> Result<Box<dyn Racer>, String> {
    Ok(Box::new(Dash(DashMap::new())))
}
